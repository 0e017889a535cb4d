"""Alerts and dashboard: promtool reads them, each alert fires when its trouble is there and not before."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from network.topology import load_consortium
from network.units.model import Wishes, units_of
from network.units.monitoring import RULES, monitoring_files
from network.units.output import plan_at
from network.units.places import Places

ORGANISATIONS = ("orderer", "hospital-a", "regulator")
PROMTOOL = shutil.which("promtool")
NEEDS_PROMTOOL = pytest.mark.skipif(PROMTOOL is None, reason="no promtool on PATH")
DAY = 86_400


@pytest.fixture
def written(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    organisation = getattr(request, "param", "hospital-a")
    consortium, places = load_consortium(), Places(tmp_path)
    plan = plan_at(consortium, "fabric", organisation, places, "chaincode-0", "fedledger:id")
    units = units_of(consortium, plan, organisation, places, Wishes())
    for name, text in monitoring_files(organisation, units, places).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "monitoring"


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@NEEDS_PROMTOOL
@pytest.mark.parametrize("written", ORGANISATIONS, indirect=True)
def test_prometheus_accepts_what_it_is_to_scrape_and_the_rules(written):
    jobs = yaml.safe_load((written / "prometheus.yaml").read_text())["scrape_configs"]
    for job in jobs:
        for field in ("ca_file", "cert_file", "key_file"):
            if path := job.get("tls_config", {}).get(field):
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                Path(path).write_text("")
    assert f"SUCCESS: {len(RULES)} rules found" in promtool("check", "config", written / "prometheus.yaml")


def series(name: str, *values: float) -> dict[str, str]:
    return {"series": name, "values": " ".join(str(value) for value in values)}


def repeated(value: float, minutes: int) -> list[float]:
    return [value] * (minutes + 1)


CASES = {
    "FedledgerProcessDown": (series('up{process="p"}', *repeated(0, 10)), series('up{process="p"}', *repeated(1, 10))),
    "FedledgerNodeNotReady": (
        series('fedledger_healthy{process="p"}', *repeated(0, 10)),
        series('fedledger_healthy{process="p"}', *repeated(1, 10)),
    ),
    "FedledgerRoundStuck": (
        series('fedledger_phase_deadline_seconds{training="t"}', *repeated(-900 - 1, 10)),
        series('fedledger_phase_deadline_seconds{training="t"}', *repeated(600, 10)),
    ),
    "FedledgerCertificateEnds": (
        series('fedledger_certificate_ends_seconds{certificate="tls"}', *repeated(30 * DAY, 120)),
        series('fedledger_certificate_ends_seconds{certificate="tls"}', *repeated(31 * DAY, 120)),
    ),
    "FedledgerDiskNearlyFull": (
        series('fedledger_disk_free_bytes{folder="blobs"}', *repeated(9, 20)),
        series('fedledger_disk_free_bytes{folder="blobs"}', *repeated(11, 20)),
    ),
    "FedledgerPeerBehind": (
        series('fedledger_peer_height{own="yes",organisation="a",peer="peer1",instance="i"}', *repeated(79, 30)),
        series('fedledger_peer_height{own="yes",organisation="a",peer="peer1",instance="i"}', *repeated(80, 30)),
    ),
}
BESIDE = (
    series('fedledger_disk_bytes{folder="blobs"}', *repeated(100, 120)),
    series('fedledger_peer_height{own="no",organisation="b",peer="peer0",instance="i"}', *repeated(100, 120)),
    series('fedledger_peer_height{own="yes",organisation="a",peer="peer0",instance="i"}', *repeated(100, 120)),
)
AFTER = {"FedledgerCertificateEnds": "90m", "FedledgerPeerBehind": "20m", "FedledgerDiskNearlyFull": "10m"}


def test_every_alert_has_a_case():
    assert CASES.keys() == {rule[0] for rule in RULES}


@NEEDS_PROMTOOL
@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_when_its_trouble_is_there_and_not_before(written, alert):
    trouble, calm = CASES[alert]
    moment = AFTER.get(alert, "8m")
    query = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    tests = [
        {
            "interval": "1m",
            "input_series": [given, *BESIDE],
            "promql_expr_test": [
                {"expr": query, "eval_time": moment, "exp_samples": [{"labels": "{}", "value": fires}]},
                {"expr": query, "eval_time": "0m", "exp_samples": [{"labels": "{}", "value": 0}]},
            ],
        }
        for given, fires in ((trouble, 1), (calm, 0))
    ]
    path = written / "tests.yaml"
    path.write_text(yaml.safe_dump({"rule_files": ["alerts.yaml"], "evaluation_interval": "1m", "tests": tests}))
    promtool("test", "rules", path)


def test_the_dashboard_shows_nothing_twice_and_everything_that_alerts(written):
    dashboard = json.loads((written / "dashboard.json").read_text())
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places) == len(set(shown))
    alerting = {name for rule in RULES for name in re.findall(r"fedledger_\w+", rule[1])} - {"fedledger_disk_bytes"}
    assert alerting <= set(re.findall(r"fedledger_\w+", " ".join(shown)))
