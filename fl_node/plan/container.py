"""The .flplan file: a ZIP archive in one canonical form, so that the same content gives the same bytes and digest.

Entries are sorted by name, stored without compression, with fixed times and attributes. A reader packs what it read
again and compares: whatever is not canonical (appended bytes, comments, another order) is refused.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fl_node import codes
from fl_node.plan.errors import plan_error
from fl_node.plan.frameworks import parse_manifest
from fl_node.plan.manifest import Manifest

MAX_BYTES: Final = 1 << 30
"""The largest plan file."""

MAX_ENTRIES: Final = 8

MANIFEST: Final = "manifest.json"
INITIAL: Final = "initial.state"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_UNIX: Final = 3


@dataclass(frozen=True)
class Plan:
    """A plan that was read and checked.

    Attributes:
        manifest: What it is.
        digest: SHA-256 of the file, hex: the name that the ledger knows it by.
        initial_state: The state before the first round.
        computations: By name without its ending, such as `work`; serialized for the manifest's framework.
    """

    manifest: Manifest
    digest: str
    initial_state: bytes
    computations: Mapping[str, bytes]


def pack_plan(manifest: Manifest, files: Mapping[str, bytes]) -> bytes:
    """Packs a plan; `manifest.files` must hold the digests of `files`."""
    return _archive({MANIFEST: manifest.canonical(), **files})


def read_plan(raw: bytes, digest: str | None = None) -> Plan:
    """Reads a plan from its bytes.

    Args:
        raw: The file's bytes.
        digest: The digest that the file must have, where the caller knows it.

    Raises:
        PlanError: FL3001 (damaged), FL3002 (another digest), FL3003 (manifest).
    """
    found = hashlib.sha256(raw).hexdigest()
    if digest is not None and found != digest:
        raise plan_error(codes.PLAN_DIGEST, f"the file's digest is {found}, not {digest}")
    files = _entries(raw)
    manifest = parse_manifest(files.pop(MANIFEST))
    if list(files) != sorted([INITIAL, *manifest.entries]):
        raise plan_error(codes.PLAN_DAMAGED, f"the entries must be {', '.join([INITIAL, *manifest.entries])}")
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    if digests != manifest.files:
        raise plan_error(codes.PLAN_DAMAGED, "an entry is not the one that the manifest names")
    computations = {name.partition(".")[0]: files[name] for name in manifest.entries}
    return Plan(manifest, found, files[INITIAL], computations)


def load_plan(path: Path, digest: str | None = None) -> Plan:
    """Reads a plan file; see `read_plan`."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise plan_error(codes.PLAN_DAMAGED, f"{size} bytes, at most {MAX_BYTES}", str(path))
        raw = path.read_bytes()
    except OSError as error:
        raise plan_error(codes.PLAN_DAMAGED, f"cannot be read: {error.strerror}", str(path)) from error
    return read_plan(raw, digest)


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def _entries(raw: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            listed = archive.infolist()
            names = [entry.filename for entry in listed]
            if not {MANIFEST, INITIAL} <= set(names) or len(names) > MAX_ENTRIES:
                raise plan_error(codes.PLAN_DAMAGED, f"the entries must be {MANIFEST}, {INITIAL} and few others")
            if any(entry.compress_type for entry in listed):
                raise plan_error(codes.PLAN_DAMAGED, "the entries must be stored")
            files = {entry.filename: archive.read(entry) for entry in listed}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise plan_error(codes.PLAN_DAMAGED, f"not a whole plan file: {error}") from error
    if _archive(files) != raw:
        raise plan_error(codes.PLAN_DAMAGED, "the archive is not in canonical form")
    return files
