"""Whether a chain's end is the end: what other organisations' peers hold at the same height and beyond.

Blocks alone cannot show that later ones were withheld. Of n organisations f = (n-1)//3 may lie, so that f+1 that agree
with one's own folder include an honest one.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from audit.fetch import QUIET_SECONDS
from audit.verdict import Rule, Verdict
from audit.wire import header_hash
from gateway import Endpoint, Identity, Signer, connect
from gateway.errors import GatewayError
from network.connection import Profile
from network.topology import Consortium

PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Witness:
    """What one organisation's peer answered: its block's hash at our last height, "" if none, and its height."""

    organisation: str
    hash: str = ""
    height: int = 0
    error: str = ""


async def ask(profile: Profile, consortium: Consortium, height: int) -> list[Witness]:
    """Ask a peer of every organisation for the block at `height` - 1 and the blocks after it."""
    asked = [
        _ask(profile, organisation.name, organisation.peers[0].address, height)
        for organisation in consortium.peer_organisations
        if organisation.peers
    ]
    return list(await asyncio.gather(*asked))


async def _ask(profile: Profile, organisation: str, address: str, height: int) -> Witness:
    endpoint = Endpoint(address, root_certificates=profile.tls_roots[organisation])
    identity, signer = Identity(profile.msp_id, profile.cert_pem), Signer.from_pem(profile.key_pem)
    digest, reached = "", 0
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), connect([endpoint], identity, signer) as gateway:
            stream = gateway.network(profile.channel).block_events(start_block=height - 1)
            try:
                while True:
                    try:
                        block = await asyncio.wait_for(anext(stream), QUIET_SECONDS)
                    except (TimeoutError, StopAsyncIteration):
                        break
                    digest = digest or header_hash(block.header).hex()
                    reached = block.header.number + 1
            finally:
                await stream.aclose()
    except TimeoutError:
        return Witness(organisation, digest, reached, "" if digest else "it did not answer in time")
    except (GatewayError, OSError) as error:
        return Witness(organisation, error=str(error))
    return Witness(organisation, digest, reached)


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
        silent = ", ".join(sorted(w.organisation for w in others if w not in level)) or "nobody"
        text = f"{len(level)} other organisations hold this last block, {need} are needed; not heard: {silent}"
        verdict.unchecked_rule(Rule.HEIGHT, text)


def _beyond(verdict: Verdict, ahead: Sequence[Witness], witnesses: Sequence[Witness], own: str) -> None:
    """Tell a folder that is merely older than its peer from a peer that withholds the chain's end."""
    furthest = max(ahead, key=lambda w: w.height)
    mine = max((w.height for w in witnesses if w.organisation == own), default=0)
    if mine > verdict.height:
        text = f"this folder ends before block {verdict.height}; {own}'s own peer stands at {mine}: fetch again"
        verdict.unchecked_rule(Rule.HEIGHT, text)
    else:
        text = f"{furthest.organisation} holds blocks up to {furthest.height - 1}, {own}'s peer does not give them"
        verdict.failed_rule(Rule.HEIGHT, text, verdict.height)
