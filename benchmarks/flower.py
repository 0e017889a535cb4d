"""Whole rounds of Flower's SecAgg+ over its own processes: SuperLink, a SuperNode each, in an environment of its own.

    python -m benchmarks.flower [--participants 4] [--slots 10000] [--dropouts 0] [--rounds 3] [--simulation]

Flower runs unmodified, with its defaults; participants do not train. Seconds are of its own workflow from setup to
unmask, without TLS and without a second party that checks anything. `python -m benchmarks.scale` has these arguments.
With --simulation its simulation engine runs the same app: actors that stay warm, one for each core, in one place.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks.environments import AbsentError, python_of
from benchmarks.ours import our_round
from tests.ports import free_ports

APP: Final = Path(__file__).with_name("flower_app")
PACKAGES: Final = ("flwr==1.42.0", "numpy", "grpcio-health-checking==1.71.2")
"""The last one: what 1.42 takes by itself does not go with its own protobuf."""
SIMULATION: Final = "flwr[simulation]==1.42.0"
PATIENCE_S: Final = 900.0
CONNECTION: Final = """[superlink]
default = "bench"

[superlink.bench]
address = "{}"
insecure = true
"""


def measure(participants: int, slots: int, dropouts: int, rounds: int) -> dict[str, Any]:
    """Run SuperLink and SuperNodes, then the app; return the seconds of its rounds."""
    programs = python_of("flower", *PACKAGES).parent
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        report = folder / "report.json"
        config = f"participants={participants} slots={slots} dropouts={dropouts} rounds={rounds} report='{report}'"
        for number, command in enumerate(_commands(folder, participants, config)):
            _start(stack, folder, programs, f"{number}.log", command)
        until = time.monotonic() + PATIENCE_S
        while not report.exists():
            if time.monotonic() > until:
                raise AbsentError(_last_words(folder))
            time.sleep(0.2)
        time.sleep(0.2)
        seconds = json.loads(report.read_text())
    return {
        "participants": participants, "slots": slots, "dropouts": dropouts, "seconds": seconds,
        "median_seconds": round(statistics.median(seconds[1:] or seconds), 2), "load": os.getloadavg()[0],
    }  # fmt: skip


def simulate(participants: int, slots: int, dropouts: int, rounds: int) -> dict[str, Any]:
    """Run the app in Flower's simulation engine; return the seconds of its rounds."""
    python = python_of("flower-simulation", SIMULATION, *PACKAGES)
    with tempfile.TemporaryDirectory() as name:
        report, log = Path(name) / "report.json", Path(name) / "log"
        sizes = {"participants": participants, "slots": slots, "dropouts": dropouts, "rounds": rounds}
        environment = {**os.environ, "FLWR_TELEMETRY_ENABLED": "0"}
        environment |= {"FEDLEDGER_BENCH": json.dumps(sizes | {"report": str(report)}), "PYTHONPATH": str(APP)}
        with log.open("wb") as said:
            command = [str(python), str(APP / "simulated.py")]
            subprocess.run(
                command, env=environment, cwd=name, stdout=said, stderr=said, timeout=PATIENCE_S, check=False
            )
        if not report.exists():
            raise AbsentError(log.read_text()[-600:])
        seconds = json.loads(report.read_text())
    median = round(statistics.median(seconds[1:] or seconds), 2)
    return sizes | {"engine": "simulation", "seconds": seconds, "median_seconds": median, "load": os.getloadavg()[0]}


def _commands(folder: Path, participants: int, config: str) -> Iterator[list[str]]:
    """Yield the commands of the SuperLink, of the SuperNodes and of the run, which find one another at free ports."""
    base, local = free_ports(), "127.0.0.1"
    where = f"{local}:{base}"
    (folder / "config.toml").write_text(CONNECTION.format(where))
    yield [
        "flower-superlink", "--insecure", "--disable-runtime-dependency-installation", "--host", local,
        "--port", str(base),
    ]  # fmt: skip
    until = time.monotonic() + PATIENCE_S
    with socket.socket() as probe:  # what comes too early waits longer and longer between its tries
        while probe.connect_ex((local, base)) and time.monotonic() < until:
            time.sleep(0.2)
    for at in range(1, participants + 1):
        yield [
            "flower-supernode", "--insecure", "--superlink", where, "--host", local, "--port", str(base + at),
            "--node-config", f"partition-id={at - 1}",
        ]  # fmt: skip
    yield ["flwr", "run", str(APP), "bench", "--stream", "--run-config", config]


def _start(stack: ExitStack, folder: Path, programs: Path, log: str, command: list[str]) -> None:
    environment = {**os.environ, "FLWR_HOME": str(folder), "PATH": f"{programs}:{os.environ['PATH']}"}
    environment |= {"FLWR_TELEMETRY_ENABLED": "0", "PYTHONPATH": ""}
    with (folder / log).open("wb") as said:
        process = subprocess.Popen(
            [str(programs / command[0]), *command[1:]],
            cwd=folder,
            env=environment,
            stdout=said,
            stderr=said,
            start_new_session=True,  # what it starts ends with it
        )
    stack.callback(process.wait)
    stack.callback(_end, process.pid)


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _last_words(folder: Path) -> str:
    return "\n".join(f"{path.name}: {path.read_text()[-600:]}" for path in sorted(folder.glob("*.log")))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--participants", type=int, default=4)
    parser.add_argument("--slots", type=int, default=10_000)
    parser.add_argument("--dropouts", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--simulation", action="store_true", help="in Flower's simulation engine")
    arguments = parser.parse_args()
    run = simulate if arguments.simulation else measure
    try:
        report = run(arguments.participants, arguments.slots, arguments.dropouts, arguments.rounds)
    except AbsentError as error:
        report = {"absent": str(error)}
    else:
        sizes = {name: getattr(arguments, name) for name in ("participants", "slots", "dropouts")}
        report["ours"] = ours = our_round(arguments.rounds, **sizes)  # with the wait for those that drop out
        report["flower_over_ours"] = round(report["median_seconds"] / ours["median_seconds"]["total"], 1)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
