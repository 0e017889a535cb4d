"""The part of the blob service that takes words from members and gives them to its own organisation's carrier."""

import asyncio
import base64
import re
from collections import defaultdict
from typing import Any, Final

from aiohttp import web

from fl_node import codes
from fl_node.blobs.callers import arriving, caller
from fl_node.blobs.metadata import DIGEST
from fl_node.blobs.responses import bounded
from fl_node.blobs.tls import Trust
from fl_node.blobs.words import FUNCTIONS, Turn, Word, Words
from fl_node.canonical import CanonicalError, decode_strict
from fl_node.errors import NodeError

TURN: Final = "/words/{training}/{round}/{attempt}/{function}"
IDENTIFIER: Final = re.compile(r"[a-z0-9-]{1,40}")
"""A training or a participant, as the contract takes them (chaincode/ledger/check.go)."""
NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,9}")
"""In one form only, so that two ways to write a number are not two places to keep a word."""
MOST_BODY: Final = 512 << 10
PARTS: Final = ("proposal", "signature")
MOST_COUNT: Final = 1024
"""Words of one transaction."""
MOST_WAIT_MS: Final = 5000
AT_ONCE: Final = 16
"""Words of one organisation read at once: its next wait, another's do not; memory stays near 8 MiB a member."""
GONE_S: Final = 0.2
"""How soon it is noticed that who waits has gone: aiohttp does not tell a handler."""


class WordsService:
    """Handlers over the words of one organisation's service; `routes()` gives what aiohttp runs."""

    def __init__(self, owner: str, trust: Trust, words: Words | None = None) -> None:
        self._owner = owner
        self._trust = trust
        self.words = words or Words()
        self._reading: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))

    def routes(self) -> list[web.RouteDef]:
        """Return where words are handed in and asked for."""
        return [
            web.post(f"{TURN}/{{participant}}", self.post),
            web.get(TURN, self.get, allow_head=False),
        ]

    async def post(self, request: web.Request) -> web.Response:
        """Take a word from a member."""
        organisation = caller(request, self._trust, {"member"})
        turn, participant = _turn(request), identifier(request, "participant")
        if (request.content_length or 0) > MOST_BODY:
            raise _too_large()
        async with self._reading[organisation]:
            body = await arriving(bounded(request, MOST_BODY), "word")
            if body is None:
                raise _too_large()
            proposal, signature, blob = _parts(body)
        self.words.put(turn, Word(organisation, participant, proposal, signature, blob=blob))
        return web.Response(status=202)

    async def get(self, request: web.Request) -> web.Response:
        """Give the words of a turn to the own organisation, as soon as they are as many as it wants."""
        if caller(request, self._trust, {"member"}) != self._owner:
            hint = "A carrier asks the service of its own organisation."
            raise NodeError(codes.CALLER_REFUSED, "words are given to the service's own organisation", hint=hint)
        turn = _turn(request)
        count, wait_ms = number(request.query.get("count", "1")), number(request.query.get("wait_ms", "0"))
        if not 1 <= count <= MOST_COUNT:
            raise _unusable(f"count is 1 to {MOST_COUNT}")
        await self._while_there(request, turn, count, min(wait_ms, MOST_WAIT_MS) / 1000)
        return web.json_response({"words": [vars(word) for word in self.words.of(turn)]})

    async def stop(self, _: web.Application) -> None:
        """Answer all who wait, so that the service ends in good time."""
        self.words.wake()

    async def _while_there(self, request: web.Request, turn: Turn, count: int, seconds: float) -> None:
        """Wait for words while who asked is still connected."""
        waiting = asyncio.create_task(self.words.wait(turn, count, seconds))
        try:
            while not waiting.done() and request.transport and not request.transport.is_closing():
                await asyncio.wait({waiting}, timeout=GONE_S)
        finally:
            waiting.cancel()


def _turn(request: web.Request) -> Turn:
    """Return the turn that a path names; FL4001 where it names none."""
    training, function = identifier(request, "training"), request.match_info["function"]
    if function not in FUNCTIONS:
        raise _unusable("nobody speaks so in a round", hint=f"Words are calls of {', '.join(FUNCTIONS)}.")
    return Turn(training, number(request.match_info["round"]), number(request.match_info["attempt"]), function)


def identifier(request: web.Request, name: str) -> str:
    """Return a training's or a participant's name in a path; FL4001 where it is none."""
    text = request.match_info[name]
    if not IDENTIFIER.fullmatch(text):
        raise _unusable(f"this is no {name}", hint="It has 1 to 40 characters of a-z, 0-9 and '-'.")
    return text


def number(text: str) -> int:
    """Return a whole number of a path or query; FL4001 where it is none."""
    if not NUMBER.fullmatch(text):
        raise _unusable("this is no number", hint="Round, attempt, count and wait_ms are decimal, without a sign.")
    return int(text)


def _parts(body: bytes) -> tuple[str, str, str]:
    """Return a word's proposal and signature, in base64, and its blob's digest; FL4001 where the body is no word."""
    try:
        said = decode_strict(body)
    except CanonicalError:
        raise _no_word() from None
    if not isinstance(said, dict) or sorted({*said, "blob"}) != sorted((*PARTS, "blob")):
        raise _no_word()
    proposal, signature, blob = (said.get(name, "") for name in (*PARTS, "blob"))
    named = "blob" not in said or (isinstance(blob, str) and DIGEST.fullmatch(blob))
    if not (named and _is_base64(proposal) and _is_base64(signature)):
        raise _no_word()
    return proposal, signature, blob


def _is_base64(value: Any) -> bool:
    """Tell whether a value is bytes in base64, some and in the one form that every reader takes."""
    try:
        return bool(value) and base64.b64encode(base64.b64decode(value, validate=True)).decode() == value
    except (TypeError, ValueError):
        return False


def _no_word() -> NodeError:
    hint = 'A word is {"proposal": …, "signature": …}, both in base64, and may name a "blob" by its digest.'
    return _unusable("this is no word", hint=hint)


def _unusable(message: str, hint: str = "") -> NodeError:
    return NodeError(codes.INPUT_UNUSABLE, message, hint=hint)


def _too_large() -> NodeError:
    return NodeError(
        codes.BLOB_TOO_LARGE, f"a word has at most {MOST_BODY} bytes", hint="Its speaker submits it by itself."
    )
