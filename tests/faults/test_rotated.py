"""A node gets another key in the middle of a round: it goes on where it stood, and nobody is slashed."""

import asyncio
from pathlib import Path

import pytest

from fl_node.demo.federation import opened
from fl_node.ledger.client import public_key_hash
from fl_node.ledger.records import OVER, Round
from fl_node.node.rotating import rotate_key
from network.connection import profile
from tests.faults.conftest import TIMES, at_length
from tests.faults.stage import NAMES, Nodes, ended, settled, stakes, start, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
ROTATING = "hospital-c"
MOMENTS = ("updates", "keys", "shares", "revealed")
"""What the node has given of its part when its key is taken from it, in one round after the other."""
ROUNDS = 1000
PATIENT = dict.fromkeys(("keys_ms", "shares_ms", "updates_ms", "unmask_ms", "attest_ms"), 120_000)
"""However slowly a node starts again, the phase waits for it."""


def gave(view: Round, part: str) -> bool:
    return view.phase not in OVER and ROTATING in getattr(view, part)


async def test_a_node_whose_key_is_rotated_in_the_middle_of_a_round_ends_it_and_nobody_is_slashed(
    run: Path, nodes: Nodes, pytestconfig: pytest.Config
):
    """The first moment alone on the embedded network; what is committed is audited with all else (test_verdict.py)."""
    await nodes.ready()
    moments = MOMENTS if at_length(pytestconfig) else MOMENTS[:1]
    async with opened(run) as federation:
        ledger, staked = federation.first, await stakes(federation.first)
        await federation.decide("set_parameters", {"parameters": PATIENT})
        await start(federation, "rotated", ROUNDS)
        keys = [public_key_hash(profile(run, ROTATING, "node").cert_pem)]
        for given in moments:
            await until(ledger, "rotated", lambda view, g=given: gave(view, g))
            keys.append((await rotate_key(run, ROTATING, ROTATING, "node")).key_hash)
            assert await asyncio.to_thread(nodes.stop, ROTATING) == 0
            open_round = await ledger.round("rotated")
            nodes.start(ROTATING)
            await nodes.ready(ROTATING)
            assert open_round
            view = await ended(ledger, "rotated", open_round.round)
            assert (view.phase, set(view.survivors)) == ("Final", set(NAMES)), view.void_reason
        await federation.decide("stop_training", {"training": "rotated"})
        assert (await ledger.participant(ROTATING)).key_hash == keys[-1]
        assert len(set(keys)) == len(keys) == len(moments) + 1
        await settled(ledger, "rotated", view.round)
        assert await stakes(ledger) == staked, "nobody is slashed"
        await federation.decide("set_parameters", {"parameters": {name: TIMES[name] for name in PATIENT}})
        flags = [flag for flag in await ledger.everything("ListFlags") if flag["training"] == "rotated"]
    assert flags == []
