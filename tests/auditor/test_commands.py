"""`fedledger audit` as people and machines call it: fetch, verify, export, exit codes, the comparison online."""

import asyncio
import contextlib
import copy
import dataclasses
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from audit.cli import EXIT_FAILED, EXIT_UNCHECKED, audit
from audit.evidence.fetch import FetchError, block_path, fetch
from audit.fabric.wire import header_hash
from audit.report.bundle import MANIFEST
from audit.report.dashboard.cli import dashboard
from audit.report.dashboard.watch import Watcher
from audit.verify.run import Options
from audit.verify.verdict import Rule
from network.connection import consortium_of, profile
from network.folders import held_blobs
from tests.auditor.browser import until
from tests.auditor.corpus import Ledger


def run(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(audit, [*map(str, arguments), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


@pytest.fixture
def blocks(federation_ledger: Ledger, tmp_path: Path) -> Path:
    return Path(shutil.copytree(federation_ledger.run.parent / "blocks", tmp_path / "chain"))


@pytest.fixture
def genesis(federation_ledger: Ledger) -> str:
    return header_hash(federation_ledger.chain[0].header).hex()


def test_a_fetch_goes_on_where_the_last_one_ended(federation_ledger: Ledger, tmp_path: Path) -> None:
    first = run("fetch", "--run", federation_ledger.run, "--out", tmp_path / "new")
    height = len(federation_ledger.chain)
    assert (first["height"], first["new"]) == (height, height)
    block_path(tmp_path / "new", height - 2).unlink()
    again = run("fetch", "--run", federation_ledger.run, "--out", tmp_path / "new")
    assert (again["height"], again["new"]) == (height, 2)


def test_a_fetch_leaves_room_on_the_disk_and_goes_on_later(
    federation_ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = shutil.disk_usage(tmp_path).free
    with monkeypatch.context() as full:
        full.setattr("audit.evidence.fetch.RESERVE_BYTES", 2 * left)
        answer = run("fetch", "--run", federation_ledger.run, "--out", tmp_path / "new", code=1)
    assert answer["error"]["code"] == "FL5108"
    assert run("fetch", "--run", federation_ledger.run, "--out", tmp_path / "new")["new"] == len(
        federation_ledger.chain
    )


def test_every_organisation_tells_the_genesis_hash_of_its_own_peer(federation_ledger: Ledger, genesis: str) -> None:
    for organisation in ("hospital-a", "hospital-b"):
        told = run("genesis", "--org", organisation, "--run", federation_ledger.run)
        assert told == {"organisation": organisation, "genesis_hash": genesis}


def test_a_folder_of_another_chain_is_not_mixed_with_the_peers(federation_ledger: Ledger, blocks: Path) -> None:
    last = block_path(blocks, len(federation_ledger.chain) - 1)
    block = copy.deepcopy(federation_ledger.chain[-1])
    block.header.previous_hash = bytes(32)
    last.write_bytes(block.SerializeToString())
    assert run("fetch", "--run", federation_ledger.run, "--out", blocks, code=1)["error"]["code"] == "FL5106"
    assert last.read_bytes() == block.SerializeToString()


async def test_a_peer_that_does_not_answer_is_no_chain_without_news(federation_ledger: Ledger, blocks: Path) -> None:
    own = profile(federation_ledger.run, "regulator", "client")
    nobody = dataclasses.replace(own, peers=(("127.0.0.1:19999", own.peers[0][1]),))
    with pytest.raises(FetchError, match="FL5105"):
        await fetch(nobody, blocks)
    watcher = Watcher(nobody, blocks, Options())
    watching = asyncio.create_task(watcher.run())

    async def told() -> bool:
        return bool(watcher.snapshot.problem)

    await until(told)
    assert watcher.snapshot.problem.startswith("FL5105")
    assert watcher.snapshot.verdict["height"] == len(federation_ledger.chain)
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


def test_everything_checked_online_leaves_nothing_unchecked(
    federation_ledger: Ledger, blocks: Path, genesis: str
) -> None:
    folder = federation_ledger.run
    verdict = run(
        "verify",
        "--blocks",
        blocks,
        "--genesis",
        genesis,
        "--blobs",
        held_blobs(folder),
        "--strict",
        "--online",
        "--run",
        folder,
    )
    assert (verdict["ok"], verdict["unchecked"]) == (True, [])
    assert Rule.HEIGHT.value in [held["code"] for held in verdict["held"]]


def test_a_cut_tail_shows_online_only(federation_ledger: Ledger, blocks: Path) -> None:
    for number in range(len(federation_ledger.chain) - 3, len(federation_ledger.chain)):
        block_path(blocks, number).unlink()
    run("verify", "--blocks", blocks)
    verdict = run("verify", "--blocks", blocks, "--online", "--run", federation_ledger.run)
    height = [finding["text"] for finding in verdict["unchecked"] if finding["code"] == Rule.HEIGHT.value]
    assert [text.split(":")[-1] for text in height] == [" fetch again"]


def test_exit_codes_tell_failed_from_unchecked_from_unreadable(blocks: Path, tmp_path: Path) -> None:
    run("verify", "--blocks", blocks)
    run("verify", "--blocks", blocks, "--strict", code=EXIT_UNCHECKED)
    run("verify", "--blocks", blocks, "--genesis", "00", code=EXIT_FAILED)
    assert run("verify", "--blocks", tmp_path / "nothing", code=1)["error"]["code"] == "FL5103"
    assert run("verify", "--blocks", blocks, "--blobs", tmp_path / "no", "--fresh", code=1)["error"]["code"] == "FL5104"


def test_a_dashboard_whose_port_is_taken_says_so(federation_ledger: Ledger) -> None:
    taken = consortium_of(federation_ledger.run).organisation("regulator").peers[0].port
    app = typer.Typer()
    app.command()(dashboard)
    result = CliRunner().invoke(app, ["--run", str(federation_ledger.run), "--port", str(taken)])
    assert (result.exit_code, "FL5122: cannot listen" in result.stderr) == (1, True)


def test_a_damaged_file_is_named_and_the_audit_goes_on_once_it_is_fetched_again(
    federation_ledger: Ledger, blocks: Path
) -> None:
    damaged = block_path(blocks, 20)
    whole = damaged.read_bytes()
    damaged.write_bytes(b"\xff" + whole[1:])
    assert run("verify", "--blocks", blocks, code=1)["error"]["where"] == str(damaged)
    damaged.write_bytes(whole[:-1] + b"\x00\x00")
    run("verify", "--blocks", blocks, code=1)
    damaged.unlink()
    verdict = run("verify", "--blocks", blocks, code=EXIT_FAILED)
    assert [(f["code"], f["block"]) for f in verdict["failures"]] == [(Rule.ORDER.value, 21)]
    run("fetch", "--run", federation_ledger.run, "--out", blocks)
    mended = run("verify", "--blocks", blocks)
    assert mended == run("verify", "--blocks", blocks, "--fresh")


def test_a_bundle_is_checked_anywhere(federation_ledger: Ledger, blocks: Path, genesis: str, tmp_path: Path) -> None:
    folder, bundle = held_blobs(federation_ledger.run), tmp_path / "evidence.zip"
    run("verify", "--blocks", blocks)
    asked = ("export", "--blocks", blocks, "--training", "tumour", "--round", 1)
    made = run(*asked, "--blobs", folder, "--out", bundle)
    verdict = run("verify", bundle, "--genesis", genesis)
    assert (verdict["height"], made["genesis_hash"]) == (made["last_block"] + 1, genesis)
    assert verdict["unchecked"][0]["text"] == "4 bundles of sealed shares were not at hand when committed to"
    assert [finding["code"] for finding in verdict["unchecked"][1:]] == [Rule.HEIGHT.value]
    again = tmp_path / "again.zip"
    run(*asked, "--blobs", folder, "--out", again)
    assert bundle.read_bytes() == again.read_bytes()
    assert run("export", "--blocks", blocks, "--training", "tumour", "--round", 9, "--out", again, code=1)["error"][
        "code"
    ] == ("FL5110")


def test_a_bundle_in_short_form_says_what_it_cannot_show(blocks: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "short.zip"
    run("verify", "--blocks", blocks)
    run("export", "--blocks", blocks, "--training", "tumour", "--round", 1, "--short", "--out", bundle)
    error = run("verify", bundle, code=1)["error"]
    assert error["code"] == "FL5113"
    assert "no vote, no signature and no sum" in error["message"]


def _repacked(bundle: Path, out: Path, **changes: bytes | None) -> Path:
    """Write the bundle with files replaced, added, or left out."""
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(out, "w") as new:
        content = {name: old.read(name) for name in old.namelist()}
        for name, raw in (content | changes).items():
            if raw is not None:
                new.writestr(name, raw)
    return out


def test_damaged_bundles_are_refused(federation_ledger: Ledger, blocks: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "evidence.zip"
    run("verify", "--blocks", blocks)
    run("export", "--blocks", blocks, "--training", "tumour", "--round", 1, "--out", bundle)
    manifest = json.loads(zipfile.ZipFile(bundle).read(MANIFEST))
    block = str(block_path(Path(), 3))
    outside = {**manifest, "files": {**manifest["files"], "../outside": manifest["files"]["README.txt"]}}
    bad = [
        _repacked(bundle, tmp_path / "1.zip", **{block: b"another block"}),
        _repacked(bundle, tmp_path / "2.zip", **{block: None}),
        _repacked(bundle, tmp_path / "3.zip", **{MANIFEST: None}),
        _repacked(bundle, tmp_path / "4.zip", **{MANIFEST: b"[]"}),
        _repacked(bundle, tmp_path / "5.zip", **{MANIFEST: json.dumps(outside).encode(), "../outside": b"x"}),
        tmp_path / "missing.zip",
    ]
    (tmp_path / "6.zip").write_bytes(bundle.read_bytes()[:-200])
    for path in (*bad, tmp_path / "6.zip"):
        assert run("verify", path, code=1)["error"]["code"] == "FL5112"
    assert not (tmp_path / "outside").exists()


def test_a_bundle_whose_manifest_was_made_to_fit_still_fails_the_audit(blocks: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "evidence.zip"
    run("verify", "--blocks", blocks)
    run("export", "--blocks", blocks, "--training", "tumour", "--round", 1, "--out", bundle)
    manifest = json.loads(zipfile.ZipFile(bundle).read(MANIFEST))
    gone = str(block_path(Path(), 10))
    del manifest["files"][gone]
    forged = _repacked(bundle, tmp_path / "forged.zip", **{gone: None, MANIFEST: json.dumps(manifest).encode()})
    verdict = run("verify", forged, code=EXIT_FAILED)
    found = [(f["code"], f["block"]) for f in verdict["failures"]]
    assert found == [(Rule.ORDER.value, 11), (Rule.BUNDLE.value, -1)]
