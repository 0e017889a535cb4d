"""Whether a chain's end is the end: what other organisations' peers hold at the same height and beyond.

Blocks alone cannot show that later ones were withheld. Of n organisations f = (n-1)//3 may lie, so that f+1 that agree
with one's own folder include an honest one.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from fabric_protos.common import common_pb2

from audit.evidence.fetch import QUIET_SECONDS
from audit.fabric.channel import ChannelConfig
from audit.fabric.orderers import OrdererError, check_signatures
from audit.fabric.wire import WireError, header_hash
from audit.verify.verdict import Rule, Unchecked, Verdict
from gateway.errors import GatewayError
from network.connection import Profile
from network.topology import Consortium

PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Witness:
    """What one organisation's peer showed: its block's hash at our last height, "" if none, and its height.

    A height beyond ours stands for the next block; `error` says why nothing was shown or what was wrong with it.
    """

    organisation: str
    hash: str = ""
    height: int = 0
    error: str = ""


async def ask(profile: Profile, consortium: Consortium, config: ChannelConfig, verdict: Verdict) -> list[Witness]:
    """Ask a peer of every organisation for the chain's last block and the one after it."""
    asked = [
        _ask(profile, organisation.name, [peer.address for peer in organisation.peers], config, verdict)
        for organisation in consortium.peer_organisations
        if organisation.peers
    ]
    return list(await asyncio.gather(*asked))


async def _ask(
    profile: Profile, organisation: str, addresses: Sequence[str], config: ChannelConfig, verdict: Verdict
) -> Witness:
    root = profile.tls_roots[organisation]
    asked = replace(profile, peers=tuple((address, root) for address in addresses))
    blocks: list[common_pb2.Block] = []
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), asked.gateway() as gateway:
            stream = gateway.network(profile.channel).block_events(start_block=verdict.height - 1)
            try:
                blocks.append(await anext(stream))
                with suppress(TimeoutError, StopAsyncIteration):
                    blocks.append(await asyncio.wait_for(anext(stream), QUIET_SECONDS))
            finally:
                await stream.aclose()
    except (TimeoutError, StopAsyncIteration):
        if not blocks:
            return Witness(organisation, error="it did not answer in time")
    except (GatewayError, OSError) as error:
        return Witness(organisation, error=str(error))
    return weigh(organisation, blocks, config, verdict)


def weigh(organisation: str, blocks: Sequence[common_pb2.Block], config: ChannelConfig, verdict: Verdict) -> Witness:
    """Return what a peer's blocks show, from the last one verified here on.

    Whatever differs from this chain or goes beyond it counts only with the orderers' signatures: otherwise any one
    organisation could make an honest chain look forked or cut.
    """
    first, *beyond = blocks
    digest = header_hash(first.header).hex()
    try:
        if digest != verdict.last_hash:
            _signed(first, config, verdict.height - 1)
        for block in beyond:
            _signed(block, config, verdict.height)
            if block.header.previous_hash.hex() != digest:
                return Witness(organisation, error="its blocks do not follow one another")
    except (OrdererError, WireError) as error:
        return Witness(organisation, error=f"it shows a block that is none of the orderers': {error}")
    return Witness(organisation, digest, verdict.height + len(beyond))


def _signed(block: common_pb2.Block, config: ChannelConfig, number: int) -> None:
    if block.header.number != number or not number:
        raise WireError(f"it is not block {number}")
    check_signatures(config, block)


def judge(verdict: Verdict, witnesses: Sequence[Witness], own: str) -> None:
    """Put into the verdict what the witnesses say of the chain's end; `own` names the auditor's organisation."""
    verdict.unchecked[:] = [f for f in verdict.unchecked if f.code != Rule.HEIGHT.value]
    last, others = verdict.height - 1, [w for w in witnesses if w.organisation != own]
    need = max(0, len(witnesses) - 1) // 3 + 1
    forked = [w.organisation for w in witnesses if w.hash and w.hash != verdict.last_hash]
    ahead = [w for w in others if w.hash == verdict.last_hash and w.height > verdict.height]
    level = [w for w in others if w.hash == verdict.last_hash]
    if forked:
        verdict.failed_rule(Rule.HEIGHT, f"another block stands there at {', '.join(sorted(forked))}", last)
    elif ahead:
        _beyond(verdict, ahead, witnesses, own)
    elif len(level) >= need:
        verdict.held_rule(Rule.HEIGHT, len(level))
    else:
        silent = ", ".join(sorted(_excuse(w) for w in others if w not in level)) or "nobody"
        verdict.leave(Unchecked.FEW_WITNESSES, level=len(level), need=need, silent=silent)


def _excuse(witness: Witness) -> str:
    return f"{witness.organisation} ({witness.error})" if witness.error else witness.organisation


def _beyond(verdict: Verdict, ahead: Sequence[Witness], witnesses: Sequence[Witness], own: str) -> None:
    """Tell a folder that is merely older than its peer from a peer that withholds the chain's end."""
    furthest = max(ahead, key=lambda w: w.height)
    mine = max((w.height for w in witnesses if w.organisation == own), default=0)
    if mine > verdict.height:
        verdict.leave(Unchecked.OLD_FOLDER, height=verdict.height, own=own)
    else:
        text = f"{furthest.organisation} holds block {furthest.height - 1}, {own}'s peer does not give it"
        verdict.failed_rule(Rule.HEIGHT, text, verdict.height)
