"""What the organisation's node has seen of attempts, told to other members: they confirm their own peers' word with it.

A node asks f other organisations before it gives anything away that their word could make harmful (round.witnesses).
Their nodes know already what they would ask their peers for.

GET /rounds/{training}/{round}/{attempt}?phase=P&wait_ms=M
                members; ledger.settled.Settled as JSON, as soon as the node has seen the phase or after M ms
"""

import asyncio
import contextlib
from typing import Final, get_args

import aiohttp
from aiohttp import web

from fl_node import codes
from fl_node.blobs.callers import caller
from fl_node.blobs.client import HTTP_OK, BlobClient
from fl_node.blobs.responses import MOST_SAID, bounded
from fl_node.blobs.tls import Trust
from fl_node.blobs.words_service import identifier, number
from fl_node.errors import NodeError
from fl_node.ledger.records import Phase, Round
from fl_node.ledger.settled import REACHED, Settled, settled

PATH: Final = "/rounds/{training}/{round}/{attempt}"
MOST_SEEN: Final = 64
"""Attempts that are remembered, the newest: more are hardly under way at a time."""
MOST_WAIT_MS: Final = 2000
WAIT_MS: Final = 500
"""How long another's node is given to see a phase that ours has seen."""
ANSWER_S: Final = 2.0
"""How long a service may take with its answer: then its organisation's peer is asked."""
PHASES: Final = get_args(Phase)


class Seen:
    """The newest view of each attempt; for one event loop."""

    def __init__(self) -> None:
        self._views: dict[str, Round] = {}
        self._settled: dict[str, Settled] = {}  # of those that somebody asked for
        self._changed = asyncio.Event()

    def put(self, view: Round) -> None:
        """Remember an attempt as the ledger shows it now."""
        self._views.pop(view.name, None)
        self._settled.pop(view.name, None)
        self._views[view.name] = view
        while len(self._views) > MOST_SEEN:
            oldest = next(iter(self._views))
            del self._views[oldest]
            self._settled.pop(oldest, None)
        self._changed.set()
        self._changed = asyncio.Event()

    async def of(self, name: str, phase: Phase, seconds: float) -> Settled | None:
        """Return what is settled in an attempt, as soon as it was seen in a phase or a later one, or after a while.

        None: it was not seen at all.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._reached(name, phase):
                    await self._changed.wait()
        if name in self._views and name not in self._settled:
            self._settled[name] = settled(self._views[name])
        return self._settled.get(name)

    def _reached(self, name: str, phase: Phase) -> bool:
        view = self._views.get(name)
        return view is not None and (view.phase not in REACHED or PHASES.index(view.phase) >= PHASES.index(phase))


class SeenService:
    """The service's side; `routes()` gives what aiohttp runs."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self.seen = Seen()

    def routes(self) -> list[web.RouteDef]:
        """Return where attempts are asked for."""
        return [web.get(PATH, self.get, allow_head=False)]

    async def get(self, request: web.Request) -> web.Response:
        """Tell a member what is settled in an attempt."""
        caller(request, self._trust, {"member"})
        named = (identifier(request, "training"), *(number(request.match_info[each]) for each in ("round", "attempt")))
        phase, wait_ms = request.query.get("phase", PHASES[0]), number(request.query.get("wait_ms", "0"))
        if phase not in PHASES:
            raise NodeError(codes.INPUT_UNUSABLE, "this is no phase", hint=f"Phases are {', '.join(PHASES)}.")
        name = "/".join(map(str, named))
        found = await self.seen.of(name, phase, min(wait_ms, MOST_WAIT_MS) / 1000)
        if found is None:
            raise NodeError(codes.BLOB_MISSING, "this attempt was not seen here", where=name)
        return web.Response(text=found.model_dump_json(), content_type="application/json")


async def seen_by(client: BlobClient, organisation: str, view: Round) -> Settled | None:
    """Return what an organisation's node has seen of an attempt; None: its service does not say.

    Raises:
        NodeError: FL4007, the question cannot be logged.
    """
    path = f"/rounds/{view.name}?phase={view.phase}"
    if client.egress:
        client.egress.query(organisation, "Settled", path.encode())
    try:
        url, line = f"{client.url(organisation)}{path}&wait_ms={WAIT_MS}", client.spare(organisation)
        async with asyncio.timeout(ANSWER_S), client.call("GET", organisation, url, line=line) as response:
            said = await bounded(response, MOST_SAID)
            return Settled.model_validate_json(said or b"") if response.status == HTTP_OK else None
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None
