"""What watches an organisation's processes: where Prometheus scrapes, when it alerts, what Grafana shows."""

import json
from collections.abc import Sequence
from typing import Any, Final

import yaml

from network.units.model import Unit
from network.units.places import Places

MONITOR: Final = "monitor"
"""The identity whose TLS certificate Fabric's operations services ask Prometheus for (`fedledger identity add`)."""
LATE_S: Final = 900
ENDS_S: Final = 30 * 86_400
BEHIND_BLOCKS: Final = 20
BEHIND: Final = 'max by (instance) (fedledger_peer_height) - min by (instance) (fedledger_peer_height{own="yes"})'
HEIGHT: Final = 'ledger_blockchain_height{job="fabric"}'

RULES: Final = (
    ("FedledgerProcessDown", "up == 0", "2m", "{{ $labels.process }} does not answer", "`journalctl -u` its unit."),
    (
        "FedledgerNodeNotReady",
        "fedledger_healthy == 0",
        "5m",
        "{{ $labels.process }} does not do its work",
        "`fedledger node status` says why, `fedledger node doctor` what to do.",
    ),
    (
        "FedledgerRoundStuck",
        f"time() - fedledger_phase_deadline_seconds > {LATE_S}",
        "1m",
        "a round of {{ $labels.training }} should have moved on a quarter of an hour ago",
        "`fedledger train status` names who is missing; a vote may be needed.",
    ),
    (
        "FedledgerCertificateEnds",
        f"fedledger_certificate_ends_seconds - time() < {ENDS_S}",
        "1h",
        "the {{ $labels.certificate }} certificate of {{ $labels.process }} ends in less than 30 days",
        "Issue a new one now: its processes are refused from that moment on.",
    ),
    (
        "FedledgerPeerBehind",
        f"{BEHIND} > {BEHIND_BLOCKS}",
        "15m",
        "an own peer is {{ $value }} blocks behind another peer",
        "Look whether it reaches the orderers; it catches up by itself.",
    ),
    (
        "FedledgerDiskNearlyFull",
        "fedledger_disk_free_bytes / fedledger_disk_bytes < 0.1",
        "5m",
        "less than a tenth of the disk with the {{ $labels.folder }} is free",
        "Free some space: a node without any leaves its rounds.",
    ),
)
"""(name, expression, for how long, what is wrong, what to do)."""

PANELS: Final = (
    ("Ready", "fedledger_healthy", "none"),
    ("Round", "fedledger_round", "none"),
    ("Seconds past the phase's deadline", "clamp_min(time() - fedledger_phase_deadline_seconds, 0)", "s"),
    ("Age of the phase", "time() - fedledger_phase_since_seconds", "s"),
    ("Duties a minute", "sum by (duty, outcome) (rate(fedledger_duties_total[5m]) * 60)", "none"),
    ("Attempts that ended, an hour", "sum by (phase) (increase(fedledger_attempts_ended_total[1h]))", "none"),
    ("Attempts left, an hour", "sum by (code) (increase(fedledger_attempts_dropped_total[1h]))", "none"),
    ("Blocks of each organisation's peer", "fedledger_peer_height", "none"),
    ("Days until a certificate ends", "(fedledger_certificate_ends_seconds - time()) / 86400", "none"),
    ("Free disk", "fedledger_disk_free_bytes", "bytes"),
    ("Bytes that leave, a second", "rate(fedledger_sent_bytes_total[5m])", "Bps"),
    ("Blocks of peers and orderers of Fabric", HEIGHT, "none"),
)
"""(title, expression, unit) of the dashboard's panels."""


def monitoring_files(organisation: str, units: Sequence[Unit], places: Places) -> dict[str, str]:
    """Return name of file → content: what Prometheus scrapes, alerts.yaml and a Grafana dashboard.

    Figures are shown on loopback alone. So a Prometheus, or an agent of it, runs on each host, and has a file of its
    own: prometheus.yaml where there is one host, prometheus-HOST.yaml where there are several.
    """
    hosts = list(dict.fromkeys(unit.host for unit in units))
    scraped = {
        f"monitoring/prometheus{f'-{host}' if len(hosts) > 1 else ''}.yaml": _yaml(
            _scraping(organisation, [unit for unit in units if unit.host == host], places)
        )
        for host in hosts
    }
    return {
        **scraped,
        "monitoring/alerts.yaml": _yaml({"groups": [{"name": "fedledger", "rules": [_rule(*rule) for rule in RULES]}]}),
        "monitoring/dashboard.json": json.dumps(_dashboard(organisation), indent=1) + "\n",
    }


def _scraping(organisation: str, units: Sequence[Unit], places: Places) -> dict[str, Any]:
    tls = places.organisation(organisation).user(MONITOR) / "tls"
    shown = {"ca_file": str(tls / "ca.crt"), "cert_file": str(tls / "client.crt"), "key_file": str(tls / "client.key")}
    fabric = {"job_name": "fabric", "scheme": "https", "tls_config": {**shown, "server_name": "localhost"}}
    node = {"job_name": "node"}
    jobs = []
    for job, services in ((node, {"node"}), (fabric, {"peer", "orderer"})):
        watched = [unit for unit in units if unit.process.service in services and unit.metrics]
        if watched:
            jobs.append({**job, "static_configs": [_target(unit) for unit in watched]})
    return {"global": {"scrape_interval": "15s"}, "rule_files": ["alerts.yaml"], "scrape_configs": jobs}


def _target(unit: Unit) -> dict[str, Any]:
    labels = {"process": unit.name, "organisation": unit.process.organisation}
    return {"targets": [f"127.0.0.1:{unit.metrics}"], "labels": labels}


def _rule(name: str, expression: str, lasting: str, problem: str, mend: str) -> dict[str, Any]:
    head = {"alert": name, "expr": expression, "for": lasting}
    return {**head, "labels": {"severity": "warning"}, "annotations": {"summary": problem, "description": mend}}


def _dashboard(organisation: str) -> dict[str, Any]:
    panels = [
        {
            "id": number + 1,
            "type": "timeseries",
            "title": title,
            "datasource": {"type": "prometheus", "uid": "${source}"},
            "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
            "gridPos": {"h": 8, "w": 12, "x": 12 * (number % 2), "y": 8 * (number // 2)},
            "targets": [{"refId": "A", "expr": expression}],
        }
        for number, (title, expression, unit) in enumerate(PANELS)
    ]
    source = {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    head = {"title": f"fedledger: {organisation}", "uid": f"fedledger-{organisation}"[:40], "schemaVersion": 39}
    window = {"time": {"from": "now-6h", "to": "now"}, "refresh": "30s", "timezone": "utc"}
    return {**head, **window, "templating": {"list": [source]}, "panels": panels}


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, width=120)
