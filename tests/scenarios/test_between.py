"""A model that one consortium trained is trained on by another: vote, passport, and an audit across both channels."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from audit.evidence.fetch import fetch
from audit.verify.run import Options, verify_folder
from audit.verify.verdict import Rule, Unchecked
from fedledger_passport import Trust
from fl_node.release.folder import folder_of
from fl_node.release.recognising import recognition
from fl_node.release.releasing import RELEASE, envelope_of, release_body, sign_release
from fl_node.release.trusted import write_trust
from gateway.errors import GatewayError
from tests.scenarios.conftest import connected
from tests.scenarios.federation import LAYOUT, Federation, digest
from tests.scenarios.test_release import STATE, Trained, own, read, trained, withdrawn, written
from tests.waiting import PATIENCE_S

ONWARD = {
    "plan": digest("onward"),
    "name": "onward",
    "layout": LAYOUT,
    "initial_state": hashlib.sha256(STATE).hexdigest(),
    "schema": digest("schema"),
}


@dataclass
class TrainedOn(Trained):
    """An attempt that gives another state."""

    made: ClassVar[str] = digest("trained on")


@pytest.fixture
async def insurers(pytestconfig: pytest.Config, tmp_path: Path) -> AsyncIterator[Federation]:
    """Another consortium, on another network; its channel has the same name."""
    (tmp_path / "insurers").mkdir()
    async with connected(pytestconfig, tmp_path / "insurers") as federation:
        yield federation


@pytest.mark.lengthy
async def test_a_model_goes_on_in_another_consortium_and_both_audits_follow_it(
    federation: Federation, insurers: Federation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    model, trust = await released(federation, tmp_path)
    await begun(insurers, trust, model)
    await fetched(federation, tmp_path / "hospital-blocks")
    await fetched(insurers, tmp_path / "insurer-blocks")
    alone = verify_folder(tmp_path / "insurer-blocks", tmp_path / "alone.sqlite", Options())
    assert alone.ok
    assert Unchecked.PARENT in [one.reason for one in alone.unchecked]
    both = Options(parents=(tmp_path / "hospital-blocks",))
    verdict = verify_folder(tmp_path / "insurer-blocks", tmp_path / "both.sqlite", both)
    assert (verdict.failures, verdict.held[Rule.PARENT]) == ([], 1)
    (origin,) = verdict.origins
    assert (origin.seen, origin.parent["release"], origin.parent["steps"]) == ("blocks", "tumour-1", 1)
    await taken_back(federation, insurers)


async def released(federation: Federation, folder: Path) -> tuple[Path, Path]:
    """Train and release a model; return its folder and that of whom to trust."""
    await trained(federation)
    async with own(federation, federation.members[0]) as ledger:
        body = await release_body(ledger, "tumour-1", "tumour", 0, read)
    await federation.agree("release_model", **body)
    for member in federation.members[:3]:
        async with own(federation, member) as ledger:
            await sign_release(ledger, "tumour-1", RELEASE, read)
    async with own(federation, federation.members[0]) as ledger:
        view = await ledger.query("GetRelease", release="tumour-1")
        await write_trust(ledger, folder / "trust")
        files = await folder_of(ledger, envelope_of(view, RELEASE), "model", read, with_state=True)
    assert files["model.state"] == STATE
    return written(folder / "model", files), folder / "trust"


async def begun(insurers: Federation, trust: Path, model: Path) -> None:
    """Vote for the hospitals, and train a round from their model."""
    await insurers.found()
    for member in insurers.members:
        await insurers.admit(member)
    await insurers.agree("set_rules_version", version=2)
    passport = json.loads((model / "passport.json").read_bytes())
    asked = {"kind": "register_plan", "body": ONWARD | {"passport": passport}, "deadline_ms": 0, "reason": "scenario"}
    early = await insurers.submit("Propose", **asked)
    await insurers.submit("Vote", by=insurers.members[1], proposal=early["proposal"], approve=True)
    assert await third_vote(insurers, early["proposal"]) == "FL0806"
    await insurers.agree("trust_consortium", **recognition(Trust.load(trust), "hospitals"))
    await insurers.submit("Vote", by=insurers.members[2], proposal=early["proposal"], approve=True)
    await insurers.agree("start_training", training="onward", plan=digest("onward"), rounds=1, cohort=4)
    attempt = await TrainedOn.open(insurers, "onward")
    await attempt.keys_and_shares()
    await attempt.updates()
    await attempt.unmask()
    await attempt.finish()


async def fetched(federation: Federation, folder: Path) -> None:
    """Fetch the blocks as the regulator."""
    await fetch(federation.profile(federation.consortium.regulators[0].name, "client"), folder)


async def taken_back(federation: Federation, insurers: Federation) -> None:
    """The hospitals withdraw; whoever of the insurers hears of it brings it, and no training begins from the model."""
    withdrawal = json.loads(await withdrawn(federation))
    await insurers.submit("BringWithdrawal", by=insurers.members[3], user="node", withdrawal=withdrawal)
    found = await insurers.query("GetPlan", by=insurers.members[3], plan=digest("onward"))
    assert found["parent"]["withdrawn_ms"] > 0
    again = {"training": "again", "plan": digest("onward"), "rounds": 1, "cohort": 4}
    asked = await insurers.submit("Propose", kind="start_training", body=again, deadline_ms=0, reason="scenario")
    await insurers.submit("Vote", by=insurers.members[1], proposal=asked["proposal"], approve=True)
    assert await third_vote(insurers, asked["proposal"]) == "FL0809"


async def third_vote(insurers: Federation, proposal: str) -> str | None:
    """Return with which code the vote is refused that would carry a proposal out."""
    third = insurers.members[2]
    async with asyncio.timeout(PATIENCE_S):  # until its own peer has the two votes before
        while True:
            with contextlib.suppress(GatewayError):
                if len((await insurers.query("GetProposal", by=third, proposal=proposal))["votes"]) > 1:
                    break
            await asyncio.sleep(0.1)
    return await insurers.refused("Vote", by=third, proposal=proposal, approve=True)
