"""The doctor: each thing that can be wrong is found, with a code and what to do."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fl_node.blobs import tls
from fl_node.blobs.service import BlobService
from fl_node.blobs.service import serve as serve_blobs
from fl_node.blobs.store import BlobStore, Limits
from fl_node.doctor import doctor
from fl_node.doctor.findings import CautionError, awaited, checked
from fl_node.errors import NodeError
from fl_node.ledger.records import Parameters
from fl_node.node import readiness
from fl_node.node.config import NodeConfig
from fl_node.node.start import run_node
from network.connection import profile
from network.topology import Consortium
from tests.believing import channel_of


@pytest.fixture
def config(run: Path, tmp_path: Path) -> NodeConfig:
    data = tmp_path / "data.csv"
    data.write_text("x\n1\n")
    return NodeConfig(run, "hospital-a", data)


@pytest.fixture
async def neighbour(run: Path, consortium: Consortium, tmp_path: Path) -> AsyncIterator[None]:
    """The blob service of hospital-b, whose clock is right."""
    service = BlobService(BlobStore(tmp_path / "neighbour"), tls.Trust(lambda: consortium, channel_of(run)))
    context = tls.serving(run, "hospital-b", channel_of(run))
    port = consortium.organisation("hospital-b").blob_port
    assert port
    runner = await serve_blobs(service, "127.0.0.1", port, context)
    yield
    await runner.cleanup()


def code_of(caught: pytest.ExceptionInfo[NodeError]) -> str:
    assert caught.value.hint, "every finding says what to do"
    return caught.value.code


def test_a_good_identity_and_disk_are_said_to_be_so(config: NodeConfig):
    assert readiness.check_identity(config, profile(config.run, "hospital-a", "node")).startswith(
        "HospitalAMSP, valid until "
    )
    assert "GB free" in readiness.check_disk(config)


def test_a_key_that_belongs_to_another_certificate(run: Path):
    mixed = replace(profile(run, "hospital-a", "node"), key_pem=profile(run, "hospital-b", "node").key_pem)
    with pytest.raises(NodeError) as caught:
        readiness.check_identity(NodeConfig(run, "hospital-a", None), mixed)
    assert code_of(caught) == "FL4002"


def test_an_expired_certificate(run: Path, monkeypatch: pytest.MonkeyPatch):
    class Later(readiness.datetime):
        @classmethod
        def now(cls, tz=None):
            return super().now(tz) + timedelta(days=10_000)

    monkeypatch.setattr(readiness, "datetime", Later)
    with pytest.raises(NodeError) as caught:
        readiness.check_identity(NodeConfig(run, "hospital-a", None), profile(run, "hospital-a", "node"))
    assert code_of(caught) == "FL4003"


def test_a_certificate_that_ends_soon_is_a_caution(config: NodeConfig, monkeypatch: pytest.MonkeyPatch):
    own = profile(config.run, "hospital-a", "node")
    assert doctor.check_renewal(config, own).startswith("due in ")
    monkeypatch.setattr(doctor, "RENEWAL_TIME", timedelta(days=10_000))
    with pytest.raises(CautionError) as caught:
        doctor.check_renewal(config, own)
    assert code_of(caught) == "FL4012"
    assert checked("renewal", lambda: doctor.check_renewal(config, own)).status == "warning"


@pytest.mark.parametrize(("window_ms", "code"), [(0, "FL4011"), (59_999, "FL4011"), (60_000, "")])
async def test_terms_that_let_a_clock_cut_a_phase_short_are_a_caution(config: NodeConfig, window_ms: int, code: str):
    class Terms:
        async def parameters(self) -> Parameters:
            return Parameters(
                survivor_difference_min=3, share_limit_ppm=700_000, count_bucket=1, time_window_ms=window_ms
            )

    finding = await awaited("phases", doctor.check_phases(config, Terms()))
    assert (finding.status, finding.code) == ("warning" if code else "ok", code)
    assert bool(finding.mend) == bool(code)


def test_a_full_disk(config: NodeConfig):
    with pytest.raises(NodeError) as caught:
        readiness.check_disk(replace(config, limits=Limits(reserve=1 << 60)))
    assert code_of(caught) == "FL4007"


async def test_a_clock_ten_minutes_off(config: NodeConfig, neighbour: None, monkeypatch: pytest.MonkeyPatch):
    assert (await readiness.check_clock(config)).startswith("within ")
    monkeypatch.setattr(readiness, "wall_clock", lambda: time.time() + 600)
    with pytest.raises(NodeError, match=r"\+(599|600|601) s away") as caught:
        await readiness.check_clock(config)
    assert code_of(caught) == "FL4004"


async def test_too_few_blob_services(config: NodeConfig, neighbour: None):
    assert await doctor.check_known_services(config, channel_of(config.run)) == "1 of 2 other members answer"


async def test_no_blob_service_at_all(config: NodeConfig):
    with pytest.raises(NodeError) as caught:
        await doctor.check_known_services(config, channel_of(config.run))
    assert code_of(caught) == "FL4008"


async def test_a_port_that_something_else_holds(config: NodeConfig, neighbour: None, consortium: Consortium):
    me = consortium.organisation(config.organisation)
    server = await asyncio.start_server(lambda _, writer: writer.close(), me.host, me.blob_port)
    async with server:
        with pytest.raises(NodeError, match="something else holds") as caught:
            await doctor.check_known_services(config, channel_of(config.run))
    assert code_of(caught) == "FL4008"


async def test_every_check_reports_though_the_ledger_is_down(config: NodeConfig, neighbour: None):
    findings = {finding.check: finding async for finding in doctor.examine(config)}
    assert {name: finding.code for name, finding in findings.items()} == {
        "identity": "",
        "renewal": "",
        "disk": "",
        "plan sandbox": "",
        "clock": "",
        "channel": "FL1060",
        "blob services": "",
        "ledger": "FL4005",
        "data": "",
        "participant": "FL4005",
        "plan": "FL4005",
        "phases": "FL4005",
    }
    peer = config.consortium.organisation(config.organisation).peer
    assert f"peer-hospital-a at {peer.address}" in findings["channel"].message
    assert "`fedledger network start peer-hospital-a`" in findings["channel"].mend
    assert findings["ledger"].mend


async def test_an_organisation_that_does_not_exist(config: NodeConfig):
    findings = [finding async for finding in doctor.examine(replace(config, organisation="hospital-x"))]
    assert [(finding.check, finding.code) for finding in findings] == [("identity", "FL1010")]


async def test_a_node_does_not_start_on_data_that_is_not_there(config: NodeConfig, tmp_path: Path):
    with pytest.raises(NodeError) as caught:
        await run_node(replace(config, data=tmp_path / "nowhere.csv"))
    assert code_of(caught) == "FL4001"


async def test_a_node_does_not_start_where_its_clock_is_ten_minutes_off(
    config: NodeConfig, neighbour: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(readiness, "wall_clock", lambda: time.time() - 600)
    with pytest.raises(NodeError) as caught:
        await run_node(config)
    assert code_of(caught) == "FL4004"


async def test_a_node_does_not_start_where_its_blob_port_is_taken(config: NodeConfig, neighbour: None):
    with pytest.raises(NodeError) as caught:
        await run_node(replace(config, organisation="hospital-b"))
    assert code_of(caught) == "FL4008"
