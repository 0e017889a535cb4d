"""Hospitals train, insurers train on: two networks of real nodes, every step by the commands that people type."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fl_node.demo.federation import Federation, opened
from fl_node.plan.kinds.source import KindPlan
from network.folders import folder_of
from tests.faults.conftest import network
from tests.faults.stage import NAMES, last_attempt
from tests.scenarios.shares import PATIENT, READY_S, ROOT, begun, until
from tests.scenarios.test_kinds import ROWS, write
from tests.scenarios.test_kinds import written as compiled
from tests.unit.passport.test_alone import command, run
from tests.unit.passport.test_registry import rpc, sender
from tests.unit.plan.kinds.plans import dealt
from tests.unit.plan.kinds.test_rounds import KINDS_OF, SCHEMA

__all__ = ["command", "rpc", "sender"]
pytestmark = [pytest.mark.lengthy, pytest.mark.timeout(1200)]
ROUNDS = 2
PLAN = KindPlan("claims", SCHEMA, KINDS_OF["glm"])


@contextlib.contextmanager
def consortium(folder: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Bring a consortium up, whose four nodes have rows and sign releases by themselves."""
    with network(folder, request, **PATIENT) as up:
        data = {name: write(up / f"{name}.csv", rows) for name, rows in zip(NAMES, dealt(ROWS, 4), strict=True)}
        first = compiled(up, KindPlan("first", SCHEMA, KINDS_OF["glm"]))
        with begun(up, first, data, "--sign-releases"):
            fedledger("proposal", "create", "set_rules_version", "version=2", up=up)
            vote("set_rules_version", up)
            yield up


def fedledger(*arguments: str, up: Path | None = None, org: str = NAMES[0], fails: bool = False) -> Any:
    """Run a command; return what it says as JSON."""
    line = [sys.executable, "-m", "fl_node", *arguments, "--json"]
    line += ["--run", str(up), "--org", org] if up else []
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode != 0) == fails, f"{arguments}: {done.stdout[-1500:]} {done.stderr[-1500:]}"
    return json.loads(done.stdout or done.stderr)


def vote(kind: str, up: Path) -> None:
    """Let two more organisations vote for the one open proposal of a kind, each once its own peer has it."""
    for name in NAMES[1:3]:
        until_done("proposal", "vote", kind, "--run", str(up), "--org", name)


def until_done(*arguments: str) -> None:
    """Run a command again until it succeeds."""
    deadline = time.monotonic() + READY_S
    while True:
        line = [sys.executable, "-m", "fl_node", *arguments]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.5)


async def train(up: Path, training: str, plan: str) -> None:
    """Vote for a training of a plan, and wait for its rounds."""
    await asyncio.gather(*(until(up, one, lambda health: plan in health.get("plans", ())) for one in NAMES))
    async with opened(up) as federation:
        body = {"training": training, "plan": plan, "rounds": ROUNDS, "cohort": 4}
        await federation.decide("start_training", body)
        await rounds(federation, training)


async def rounds(federation: Federation, training: str) -> None:
    for number in range(1, ROUNDS + 1):
        assert (await last_attempt(federation.first, training, number)).phase == "Final"


@dataclass
class Released:
    """What the hospitals hand over, and where their network is."""

    up: Path
    plan: Path
    model: Path
    trust: Path
    blocks: Path


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Released]:
    folder = tmp_path_factory.mktemp("hospitals")
    with consortium(folder, request) as up:
        plan = compiled(up, PLAN)
        registered = fedledger("plan", "register", str(plan), up=up)
        vote("register_plan", up)
        asyncio.run(train(up, "claims", registered["plan"]))
        fedledger("passport", "propose", "claims", "--release", "claims-1", up=up)
        vote("release_model", up)
        signed(up, "claims-1")
        found = Released(up, plan, folder / "model", folder / "trust", folder / "blocks")
        fedledger("passport", "create", "claims-1", "--out", str(found.model), "--state", up=up)
        fedledger("passport", "trust", "--out", str(found.trust), up=up)
        fedledger("audit", "fetch", "--out", str(found.blocks), up=up, org="regulator")
        yield found


def signed(up: Path, release: str) -> None:
    """Wait until a majority of the nodes has checked the release and signed it by itself."""
    place = ("--out", str(up.parent / "waiting"), "--run", str(up), "--org", NAMES[3])
    until_done("passport", "create", release, *place)


@pytest.fixture(autouse=True)
def _audits_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what audits remember out of the home folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_a_machine_that_has_the_small_package_alone_checks_what_it_received(
    hospitals: Released, command: Path, tmp_path: Path
):
    received = tmp_path / "received"
    shutil.copytree(hospitals.model, received / "model")
    shutil.copytree(hospitals.trust, received / "trust")
    line = ("verify", "model/passport.json", "--trust", "trust", "--model", "model")
    done = run(command, received, *line, "--json")
    found = json.loads(done.stdout)
    assert len(found["signed_by"]) >= 3, done.stderr
    assert found["statement"]["predicate"]["code"]["source"] != ""
    assert "card.html" in found["unlisted"]
    (received / "model" / "model.json").write_text("{}")
    assert run(command, received, *line).returncode == 4
    held = fedledger(
        "passport", "verify", str(hospitals.model / "passport.json"), "--trust", str(hospitals.trust),
        "--blocks", str(hospitals.blocks),
    )  # fmt: skip
    assert held["verdict"]["ok"]


def test_the_folder_verifies_with_openssf_model_signing(hospitals: Released, tmp_path: Path):
    program = os.environ.get("FEDLEDGER_MODEL_SIGNING") or shutil.which("model_signing")
    if not program:
        pytest.skip("no model_signing in FEDLEDGER_MODEL_SIGNING or PATH (pip install model-signing pyopenssl)")
    model = tmp_path / hospitals.model.name
    shutil.copytree(hospitals.model, model)
    root = next(hospitals.trust.glob("HospitalAMSP/cacerts/*.pem"))
    line = [program, "verify", "certificate", str(model), "--signature", str(model / "model.sig")]
    line += ["--certificate_chain", str(root)]
    assert subprocess.run(line, capture_output=True, check=False).returncode == 0
    (model / "model.json").write_text("{}")
    assert subprocess.run(line, capture_output=True, check=False).returncode != 0


@pytest.mark.evm
def test_the_passport_is_anchored_on_an_evm_chain(hospitals: Released, rpc: Any, sender: str, tmp_path: Path):
    certificates = [
        str(folder_of(hospitals.up, name).user("admin") / "msp" / "signcerts" / "cert.pem") for name in NAMES
    ]
    passport, chain = str(hospitals.model / "passport.json"), ("--rpc", rpc.url)
    made = fedledger("passport", "registry", *certificates, *chain, "--from", sender)
    place, files = (*chain, "--registry", made["registry"]), []
    assert fedledger("passport", "status", passport, *place, fails=True)["status"] == "unknown"
    for name in NAMES[:3]:
        files.append(str(tmp_path / f"{name}.json"))
        fedledger("passport", "endorse", passport, "--out", files[-1], *place, up=hospitals.up, org=name)
    trust = ("--trust", str(hospitals.trust))
    anchored = fedledger("passport", "anchor", passport, *files, *trust, *place, "--from", sender)
    assert (anchored["status"], anchored["gas"] <= 120_000) == ("anchored", True)
    assert fedledger("passport", "status", passport, *place)["status"] == "anchored"


def test_insurers_train_on_and_both_audits_follow_the_model_from_its_first_state_to_its_last(
    hospitals: Released, request: pytest.FixtureRequest, tmp_path: Path
):
    model, trust = ("--model", str(hospitals.model)), str(hospitals.trust)
    onward, blocks = tmp_path / "onward.flplan", tmp_path / "insurer-blocks"
    with consortium(tmp_path / "insurers", request) as up:
        fedledger("passport", "recognise", trust, "--name", "hospitals", up=up)
        vote("trust_consortium", up)
        continued = fedledger("plan", "continue", str(hospitals.plan), *model, "--trust", trust, "-o", str(onward))
        passport = ("--passport", str(hospitals.model / "passport.json"))
        fedledger("plan", "register", str(onward), *passport, up=up)
        vote("register_plan", up)
        asyncio.run(train(up, "claims", continued["plan"]))
        fedledger("audit", "fetch", "--out", str(blocks), up=up, org="regulator")
        places = [part for one in (hospitals.up, up) for part in ("--blobs", str(one / "orgs"))]
        verdict = fedledger("audit", "verify", "--blocks", str(blocks), *places, "--parent", str(hospitals.blocks))
        lineage = fedledger("model", "lineage", "claims", up=up)
    before = fedledger("audit", "verify", "--blocks", str(hospitals.blocks), "--blobs", str(hospitals.up / "orgs"))
    assert before["models"] == verdict["models"] == {"steps": ROUNDS, "derived": ROUNDS}
    (origin,) = verdict["origins"]
    assert (origin["seen"], origin["parent"]["steps"]) == ("blocks", ROUNDS)
    assert lineage["initial_state"] == origin["parent"]["state"] == continued["initial_state"]
    assert len(lineage["steps"]) == ROUNDS
    assert [one["reason"] for one in verdict["unchecked"] if one["reason"] == "parent"] == []
