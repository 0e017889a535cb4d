"""One organisation leaves the folder of a test network for its own and goes on there, started as its units say."""

import asyncio
import json
import re
import shutil
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml

from fl_node.commands.common import ask
from fl_node.doctor.findings import awaited
from fl_node.doctor.organisation import check_channel
from network.bringup import Outcome, Request, down, stop_one, up
from network.connection import profile
from network.folders import definition_path
from network.processes import answers
from network.roster import add
from network.topology import load_consortium
from network.units.model import OBSERVE_OFFSET, Wishes
from network.units.monitoring import MONITOR
from network.units.output import Rendering, render
from network.units.places import Places
from tests.ports import free_ports
from tests.unit.network.conftest import FABRIC, quiet
from tests.unit.network.own_folder import own_folder, programs, started

PATIENCE_S = 120
ORGANISATION = "hospital-a"


@pytest.fixture(scope="module", params=["devnet", FABRIC])
def moved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Outcome, Path]]:
    """A network whose hospital-a has stopped; its own folder, with units rendered beside it."""
    base = tmp_path_factory.mktemp(request.param)
    outcome = up(Request(base / "run", request.param, base_port=free_ports()), quiet)
    try:
        for name in (f"peer-{ORGANISATION}", f"chaincode-{ORGANISATION}"):
            stop_one(base / "run", name)
        own = own_folder(base / "run", ORGANISATION, base / "own folder")
        places = Places(own, base / "programs")
        chaincode = Path(outcome.plan.process(f"chaincode-{ORGANISATION}").command[0])
        programs(places, chaincode, Path(outcome.plan.process(f"peer-{ORGANISATION}").command[0]))
        asked = Rendering(own, ORGANISATION, "systemd", outcome.plan.kind, places, Wishes())
        render(outcome.consortium, asked, chaincode.name, base / "units")
        if (base / "units" / "folder").exists():
            shutil.copytree(base / "units" / "folder", own, dirs_exist_ok=True)
        yield outcome, base
    finally:
        down(base / "run")


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if holds():
                return
        except Exception:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline
        time.sleep(0.1)


def scraped(folder: Path) -> dict[str, str]:
    """What Prometheus would get of every job of the rendered file, asked as the file says."""
    told = {}
    for job in yaml.safe_load((folder / "prometheus.yaml").read_text())["scrape_configs"]:
        context = None
        if tls := job.get("tls_config"):
            context = ssl.create_default_context(cafile=tls["ca_file"])
            context.load_cert_chain(tls["cert_file"], tls["key_file"])
        for target in job["static_configs"]:
            (address,) = target["targets"]
            url = f"{job.get('scheme', 'http')}://{address}/metrics"
            with urllib.request.urlopen(url, context=context) as answer:
                told[job["job_name"]] = answer.read().decode()
    return told


def named(figures: str) -> set[str]:
    """The names of all metrics, as Prometheus knows them."""
    found = re.findall(r"^# TYPE (\w+) (\w+)$", figures, re.MULTILINE)
    return {name for name, _ in found} | set(re.findall(r"^(\w+)[{ ]", figures, re.MULTILINE))


def used(folder: Path, prefix: str) -> set[str]:
    """The names of metrics that alerts and dashboard are made of."""
    rules = yaml.safe_load((folder / "alerts.yaml").read_text())["groups"][0]["rules"]
    panels = json.loads((folder / "dashboard.json").read_text())["panels"]
    expressions = [rule["expr"] for rule in rules] + [t["expr"] for panel in panels for t in panel["targets"]]
    return set(re.findall(rf"\b{prefix}\w+", " ".join(expressions)))


def entries_of(log: Path) -> list[dict[str, object]]:
    """The lines of a log: JSON objects with the same three fields, whichever process of ours wrote them."""
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    for entry in entries:
        if "ts" in entry:  # Fabric's
            assert {"level", "msg"} <= entry.keys()
        else:
            assert entry["level"] in {"debug", "info", "warning", "error"}
            assert datetime.fromisoformat(entry["timestamp"]).utcoffset() == timedelta()
            assert entry["event"]
    return entries


def whether_the_channel_differs(own: Path) -> str:
    """The code of the doctor's finding about the channel, empty where it is as the definition says."""
    check = check_channel(load_consortium(definition_path(own)), own, ORGANISATION, "node")
    return asyncio.run(awaited("channel", check)).code


@pytest.mark.slow
def test_an_organisation_serves_from_its_own_folder_as_its_units_start_it(moved):
    outcome, base = moved
    own = base / "own folder"
    add(outcome.consortium, own, ORGANISATION, MONITOR, "client")
    member = outcome.consortium.organisation(ORGANISATION)
    url = f"http://127.0.0.1:{member.blob_port + OBSERVE_OFFSET}"
    with ExitStack() as stack:
        for name in ("chaincode", "peer", "node"):
            unit = base / "units" / f"fedledger-{name}-{ORGANISATION}.service"
            stack.enter_context(started(unit, base / f"{name}.log"))
        until(lambda: ask(own, ORGANISATION, "client", lambda ledger: ledger.trainings()) == [])
        until(lambda: json.load(urllib.request.urlopen(f"{url}/health"))["healthy"])
        assert whether_the_channel_differs(own) == ""
        definition = (definition_path(own)).read_text()
        (definition_path(own)).write_text(definition.replace("RegulatorMSP", "OtherMSP"))
        assert whether_the_channel_differs(own) == "FL4017"
        (definition_path(own)).write_text(definition)
        assert whether_the_channel_differs(own) == ""
        exposed = {job: named(figures) for job, figures in scraped(base / "units" / "monitoring").items()}
    assert used(base / "units" / "monitoring", "fedledger_") - exposed["node"] == set()
    if outcome.plan.kind == "fabric":
        assert used(base / "units" / "monitoring", "ledger_") - exposed["fabric"] == set()
    assert profile(own, ORGANISATION).organisation == ORGANISATION
    for name in ("chaincode", "peer", "node"):
        entries_of(base / f"{name}.log")


@pytest.mark.slow
def test_the_blob_service_alone_serves_as_its_unit_starts_it(moved):
    outcome, base = moved
    own, port = base / "own folder", outcome.consortium.organisation(ORGANISATION).blob_port
    wishes = Wishes(blobs_only=True)
    asked = Rendering(own, ORGANISATION, "systemd", outcome.plan.kind, Places(own, base / "programs"), wishes)
    render(outcome.consortium, asked, "chaincode", base / "alone")
    with started(base / "alone" / f"fedledger-blobs-{ORGANISATION}.service", base / "blobs.log"):
        until(lambda: answers("127.0.0.1", port))
        until(lambda: entries_of(base / "blobs.log"))
    events = [entry["event"] for entry in entries_of(base / "blobs.log")]
    assert (events[0], events[-1]) == ("ready", "stopped")
