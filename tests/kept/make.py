"""Makes the ledger that a version of the rules leaves behind, by the real rules on the embedded network.

    python -m tests.kept.make tests/kept/v2

A ledger that lies there is never made again: README.md.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

import yaml

from audit.evidence.fetch import fetch
from audit.report.bundle import export
from network.bringup import Request, down, up
from network.connection import profile
from network.folders import held_blobs
from tests.kept.ledger import LEDGER, keep
from tests.ports import free_ports
from tests.scenarios.conftest import CONSORTIUM, PARAMETERS
from tests.scenarios.federation import Federation
from tests.scenarios.rounds import Attempt

NOTHING = {"proposal": "", "signature": ""}


async def live(run: Path) -> None:
    """Found a federation of four and live through what the rules know."""
    async with Federation.connect(run) as federation:
        await federation.ready(rounds=3)
        await _refused(federation)
        await federation.submit("Settle", training="tumour", round=1)
        await _garbage(federation)
        second = federation.members[1]
        await federation.submit("Stake", by=second, participant=second, amount=1_500_000)
        await federation.agree("set_parameters", parameters={"round_budget": 900_000})
        await (await _summed(federation)).finish()
        await federation.submit("Settle", training="tumour", round=2)
        await federation.agree("roll_back_training", training="tumour", round=1)
        await federation.beacon()
        await (await _summed(federation)).finish()
        await _complaint(federation)
        await (await _summed(federation, absent=federation.members[3:])).finish()
        for number in (3, 4):
            await federation.submit("Settle", training="tumour", round=number)
        await federation.submit("Unstake", by=second, participant=second, amount=1_000_000)
        await federation.submit("Transfer", by=federation.members[0], to=federation.msp(second), amount=7)


async def _summed(federation: Federation, absent: tuple[str, ...] | list[str] = (), spoil: bool = False) -> Attempt:
    attempt = await Attempt.open(federation, "tumour")
    await attempt.keys_and_shares()
    await attempt.updates(absent, spoil)
    await attempt.unmask()
    return attempt


async def _refused(federation: Federation) -> None:
    """A round whose first aggregator signed a false sum, which is proven of it."""
    attempt = await _summed(federation)
    await attempt.report_lie(await attempt.aggregator(), attempt.lie())
    await attempt.finish()


async def _garbage(federation: Federation) -> None:
    """An attempt that ends void, by a report that its sum is out of range."""
    attempt = await _summed(federation, spoil=True)
    await attempt.by_node("ReportFault", federation.members[0], kind="garbage", accused="", evidence=NOTHING)


async def _complaint(federation: Federation) -> None:
    """An attempt that ends void because a dealer does not answer a complaint."""
    attempt = await Attempt.open(federation, "tumour")
    await attempt.keys_and_shares()
    accuser, dealer = federation.members[:2]
    await attempt.by_node("ReportFault", accuser, kind="bad_seal", accused=dealer, evidence=NOTHING)
    await attempt.advance("Void")


def main(out: Path) -> None:
    """Make a ledger and lay it down in a folder where none lies."""
    if out.joinpath(LEDGER).exists():
        raise SystemExit(f"{out} holds a ledger: it is never made again")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        run, blocks = Path(scratch) / "run", Path(scratch) / "blocks"
        definition = yaml.safe_load(CONSORTIUM.read_text())
        definition["federation"]["parameters"] |= PARAMETERS | {"epoch_rounds": 2}
        path = Path(scratch) / "consortium.yaml"
        path.write_text(json.dumps(definition))
        try:
            up(Request(run, "devnet", path, free_ports()), lambda _: None)
            asyncio.run(live(run))
            height = asyncio.run(fetch(profile(run, "regulator", "client"), blocks))
            export(blocks, height - 1, out / LEDGER, blobs=sorted(held_blobs(run).iterdir()))
        finally:
            down(run)
    found = keep(out)
    sys.stdout.write(f"{out}: {found.verdict.word}, {len(found.lines)} transactions, state {found.state}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
