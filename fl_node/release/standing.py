"""A node that signs for its organisation, by itself, what a vote released or withdrew and it has found to be so."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from fedledger_passport.errors import PassportError
from fl_node import codes
from fl_node.errors import NodeError, reported
from fl_node.ledger.client import Ledger, LedgerError
from fl_node.metrics import Health
from fl_node.release.evidence import ReadBlob
from fl_node.release.releasing import RELEASE, WITHDRAWN, sign_release
from network import contract_codes

log = structlog.get_logger("node")
LOOK_S: Final = 10.0
"""How often releases are looked for; a vote on one is rare, and nobody waits for a signature."""
SIGNATURES: Final = {RELEASE: "signatures", WITHDRAWN: "withdrawal_signatures"}
REFUSALS: Final = frozenset({codes.RELEASE_DIFFERS, codes.NOT_WITHDRAWN, codes.FILES_NOT_MADE})
"""What is not so does not become so, and a node executes nobody's source: it is looked at again when it starts anew."""


@dataclass
class Standing:
    """The policy to sign, over the node's own connection.

    Attributes:
        ledger: The own peer's.
        read: Reads plans and states.
        health: Told of what was not signed.
    """

    ledger: Ledger
    read: ReadBlob
    health: Health
    _done: set[tuple[str, str]] = field(default_factory=set)

    async def run(self) -> None:
        """Sign until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001  # an odd answer, even of our own peer, must not end it
                log.warning("releases cannot be looked at", **reported(error))
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Look through all releases once."""
        try:
            listed = await self.ledger.everything("ListReleases")
        except LedgerError as error:
            if error.code == contract_codes.UNKNOWN_FUNCTION:  # rules of before releases
                return
            raise
        for one in listed:
            about = WITHDRAWN if one["withdrawn"] else RELEASE
            if (one["release"], about) not in self._done:
                await self._sign(one["release"], about)

    async def _sign(self, release: str, about: str) -> None:
        view: dict[str, Any] = await self.ledger.query("GetRelease", release=release)
        if self.ledger.profile.msp_id not in view[SIGNATURES[about]]:
            try:
                await sign_release(self.ledger, release, about, self.read)
            except (NodeError, PassportError) as error:
                if isinstance(error, NodeError) and error.code not in REFUSALS:
                    raise
                self.health.note(f"release {release}", error.message)
                log.warning("a release is not signed", release=release, about=about, code=error.code, why=error.message)
            else:
                log.info("signed a release", release=release, about=about)
        self._done.add((release, about))
