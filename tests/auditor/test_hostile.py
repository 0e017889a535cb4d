"""What somebody who hands over blocks, blobs or bundles may try: be believed, break the audit, keep it busy."""

import dataclasses
import json
import os
import shutil
import sqlite3
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2
from typer.testing import CliRunner

from audit.cli import EXIT_FAILED, EXIT_UNCHECKED, audit, show
from audit.evidence.fetch import block_path
from audit.fabric.channel import genesis_config
from audit.fabric.wire import header_hash
from audit.report.bundle import MANIFEST
from audit.report.measures import number
from audit.verify.run import Options, state_path, verify_folder
from audit.verify.verdict import Finding, Rule, Verdict
from audit.verify.witness import judge, weigh
from network.console import out
from network.folders import held_blobs
from tests.auditor.corpus import Ledger
from tests.auditor.federation_corpus import MAJORITY, call, places, rewrite
from tests.auditor.forge import Chain, Opened, copy_chain, flip, reseal
from tests.auditor.test_commands import run
from tests.auditor.wire_corpus import joined


def write_chain(chain: Chain, folder: Path) -> Path:
    """Write blocks as a fetch would."""
    for block in chain:
        path = block_path(folder, block.header.number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(block.SerializeToString())
    return folder


@pytest.fixture
def blocks(federation_ledger: Ledger, tmp_path: Path) -> Path:
    return write_chain(federation_ledger.chain, tmp_path / "chain")


@pytest.fixture
def forged(federation_ledger: Ledger) -> Chain:
    """A chain whose signatures nobody but the forger made: the orderers' keys it had not."""
    chain = copy_chain(federation_ledger.chain)
    place, index = places(federation_ledger, chain, "Settle")[-1]
    del chain[place].data.data[index:]
    chain[place].data.data.append(chain[place - 1].data.data[0])
    reseal(chain, place, federation_ledger.orderers, sign=False)
    return chain


def pinned(ledger: Ledger) -> tuple[str, str]:
    return "--genesis", header_hash(ledger.chain[0].header).hex()


def claim_everything_verified(state: Path, chain: Chain, honest_state: Path) -> None:
    """Make a state that says: these blocks were all checked, nothing was found."""
    shutil.copy(honest_state, state)
    with sqlite3.connect(state) as book:
        book.execute("update meta set value=? where name='last_hash'", (f'"{header_hash(chain[-1].header).hex()}"',))


def test_a_state_that_came_with_the_blocks_is_not_believed(
    federation_ledger: Ledger, blocks: Path, forged: Chain, tmp_path: Path
) -> None:
    run("verify", "--blocks", blocks, *pinned(federation_ledger))
    folder = write_chain(forged, tmp_path / "forged")
    claim_everything_verified(folder / "audit.sqlite", forged, state_path(blocks, None))
    verdict = run("verify", "--blocks", folder, *pinned(federation_ledger), code=EXIT_FAILED)
    assert verdict["failures"][0]["code"] == Rule.ORDERER_SIGNATURES.value


def test_a_state_inside_a_bundle_is_refused(
    federation_ledger: Ledger, blocks: Path, forged: Chain, tmp_path: Path
) -> None:
    bundle, state = tmp_path / "evidence.zip", tmp_path / "state"
    run("verify", "--blocks", blocks)
    claim_everything_verified(state, forged, state_path(blocks, None))
    run("export", "--blocks", blocks, "--training", "tumour", "--round", 1, "--out", bundle)
    manifest = json.loads(zipfile.ZipFile(bundle).read(MANIFEST))

    manifest["files"]["audit.sqlite"] = sha256(state.read_bytes()).hexdigest()
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(tmp_path / "made.zip", "w") as new:
        for name in old.namelist():
            new.writestr(name, json.dumps(manifest) if name == MANIFEST else old.read(name))
        new.write(state, "audit.sqlite")
    error = run("verify", tmp_path / "made.zip", *pinned(federation_ledger), code=1)["error"]
    assert (error["code"], "neither a block nor a blob" in error["message"]) == ("FL5112", True)


def test_blocks_exchanged_after_an_audit_are_audited_again(
    federation_ledger: Ledger, blocks: Path, forged: Chain
) -> None:
    assert run("verify", "--blocks", blocks)["ok"]
    shutil.rmtree(blocks)
    write_chain(forged, blocks)
    assert run("verify", "--blocks", blocks, code=EXIT_FAILED)["failures"][0]["code"] == Rule.ORDERER_SIGNATURES.value


def test_what_an_earlier_run_did_not_look_at_is_looked_at_when_asked(blocks: Path) -> None:
    other = run("verify", "--blocks", blocks, "--chaincode", "another")
    assert any("founded no federation" in finding["text"] for finding in other["unchecked"])
    bare = run("verify", "--blocks", blocks, "--no-replay", code=EXIT_UNCHECKED)
    assert bare["verdict"] == "INCOMPLETE, the rules were not run"
    assert Rule.REPLAY_WRITES.value in [finding["code"] for finding in bare["unchecked"]]
    whole = run("verify", "--blocks", blocks)
    assert whole == run("verify", "--blocks", blocks, "--fresh")
    held = [rule["code"] for rule in whole["held"]]
    assert (Rule.REPLAY_WRITES.value in held, Rule.LINEAGE.value in held) == (True, True)


def test_a_damaged_state_is_named(blocks: Path) -> None:
    run("verify", "--blocks", blocks)
    path = state_path(blocks, None)
    path.write_bytes(b"SQLite format 3\0" + bytes(5000))
    assert run("verify", "--blocks", blocks, code=1)["error"]["code"] == "FL5107"
    assert run("verify", "--blocks", blocks, "--fresh")["ok"]


def test_an_envelope_that_vanished_from_a_block_is_missed_without_any_key(
    federation_ledger: Ledger, blocks: Path
) -> None:
    chain = copy_chain(federation_ledger.chain)
    place = joined(federation_ledger, chain)
    write_chain(chain, blocks)
    verdict = run("verify", "--blocks", blocks, *pinned(federation_ledger), code=EXIT_FAILED)
    assert [(f["code"], f["block"]) for f in verdict["failures"]] == [(Rule.DATA_HASH.value, place)]


def test_another_genesis_ends_the_audit_before_anything_of_it_is_looked_at(blocks: Path) -> None:
    verdict = run("verify", "--blocks", blocks, "--genesis", "00", code=EXIT_FAILED)
    assert [(f["code"], f["block"]) for f in verdict["failures"]] == [(Rule.GENESIS.value, 0)]
    assert verdict["height"] == 0


@pytest.mark.parametrize("name", ["pipe", "folder", "endless"])
def test_what_is_no_plain_file_keeps_nobody_waiting(blocks: Path, tmp_path: Path, name: str) -> None:
    block, blob = block_path(blocks, 7), tmp_path / "blobs" / "ab" / ("ab" * 32)
    blob.parent.mkdir(parents=True)
    block.unlink()
    for path in (block, blob):
        if name == "pipe":
            os.mkfifo(path)
        elif name == "folder":
            path.mkdir()
        else:
            path.symlink_to("/dev/zero")
    error = run("verify", "--blocks", blocks, "--blobs", tmp_path / "blobs", code=1)["error"]
    assert (error["code"], error["where"]) == ("FL5101", str(block))


def test_files_with_other_names_are_no_blocks(blocks: Path) -> None:
    folder = block_path(blocks, 0).parent
    for name in ("x.block", "5.block", "².block", "-00000001.block"):
        (folder / name).write_bytes(b"\xff")
    assert run("verify", "--blocks", blocks)["ok"]


def _with_arguments(ledger: Ledger, chain: Chain, digest: str) -> None:
    """Let a transaction that nobody endorsed commit to an update of a chosen name."""
    block, index = places(ledger, chain, "CommitUpdate")[0]
    opened = Opened.of(chain[block].data.data[index])
    old = call(opened)[1]["digest"]
    rewrite(opened, ledger.chaincode, json.dumps(old).encode(), digest.encode(), writes=False)
    chain[block].data.data[index] = opened.close()


@pytest.mark.parametrize("absolute", [True, False])
def test_an_update_that_names_a_file_of_the_auditors_takes_nothing_into_the_evidence(
    federation_ledger: Ledger, blocks: Path, tmp_path: Path, *, absolute: bool
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the auditor's key")
    run("verify", "--blocks", blocks)
    chain = copy_chain(federation_ledger.chain)
    _with_arguments(federation_ledger, chain, json.dumps(str(secret) if absolute else f"../..{secret}"))
    write_chain(chain, blocks)
    asked = ("export", "--blocks", blocks, "--blobs", held_blobs(federation_ledger.run), "--training", "tumour")
    run(*asked, "--round", 1, "--out", tmp_path / "evidence.zip")
    with zipfile.ZipFile(tmp_path / "evidence.zip") as bundle:
        assert all("auditor's key" not in bundle.read(name).decode(errors="replace") for name in bundle.namelist())
        assert not any("secret" in name for name in bundle.namelist())


def test_arguments_nested_without_end_do_not_break_an_export(
    federation_ledger: Ledger, blocks: Path, tmp_path: Path
) -> None:
    run("verify", "--blocks", blocks)
    chain = copy_chain(federation_ledger.chain)
    _with_arguments(federation_ledger, chain, "[" * 200_000)
    write_chain(chain, blocks)
    run("export", "--blocks", blocks, "--training", "tumour", "--round", 1, "--out", tmp_path / "evidence.zip")


def test_a_bundle_that_ends_before_what_it_promises_fails(blocks: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "evidence.zip"
    run("verify", "--blocks", blocks)
    run("export", "--blocks", blocks, "--training", "tumour", "--round", 1, "--out", bundle)
    manifest: dict[str, Any] = json.loads(zipfile.ZipFile(bundle).read(MANIFEST))
    cut = str(block_path(Path(), manifest["last_block"]))
    del manifest["files"][cut]
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(tmp_path / "cut.zip", "w") as new:
        for name in old.namelist():
            if name != cut:
                new.writestr(name, json.dumps(manifest) if name == MANIFEST else old.read(name))
    verdict = run("verify", tmp_path / "cut.zip", code=EXIT_FAILED)
    assert [finding["code"] for finding in verdict["failures"]] == [Rule.BUNDLE.value]


def test_what_a_finding_quotes_cannot_speak_for_the_audit() -> None:
    verdict = Verdict(channel="[/red]\x1b[2K", height=3)
    verdict.failures.append(Finding("FL5030", 2, "\x1b[2J", "\x1b[1A\x1b[2K\nVerdict: OK [green]\u202eKO"))
    with out.capture() as shown:
        show(verdict)
    text = shown.get()
    assert "\x1b[1A" not in text
    assert "\u202e" not in text
    assert [line.strip() for line in text.splitlines() if line.strip().startswith("Verdict")] == ["Verdict: FAILED"]


def test_ok_is_never_said_alone_where_something_was_left_unchecked(blocks: Path, tmp_path: Path) -> None:
    verdict = run("verify", "--blocks", blocks)
    left = len(verdict["unchecked"])
    assert (verdict["ok"], verdict["verdict"]) == (True, f"OK, with {left} things not checked")
    said = CliRunner().invoke(audit, ["verify", "--blocks", str(blocks)]).stdout
    assert said.splitlines()[0] == f"Verdict: OK, with {left} things not checked"
    page = tmp_path / "report.html"
    run("report", "--blocks", blocks, "--out", page)
    assert f"OK, with {left} things not checked</title>" in page.read_text()
    assert (verdict["complete"], next(iter(verdict))) == (False, "verdict")
    for command in (("verify",), ("report", "--out", page)):
        run(*command, "--blocks", blocks, "--strict", code=EXIT_UNCHECKED)


def test_metrics_that_no_axis_can_hold_do_not_break_the_report(federation_ledger: Ledger, tmp_path: Path) -> None:
    chain = copy_chain(federation_ledger.chain)
    block, index = places(federation_ledger, chain, "ProposeAggregate")[0]
    opened = Opened.of(chain[block].data.data[index])
    name, value = min(call(opened)[1]["metrics"].items())
    wild = "9" * (len(value) - 4) + "e308" if len(value) > 4 else "9e99"[: len(value)]
    old, new = (f'"{name}":"{v}"'.encode() for v in (value, wild))
    rewrite(opened, federation_ledger.chaincode, old, new, writes=True)
    opened.endorse([federation_ledger.peer(organisation) for organisation in MAJORITY])
    chain[block].data.data[index] = opened.close(federation_ledger.creator(opened))
    reseal(chain, block, federation_ledger.orderers)
    for later in chain:
        later.metadata.metadata[4] = b""
    page, folder = tmp_path / "report.html", write_chain(chain, tmp_path / "wild")
    run("report", "--blocks", folder, "--out", page)
    assert f">{number(wild)}<" in page.read_text()


def _asked(ledger: Ledger, height: int) -> Verdict:
    return Verdict(height=height, last_hash=header_hash(ledger.chain[height - 1].header).hex())


@pytest.mark.parametrize("attack", ["fork", "next", "torn"])
def test_one_organisation_alone_cannot_make_a_chain_look_forked_or_cut(federation_ledger: Ledger, attack: str) -> None:
    chain, height = copy_chain(federation_ledger.chain), 10
    config, verdict = genesis_config(chain[0].data.data[0]), _asked(federation_ledger, height)
    shown = chain[height - 1 : height + 1]
    if attack == "fork":
        shown[0].header.data_hash = flip(shown[0].header.data_hash)
    elif attack == "next":
        shown[1].header.data_hash = flip(shown[1].header.data_hash)
    else:
        shown = [chain[height - 1], chain[height + 1]]
    liar = weigh("hospital-a", shown, config, verdict)
    assert "none of the orderers'" in liar.error
    honest = [
        weigh(name, federation_ledger.chain[height - 1 : height], config, verdict)
        for name in ("hospital-b", "hospital-c", "hospital-d", "regulator")
    ]
    judge(verdict, [liar, *honest], "regulator")
    assert (verdict.failures, verdict.held) == ([], {Rule.HEIGHT.value: 3})


def test_a_later_block_with_the_orderers_signatures_counts_whoever_shows_it(federation_ledger: Ledger) -> None:
    chain, height = federation_ledger.chain, 10
    config, verdict = genesis_config(chain[0].data.data[0]), _asked(federation_ledger, height)
    ahead = weigh("hospital-a", chain[height - 1 : height + 1], config, verdict)
    own = dataclasses.replace(ahead, organisation="regulator", height=height)
    judge(verdict, [ahead, own], "regulator")
    assert [(f.code, f.block) for f in verdict.failures] == [(Rule.HEIGHT.value, height)]


def test_a_folder_without_a_readable_first_block_is_an_error_not_a_crash(tmp_path: Path) -> None:
    write_chain([common_pb2.Block()], tmp_path)
    verdict = verify_folder(tmp_path, tmp_path / "state", Options(replay=False))
    assert [finding.code for finding in verdict.failures] == [Rule.DATA_HASH.value]
