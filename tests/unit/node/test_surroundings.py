"""The figures of what a node stands on: certificates, disk, phases, the peers' heights."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fl_node.journal.egress import EgressLog
from fl_node.ledger import elsewhere
from fl_node.metrics import Health, Metrics
from fl_node.node import surroundings
from fl_node.node.config import NodeConfig
from network.connection import Profile, profile
from tests.believing import channel_of
from tests.waiting import until


class Gateway:
    """Leads to one peer, which is asked for its height."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def close(self) -> None:
        pass

    def network(self, _: str) -> Any:
        return self

    contract = network


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"fedledger_{name}", labels)


@pytest.fixture
def config(run: Path, tmp_path: Path) -> NodeConfig:
    config = NodeConfig(run, "hospital-a", None)
    for folder in (config.folder, config.blobs):
        folder.mkdir(parents=True, exist_ok=True)
    return config


def watched(config: NodeConfig, own: Profile, metrics: Metrics, health: Health, egress: EgressLog):
    return surroundings.watched(config, own, lambda: config.consortium, channel_of(config.run), metrics, health, egress)


async def test_heights_of_all_peers_are_told_and_one_that_is_silent_keeps_its_figure(
    config, tmp_path, monkeypatch: pytest.MonkeyPatch
):
    heights: dict[str, Any] = {"hospital-a": 7, "hospital-b": 9, "hospital-c": TimeoutError("down"), "regulator": 9}

    async def height(gateway: Gateway, _: str) -> int:
        if isinstance(heights[gateway.name], Exception):
            raise heights[gateway.name]
        return heights[gateway.name]

    ports = {o.peer.port: o.name for o in config.consortium.peer_organisations}
    at = {f"{o.peer.host}:{o.peer.port}": ports[o.peer.port] for o in config.consortium.peer_organisations}
    monkeypatch.setattr(elsewhere, "gateway_of", lambda who: Gateway(at[who.peers[0][0]]))
    monkeypatch.setattr(surroundings, "height", height)
    monkeypatch.setattr(surroundings, "EVERY_S", 0.001)
    metrics, egress = Metrics(), tmp_path / "egress.jsonl"
    own = profile(config.run, "hospital-a", "node")

    def height_of(name: str) -> float | None:
        mine = "yes" if name == own.organisation else "no"
        return sample(metrics, "peer_height", organisation=name, own=mine, peer=f"peer0.{name}")

    async with watched(config, own, metrics, Health(), EgressLog(egress)):
        await until(lambda: height_of("hospital-b") == 9)
        assert height_of("hospital-a") == 7
        assert height_of("hospital-c") is None
        heights["hospital-c"], heights["hospital-b"] = 10, TimeoutError("down")
        await until(lambda: height_of("hospital-c") == 10)
        assert height_of("hospital-b") == 9
    asked = egress.read_text()
    assert '"to": "hospital-b"' in asked
    assert '"to": "hospital-a"' not in asked


async def test_certificates_disk_and_health_are_told(config, tmp_path, monkeypatch: pytest.MonkeyPatch):
    metrics, health, own = Metrics(), Health(), profile(config.run, "hospital-a", "node")
    async with watched(config, own, metrics, health, EgressLog(tmp_path / "egress.jsonl")):
        ends = datetime.fromtimestamp(sample(metrics, "certificate_ends_seconds", certificate="signing") or 0, UTC)
        assert ends > datetime.now(UTC) + timedelta(days=1)
        assert sample(metrics, "certificate_ends_seconds", certificate="tls")
        assert sample(metrics, "disk_bytes", folder="blobs") == shutil.disk_usage(config.blobs).total
        assert 0 < (sample(metrics, "disk_free_bytes", folder="journal") or 0)
        assert sample(metrics, "healthy") == 0
        health.ledger_answered()
        assert sample(metrics, "healthy") == 1


def test_a_training_that_is_over_cannot_be_late():
    metrics = Metrics()
    metrics.phase("first", 1_700_000_000_500)
    assert sample(metrics, "phase_deadline_seconds", training="first") == 1_700_000_000.5
    metrics.over("first")
    metrics.over("first")
    assert sample(metrics, "phase_deadline_seconds", training="first") is None
    assert sample(metrics, "phase_since_seconds", training="first") is None
