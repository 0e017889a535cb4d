"""Commits a second, latency and client CPU of our gateway client and the official Node client, in one run.

    python benchmarks/ledger.py --network devnet|fabric [--json]

A fresh network is started in a temporary folder, with the conformance chaincode; every client writes 64 bytes to keys
of its own and waits for the commit. The two clients take turns on the same network, each in a process of its own.
The Node client is skipped, and the report says so, where there is no Node or its package cannot be installed.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gateway import Endpoint, Identity, Signer, connect
from network import processes
from network.bringup import Request, down, up
from network.build import build_chaincode
from network.connection import Profile, profile
from network.folders import folder_of, public_parts
from network.interrupt import interruptible
from network.plan import Plan

PROJECT = Path(__file__).resolve().parent.parent
sys.path.append(str(PROJECT))

from tests.contract.harness import official  # noqa: E402  it lies beside no package

CLIENTS = PROJECT / "benchmarks" / "ledger_clients"
NODE = official.FOLDER
CHAINCODE = "./cmd/conformance"


@dataclass(frozen=True)
class Figures:
    """What one kind of client reached at one number of clients, over all its turns."""

    client: str
    clients: int
    transactions: int
    failed: int
    per_second: float
    p50_ms: float
    p95_ms: float
    client_cpu_ms: float


def main() -> None:
    options = arguments()
    with interruptible(), tempfile.TemporaryDirectory(prefix="fedledger-bench-", ignore_cleanup_errors=True) as folder:
        run = Path(folder)
        try:
            report = measure(run, options)
        finally:
            down(run)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        show(report)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--network", choices=["devnet", "fabric"], default="devnet")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--seconds", type=float, default=6.0, help="length of one turn")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--base-port", type=int, default=27300)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def measure(run: Path, options: argparse.Namespace) -> dict[str, Any]:
    build_chaincode(CHAINCODE)
    load = os.getloadavg()[0]
    began = time.monotonic()
    request = Request(run, options.network, base_port=options.base_port, chaincode=CHAINCODE)
    outcome = up(request, note)
    user = profile(run, outcome.consortium.members[0].name)
    asyncio.run(first_commit(user))
    start_up = time.monotonic() - began
    kinds = {"gateway (Python)": [sys.executable, str(CLIENTS / "client.py")]}
    environment = dict(os.environ)
    if version := official_client():
        kinds[f"fabric-gateway {version} (Node)"] = [*official.node_command("node"), str(CLIENTS / "client.cjs")]
        environment["NODE_PATH"] = str(NODE / "node_modules")
    figures = []
    for clients in options.clients:
        turns: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
        for turn in range(options.turns):
            for kind, command in kinds.items():
                note(f"{clients} clients, turn {turn + 1}: {kind}")
                prefix = f"{clients}-{turn}-{len(turns)}-{kind[0]}"
                turns[kind].append(take_turn(command, environment, user, clients, options.seconds, prefix))
        figures += [summary(kind, clients, results) for kind, results in turns.items()]
    states = processes.status(run, Plan.read(run))
    return {
        "network": options.network,
        "batch_interval_ms": outcome.consortium.batch_interval_ms,
        "cores": os.cpu_count(),
        "load_before": round(load, 1),
        "start_up_to_first_commit_s": round(start_up, 2),
        "memory_mb": {state.name: round((state.memory or 0) / 2**20, 1) for state in states},
        "figures": [asdict(each) for each in figures],
        "ratios": ratios(figures),
        "node_client": version or "skipped: no Node, or its package could not be installed",
    }


async def first_commit(user: Profile) -> None:
    ends = [Endpoint(address, root_certificates=root) for address, root in user.peers]
    async with connect(ends, Identity(user.msp_id, user.cert_pem), Signer.from_pem(user.key_pem)) as gateway:
        await gateway.network(user.channel).contract(user.chaincode).submit("Put", "first", "1")


def take_turn(
    command: list[str], environment: dict[str, str], user: Profile, clients: int, seconds: float, prefix: str
) -> dict[str, Any]:
    identity = folder_of(user.run, user.organisation).user("client") / "msp"
    work = {
        "address": user.peers[0][0],
        "tls_root": str(public_parts(user.run, user.organisation).tls_root),
        "certificate": str(identity / "signcerts" / "cert.pem"),
        "key": str(identity / "keystore" / "key.pem"),
        "msp_id": user.msp_id,
        "channel": user.channel,
        "chaincode": user.chaincode,
        "clients": clients,
        "seconds": seconds,
        "prefix": prefix,
    }
    done = subprocess.run(
        [*command, json.dumps(work)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds + 120,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{command[1]} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def summary(kind: str, clients: int, results: list[dict[str, Any]]) -> Figures:
    latencies = sorted(latency for result in results for latency in result["latencies"])
    return Figures(
        client=kind,
        clients=clients,
        transactions=len(latencies),
        failed=sum(result["failed"] for result in results),
        per_second=round(len(latencies) / sum(result["seconds"] for result in results), 1),
        p50_ms=round(statistics.median(latencies) * 1000, 1),
        p95_ms=round(latencies[int(0.95 * (len(latencies) - 1))] * 1000, 1),
        client_cpu_ms=round(sum(result["cpu_seconds"] for result in results) / len(latencies) * 1000, 2),
    )


def ratios(figures: list[Figures]) -> dict[str, float]:
    """Return our throughput over the official client's, per number of clients."""
    by_clients: dict[int, list[float]] = {}
    for each in figures:
        by_clients.setdefault(each.clients, []).append(each.per_second)
    return {str(clients): round(both[0] / both[1], 2) for clients, both in by_clients.items() if len(both) > 1}


def official_client() -> str | None:
    """Return the version of the official client, installing it where it is missing; None where it cannot be."""
    try:
        official.install()
    except SystemError as error:
        note(str(error))
        return None
    manifest = NODE / "node_modules" / "@hyperledger" / "fabric-gateway" / "package.json"
    return str(json.loads(manifest.read_text())["version"])


def note(text: str) -> None:
    print(text, file=sys.stderr)


def show(report: dict[str, Any]) -> None:
    setting = f"batches every {report['batch_interval_ms']} ms, {report['cores']} cores"
    table = Table(title=f"{report['network']}, {setting}, load before {report['load_before']}")
    for column in ("clients", "client", "commits/s", "p50 ms", "p95 ms", "client CPU ms/tx", "failed"):
        table.add_column(column, justify="left" if column == "client" else "right")
    for each in report["figures"]:
        row = (each[key] for key in ("clients", "client", "per_second", "p50_ms", "p95_ms", "client_cpu_ms", "failed"))
        table.add_row(*map(str, row))
    console = Console(width=120)
    console.print(table)
    console.print(f"throughput, ours over theirs: {report['ratios']}")
    console.print(f"start-up to first commit: {report['start_up_to_first_commit_s']} s")
    console.print(f"memory in MB: {report['memory_mb']}")


if __name__ == "__main__":
    main()
