"""What a synthetic node does wrong when its environment asks for it; each change is to the process's own code."""

import os
import time
from pathlib import Path

import structlog

from fl_node.ledger.records import Round
from fl_node.node import readiness
from fl_node.round.masking import Attempt
from fl_node.round.proposing import Proposing
from fl_node.secagg import dealing
from fl_node.secagg.layout import Layout
from tests.faults import adversary
from tests.faults.adversary import MIDDLE

log = structlog.get_logger("adversary")


def commit() -> None:
    """Change this process as CLOCK, COMPLAINS_OF, GARBLES_FOR, NEVER_ATTESTS, NEVER_UPDATES and ATTACK say."""
    if clock := os.environ.get("CLOCK"):
        set_clock(Path(clock))
    if dealer := os.environ.get("COMPLAINS_OF"):
        complain_of(dealer)
    if receiver := os.environ.get("GARBLES_FOR"):
        garble_for(receiver)
    if os.environ.get("NEVER_ATTESTS"):
        never_attest()
    if os.environ.get("NEVER_UPDATES"):
        never_update()
    if path := os.environ.get("ATTACK"):
        attack(Path(path))


def set_clock(path: Path) -> None:
    """Let this process's clock be off by as many seconds as the file says, whenever it is read."""
    right = time.time_ns

    def off_ns() -> int:
        return right() + int(path.read_text()) * 10**9

    time.time_ns = off_ns
    time.time = lambda: off_ns() / 1e9
    readiness.wall_clock = time.time


def complain_of(dealer: str) -> None:
    """Complain about a dealer's share, whatever it is like."""
    receive = Attempt._receive_sealed

    async def and_complain(self: Attempt, view: Round, dealers: list[str]) -> None:
        await receive(self, view, dealers)
        if dealer in dealers:
            await self._complain(view, dealer)

    Attempt._receive_sealed = and_complain


def garble_for(receiver: str) -> None:
    """Seal something else than the share for one receiver."""
    seal = dealing.seal

    def garbled(session: bytes, ends: tuple[str, str], *rest: object) -> bytes:
        sealed = seal(session, ends, *rest)
        return bytes(len(sealed)) if ends[1] == receiver else sealed

    dealing.seal = garbled


def never_attest() -> None:
    """Compute no state that another has proposed, as a machine that is too slow."""

    async def too_slow(*_: object) -> None:
        pass

    Proposing.attest = too_slow


def never_update() -> None:
    """Send no update, as a participant that drops out once the shares are dealt."""

    async def silent(*_: object) -> None:
        pass

    Attempt.commit_update = silent


def attack(path: Path) -> None:
    """Send what a program of `tests/adversary` sends: the one whose name the file holds, none where it is empty."""
    commit = Attempt.commit_update

    async def attacked(self: Attempt, view: Round, vector: bytes, examples: int) -> None:
        if name := path.read_text():  # noqa: ASYNC240  # a word
            layout = Layout.from_fields((await self.node.ledger.plan(view.plan)).layout)
            sent = bytearray(vector)
            words = layout.segment("values").view(sent)
            words[:] = MIDDLE + adversary.update(name, self.node.me, view.groups, len(words))
            vector = bytes(sent)
            log.info("attacked", attempt=view.name, by=name)
        await commit(self, view, vector, examples)

    Attempt.commit_update = attacked
