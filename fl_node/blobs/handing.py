"""The client of words: hands them to a carrier's blob service, and asks the own organisation's for them."""

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp

from fl_node import codes
from fl_node.blobs.client import HTTP_ACCEPTED, HTTP_OK, BlobClient
from fl_node.blobs.responses import bounded, reason, refusal
from fl_node.blobs.words import ANSWERED, Turn, Word, Words
from fl_node.errors import NodeError

HAND_S: Final = 2.0
"""A carrier that does not take a word within this time, at the ledger's pace, is none: its speaker submits it."""
ASK_S: Final = 5.0
"""How long the own service may take beyond the time that it was asked to wait."""
ASKED_AT_ONCE: Final = 8
"""Questions to the own service that wait at once: one for each attempt that this node carries at a time."""
MOST_ANSWER: Final = 2 * ANSWERED


class Handing:
    """Speaks of words over the connections of a BlobClient; a question that waits for seconds has a line of its own."""

    def __init__(self, client: BlobClient, own: str, here: Words | None = None) -> None:
        """Prepare to speak.

        Args:
            client: Open while this is used; what it logs of what leaves, this logs too.
            own: The caller's organisation, whose service is asked for words.
            here: The words of that service where this process runs it: then nobody is called for them.
        """
        self._client = client
        self._own = own
        self._here = here
        self._asked = asyncio.Semaphore(ASKED_AT_ONCE)

    async def hand(self, organisation: str, path: str, word: Mapping[str, str], pace: float = 1.0) -> None:
        """Hand a word to an organisation's service, which keeps it for its carrier.

        Args:
            organisation: The carrier's.
            path: training/round/attempt/function/participant.
            word: `proposal` and `signature`, in base64; `blob`, the digest of what was left to the carrier with it.
            pace: How many times longer than usual things take (round.pace): the carrier's machine may be as busy.

        Raises:
            NodeError: FL4008, the service does not take it in time; FL4705, FL4001 …, it refuses; FL4007, it cannot
                be logged.
        """
        if self._here and organisation == self._own:
            *turn, speaker = path.split("/")
            said = Word(organisation, speaker, word["proposal"], word["signature"], blob=word.get("blob", ""))
            self._here.put(_turn(turn), said)
            return
        try:
            async with asyncio.timeout(HAND_S * pace):
                await self._hand(organisation, path, word)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _silent(organisation, reason(error)) from None

    async def words(self, path: str, count: int, wait_ms: int) -> list[Word]:
        """Return the words that the own organisation's service has, in order of arrival.

        Args:
            path: training/round/attempt/function.
            count: The service answers as soon as it has so many (1 to 1024) …
            wait_ms: … or after so long (at most 5,000 ms), with those that it has.

        Raises:
            NodeError: FL4008, the service does not answer; FL4705, FL4001, it refuses.
        """
        if self._here:
            turn = _turn(path.split("/"))
            await self._here.wait(turn, count, wait_ms / 1000)
            return self._here.of(turn)
        within = wait_ms / 1000 + ASK_S
        try:
            url = f"{self._client.url(self._own)}/words/{path}?count={count}&wait_ms={wait_ms}"
            async with self._client.call("GET", self._own, url, within=within, line=self._asked) as response:
                if response.status != HTTP_OK:
                    raise NodeError(*await refusal(response), where=self._own)
                return _read(await bounded(response, MOST_ANSWER))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _silent(self._own, reason(error)) from None

    async def _hand(self, organisation: str, path: str, word: Mapping[str, str]) -> None:
        url = f"{self._client.url(organisation)}/words/{path}"
        if self._client.egress:
            function = path.split("/")[-2]
            self._client.egress.word(organisation, function, base64.b64decode(word["proposal"]))
        line = self._client.spare(organisation)
        async with self._client.call("POST", organisation, url, line=line, json=dict(word)) as response:
            if response.status != HTTP_ACCEPTED:
                raise NodeError(*await refusal(response), where=organisation)


def _turn(parts: Sequence[str]) -> Turn:
    training, number, attempt, function = parts
    return Turn(training, int(number), int(attempt), function)


def _read(answer: bytes | None) -> list[Word]:
    """Return the words of an answer; ValueError where it is none."""
    try:
        return [
            Word(
                str(each["organisation"]),
                str(each["participant"]),
                str(each["proposal"]),
                str(each["signature"]),
                int(each["age_ms"]),
                str(each["blob"]),
            )
            for each in json.loads(answer or b"")["words"]
        ]
    except (KeyError, TypeError, RecursionError):
        raise ValueError("this is no answer") from None


def _silent(organisation: str, problem: str) -> NodeError:
    return NodeError(
        codes.BLOB_SERVICE_SILENT, f"the blob service of {organisation} takes or gives no words: {problem}"
    )
