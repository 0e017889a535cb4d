"""Evidence that stands alone: all blocks from genesis to a round's end, the blobs it names, and how to check them.

A bundle is a zip file. `audit verify BUNDLE` checks it anywhere; it proves what the blocks prove and says what it
cannot: whether blocks follow that the bundle does not hold, and sums whose masked updates have expired.
"""

import json
import lzma
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from shutil import disk_usage
from typing import Any

from fabric_protos.common import common_pb2

from audit import codes
from audit.evidence.blobs import PREFIX, gather, is_digest
from audit.evidence.fetch import MOST_BYTES, FetchError, block_path, read_blocks
from audit.fabric.envelope import ENDORSER_TRANSACTION, parse_action, parse_transaction
from audit.fabric.state import State
from audit.fabric.wire import header_hash, read_json
from audit.verify.story import round_of
from audit.verify.verdict import Rule, Verdict
from network.files import put_in_place

MANIFEST = "manifest.json"
NAMES = re.compile(r"README\.txt|blocks/\d{6}/\d{9,20}\.block|blobs/[0-9a-f]{2}/[0-9a-f]{64}", re.ASCII)
"""What a bundle may hold: anything else, such as a state of the audit, would be believed where it must not."""
PIECE = 1 << 20
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError)
INSTRUCTIONS = """How to check this bundle
========================
1. Ask two or more organisations of the consortium for the hash of the channel's genesis block, each by itself.
2. Run `fedledger audit verify BUNDLE.zip --genesis HASH`. Nothing else is needed, no network is used.
3. Read the verdict's three parts: what holds, what fails, and what could not be checked and why.

The blocks hold every certificate, vote, commitment and signature from genesis to the end of the round. The bundle
cannot show whether later blocks exist, nor re-add masked updates that are not in its blobs folder. Sealed shares are
left out: no sum needs them, and beside the masked updates they would help whoever once holds enough private keys.
"""


def final_block(state: State, training: str, round_number: int) -> int:
    """Return the block in which a round of a training ended; raises FetchError (FL5110) where none did."""
    for event in state.events():
        if event["name"] == "RoundFinal" and round_of(event).startswith(f"{training}/{round_number}/"):
            return int(event["block"])
    raise FetchError(
        codes.ROUND_NOT_FINAL,
        f"round {round_number} of {training} has not ended Final in the blocks audited",
        hint="fetch more",
    )


def export(folder: Path, last: int, out: Path, *, blobs: Sequence[Path] = (), short: bool = False) -> dict[str, Any]:
    """Write the bundle of blocks 0..last, and of the masked updates they name, to `out` and return its manifest.

    The short form holds the headers' hashes instead of the blocks: it fixes what the long form must be, and proves
    nothing by itself.
    """
    manifest: dict[str, Any] = {"version": 1, "last_block": last, "short": short, "files": {}, "missing_blobs": []}
    partial = out.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as bundle:
        _add(bundle, manifest, "README.txt", INSTRUCTIONS.encode())
        hashes, updates = [], list[str]()
        for block in read_blocks(folder):
            if block.header.number > last:
                break
            hashes.append(header_hash(block.header).hex())
            updates += _updates(block)
            if not short:
                name = str(block_path(Path(), block.header.number))
                _add(bundle, manifest, name, block.SerializeToString())
        if len(hashes) != last + 1:
            raise FetchError(
                codes.BLOCKS_MISSING, f"blocks up to {last} are needed, {len(hashes)} are there", where=str(folder)
            )
        manifest["genesis_hash"], manifest["block_hashes"] = hashes[0], hashes
        if not short:
            _add_blobs(bundle, manifest, updates, blobs)
        bundle.writestr(_entry(MANIFEST), json.dumps(manifest, sort_keys=True, indent=1))
    put_in_place(partial, out)
    return manifest


def _updates(block: common_pb2.Block) -> Iterator[str]:
    """Yield the digests of the masked updates that a block's transactions commit to, valid or not.

    Anybody may write anything there: what is no digest is a path that leads out of the blobs' folder.
    """
    for index, raw in enumerate(block.data.data):
        try:
            transaction = parse_transaction(index, raw)
            if transaction.kind != ENDORSER_TRANSACTION:
                continue
            function, *rest = parse_action(transaction).arguments
            digest = read_json(rest[0])["digest"] if function == b"CommitUpdate" else None
        except (ValueError, LookupError, TypeError):
            continue
        if is_digest(digest):
            yield digest


def _add_blobs(
    bundle: zipfile.ZipFile, manifest: dict[str, Any], digests: Sequence[str], folders: Sequence[Path]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        found = gather(folders, Path(scratch) / "blobs")
        for digest in sorted(set(digests)):
            path = found / digest[:PREFIX] / digest if found else None
            if path is not None and path.is_file():
                _add(bundle, manifest, f"blobs/{digest[:PREFIX]}/{digest}", path.read_bytes())
            else:
                manifest["missing_blobs"].append(digest)


def unpack(path: Path, folder: Path) -> dict[str, Any]:
    """Unpack a bundle, checking every file against its manifest; raises FetchError (FL5112, FL5113)."""
    try:
        with zipfile.ZipFile(path) as bundle:
            manifest = _manifest(bundle)
            for name, digest in () if manifest["short"] else manifest["files"].items():
                _extract(bundle, name, digest, folder)
    except (OSError, LookupError, ValueError, TypeError, RuntimeError, EOFError, *ZIP_ERRORS) as error:
        raise FetchError(
            codes.BUNDLE_DAMAGED, f"the bundle is damaged: {error}", where=str(path), hint="ask for it again"
        ) from error
    if manifest["short"]:
        text = "the bundle is of the short form: it fixes hashes of blocks and shows no vote, no signature and no sum"
        raise FetchError(
            codes.BUNDLE_SHORT, text, where=str(path), hint="Ask for the long form and compare its block hashes."
        )
    return manifest


def _manifest(bundle: zipfile.ZipFile) -> dict[str, Any]:
    """Read what a bundle says of itself; raises ValueError where it is no manifest."""
    if bundle.getinfo(MANIFEST).file_size > MOST_BYTES:
        raise ValueError("its manifest is too large")
    manifest = read_json(bundle.read(MANIFEST))
    wanted = {"files": dict, "block_hashes": list, "last_block": int, "short": bool}
    if any(not isinstance(manifest[name], kind) for name, kind in wanted.items()):
        raise ValueError("its manifest does not say what it holds")
    return dict(manifest)


def _extract(bundle: zipfile.ZipFile, name: str, digest: str, folder: Path) -> None:
    """Write one file of a bundle, which must be of a kind that a bundle holds; raises ValueError."""
    if not NAMES.fullmatch(name):
        raise ValueError(f"it holds {name!r}, which is neither a block nor a blob")
    if bundle.getinfo(name).file_size > disk_usage(folder).free:
        raise ValueError(f"{name} is larger than what the disk has left")
    target, seen = folder / name, sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with bundle.open(name) as source, target.open("wb") as out:
        while piece := source.read(PIECE):
            seen.update(piece)
            out.write(piece)
    if seen.hexdigest() != digest:
        raise ValueError(f"{name} is not the file that the manifest names")


def check_whole(verdict: Verdict, manifest: dict[str, Any]) -> None:
    """Say whether the blocks verified are those that a bundle promises."""
    last = manifest["last_block"]
    if verdict.height - 1 == last and manifest["block_hashes"][-1:] == [verdict.last_hash]:
        verdict.held_rule(Rule.BUNDLE)
    else:
        verdict.failed_rule(
            Rule.BUNDLE, f"the bundle promises blocks up to {last} and holds {verdict.height} that hold"
        )


def _entry(name: str) -> zipfile.ZipInfo:
    """A zip entry with a fixed time, so that the same evidence gives the same bytes."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _add(bundle: zipfile.ZipFile, manifest: dict[str, Any], name: str, raw: bytes) -> None:
    manifest["files"][name] = sha256(raw).hexdigest()
    bundle.writestr(_entry(name), raw)
