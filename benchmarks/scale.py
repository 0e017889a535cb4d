"""What a whole round costs as participants and slots grow: seconds by phase, processor time, memory, bytes.

    python -m benchmarks.scale [--participants 4] [--organisations N] [--slots 10000] [--dropouts 0]
        [--silent] [--rounds 5] [--fabric] [--rules 2]

The plan is plain arithmetic, so that nothing is measured but the round. Participants are spread evenly over the
organisations, one each by default. Those who drop out answer until the shares are dealt; then their training fails, and
they say so. With --silent they say nothing, as machines that are gone, so that a round holds the whole phase of
updates, UPDATES_S. Medians are over all rounds but the first.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.operations import resident, written
from benchmarks.rounds import final_medians, processor_seconds
from fl_node.blobs.store import BlobStore
from fl_node.commands.watching import watch
from fl_node.demo.federation import Federation, opened
from fl_node.ledger.client import public_key_hash
from network import roster
from network.bringup import Request, down, up
from network.connection import consortium_of, profile
from network.folders import folder_of
from network.interrupt import interruptible
from network.rules import NEWEST_RULES
from network.topology import DEFAULT_DEFINITION
from tests.faults import synthetic
from tests.faults.stage import ROOT, Nodes, found, start
from tests.ports import free_ports

PATIENCE_MS = 600_000
AFTERWARDS_S = 3
"""How long nodes have to put the last round away before the disk is looked at."""
UPDATES_S = 5
"""How long a round waits for updates where somebody sends none."""


@dataclass(frozen=True)
class Size:
    """What is measured: `dropouts` of `participants`, of `organisations`, send no update of `slots` numbers.

    Attributes:
        silent: They do not say that they have dropped out.
        rules: The version of the rules that the rounds follow.
    """

    participants: int
    organisations: int
    slots: int
    dropouts: int
    rules: int = NEWEST_RULES
    silent: bool = False

    @property
    def training(self) -> str:
        return f"scale-{self.slots}-slots"

    @property
    def names(self) -> list[str]:
        """The members' names."""
        return [f"member-{number:03}" for number in range(self.organisations)]

    @property
    def further(self) -> list[tuple[str, str]]:
        """Those participants that are not an organisation's first: (organisation, participant)."""
        ranks = range(self.organisations, self.participants)
        return [(self.names[rank % self.organisations], f"participant-{rank:03}") for rank in ranks]

    @property
    def lazy(self) -> set[str]:
        """Those who send no update: the last ones."""
        everybody = [*self.names, *(participant for _, participant in self.further)]
        return set(everybody[self.participants - self.dropouts :])

    def environment(self, name: str) -> dict[str, str]:
        """Return what makes a participant's node drop out; nothing for the others."""
        return {"NEVER_UPDATES" if self.silent else "FAILS": "yes"} if name in self.lazy else {}

    def definition(self) -> dict[str, Any]:
        """Return the consortium's definition, with phases that end when everybody answered."""
        raw: dict[str, Any] = yaml.safe_load(DEFAULT_DEFINITION.read_text())
        raw.pop("base_port")
        others = [organisation for organisation in raw["organisations"] if organisation["role"] != "member"]
        raw["organisations"] = [*others, *({"name": name, "role": "member"} for name in self.names)]
        raw["federation"]["rules"] = self.rules
        phases = {f"{phase}_ms": PATIENCE_MS for phase in ("keys", "shares", "updates", "unmask", "attest")}
        if self.dropouts and self.silent:
            phases["updates_ms"] = UPDATES_S * 1000
        raw["federation"]["parameters"] |= phases | {
            "epoch_rounds": 1000,
            "participants_per_organisation": -(-self.participants // self.organisations),
            "founding_grant": 10_000_000 * -(-self.participants // self.organisations),  # each has a stake
            "share_limit_ppm": 1_000_000,
            "cohort_min": min(4, self.participants),
            "aggregator_lease_ms": 10_000 + self.slots // 1000,
            "max_update_bytes": max(64 << 20, self.slots * 4 + 4096),
        }
        return raw


def measure(size: Size, rounds: int, kind: str) -> dict[str, Any]:
    """Bring a network up, train, and return the figures of a round."""
    with interruptible(), tempfile.TemporaryDirectory() as folder:
        definition = Path(folder) / "definition.yaml"
        definition.write_text(yaml.safe_dump(size.definition()))
        run = Path(folder) / "run"
        up(Request(run, kind, definition, free_ports()), lambda _: None)
        nodes = Nodes(run)
        try:
            return asyncio.run(_train(nodes, size, rounds)) | {"network": kind}
        finally:
            nodes.close()
            down(run)


async def _train(nodes: Nodes, size: Size, rounds: int) -> dict[str, Any]:
    for name in size.names:
        nodes.start(name, rows=[1] * synthetic.ROWS, **size.environment(name))
        await nodes.ready(name)  # one after the other: many that start together keep every peer busy for too long
    async with opened(nodes.run) as federation:
        await found(federation)
        for organisation, participant in size.further:
            await _admit(federation, organisation, participant)
        for rank, (organisation, participant) in enumerate(size.further):
            _start(nodes, organisation, participant, rank, size.environment(participant))
        await start(federation, size.training, rounds, cohort=size.participants, holders=size.organisations)
        records: dict[str, Any] = {}
        before, disk, sent, began = processor_seconds(nodes), _disk(nodes, size), _sent(), time.monotonic()
        async for progress in watch(federation.first, size.training):
            records[progress.view.name] = progress.as_json()
        seconds, after, sent = time.monotonic() - began, processor_seconds(nodes), _sent() - sent
        await asyncio.sleep(AFTERWARDS_S)
        grown = {kind: round((value - disk[kind]) / rounds) for kind, value in _disk(nodes, size).items()}
    return {
        "participants": size.participants,
        "organisations": size.organisations,
        "slots": size.slots,
        "dropouts": size.dropouts,
        "silent": size.silent,
        "rules": size.rules,
        **final_medians(list(records.values())),
        "seconds_a_round_with_start": round(seconds / rounds, 2),
        "processor_seconds_per_round": {kind: round((after[kind] - before[kind]) / rounds, 3) for kind in after},
        "wire_bytes_a_round_of_an_organisation": sent // rounds // size.organisations,
        "resident_mb": resident(nodes),
        "peak_mb": {"node": max(_peak(process.pid) for process in nodes.processes.values())},
        "bytes_a_round_of_a_member": grown | {"blobs_after_the_audits_window": _for_good(nodes, size) // rounds},
        "load": [round(each, 1) for each in os.getloadavg()],
    }


async def _admit(federation: Federation, organisation: str, participant: str) -> None:
    roster.add(consortium_of(federation.run), federation.run, organisation, participant, "node")
    await federation.admins[organisation].submit(
        "Apply",
        participant=participant,
        key_hash=public_key_hash(profile(federation.run, organisation, participant).cert_pem),
        profile={"rows": synthetic.ROWS, "missing_ppm": 0, "labels": [5, 5], "schema": synthetic.SCHEMA},
        evidence=[],
        stake=2_000_000,
    )
    await federation.decide("admit", {"participant": participant}, organisation)


def _start(nodes: Nodes, organisation: str, participant: str, rank: int, lazy: dict[str, str]) -> None:
    """Start the node of a participant that is not its organisation's first: it serves no blobs."""
    nodes.data(participant).write_text("\n".join(["number", *["1"] * synthetic.ROWS]) + "\n")
    environment = {**os.environ, "PARTICIPANT": participant, "OBSERVE_PORT": str(free_ports() + rank)}
    environment |= lazy
    command = [sys.executable, "-m", "tests.faults.synthetic", str(nodes.run), organisation]
    with (nodes.run / f"{participant}.log").open("ab") as log:
        nodes.processes[participant] = subprocess.Popen(
            [*command, str(nodes.data(participant))], cwd=ROOT, stdout=log, stderr=log, env=environment
        )


def _peak(pid: int) -> int:
    """Return the most memory that a process ever had, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) >> 10


def _sent() -> int:
    """Return the bytes that went over the loopback interface so far, TLS and TCP included, whoever sent them."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split(":")[1].split()[0]) for line in lines if line.strip().startswith("lo:"))


def _for_good(nodes: Nodes, size: Size) -> int:
    """Return the bytes of the first member's blobs that never expire: states and sums, no masked updates."""
    store = BlobStore(folder_of(nodes.run, size.names[0]).blobs)
    named = [path.name for path in store.folder.glob("[0-9a-f][0-9a-f]/*")]
    return sum(store.size(name) or 0 for name in named if (about := store.about(name)) and not about.expires_ms)


def _disk(nodes: Nodes, size: Size) -> dict[str, int]:
    """Return what the first member has on disk, by kind, in bytes."""
    first = size.names[0]
    return written(folder_of(nodes.run, first).root, nodes.run / f"{first}.log")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--participants", type=int, default=4)
    parser.add_argument("--organisations", type=int, help="one for each participant by default")
    parser.add_argument("--slots", type=int, default=10_000)
    parser.add_argument("--dropouts", type=int, default=0)
    parser.add_argument("--silent", action="store_true", help="those who drop out do not say so")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fabric", action="store_true")
    parser.add_argument("--rules", type=int, default=NEWEST_RULES, help="the version of the rules")
    arguments = parser.parse_args()
    organisations = arguments.organisations or arguments.participants
    sizes = arguments.participants, organisations, arguments.slots, arguments.dropouts
    size = Size(*sizes, arguments.rules, arguments.silent)
    print(json.dumps(measure(size, arguments.rounds, "fabric" if arguments.fabric else "devnet")))


if __name__ == "__main__":
    main()
