"""A node's client of the coordinator: the same functions as the ledger's, over one connection."""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fl_node.canonical import canonical_json
from fl_node.journal.egress import EgressLog
from fl_node.ledger.client import Endorsed, Ledger, LedgerError
from fl_node.ledger.records import Plan
from network.connection import Profile

PLACE = "FEDLEDGER_COORDINATOR"
"""The variable that names the file with where the coordinator is."""
MOST = 64 << 20


@dataclass(frozen=True)
class Event:
    """What the rules said to everybody."""

    name: str
    payload: bytes


class Unendorsed(Endorsed):
    """A transaction that nobody need endorse: it is asked for when it is to be committed."""

    def __init__(self, commit: Callable[[], Awaitable[Any]]) -> None:
        """Wait to be told."""
        self.answer = {}
        self._commit = commit

    async def committed(self) -> bool:
        """Commit it; LedgerError where it is refused."""
        await self._commit()
        return True


class Coordinated(Ledger):
    """The contract's functions, asked of the coordinator in the place of peers and orderers."""

    def __init__(self, own: Profile, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Begin on an open connection; `network` is this object too: it has the one method that is asked of it."""
        self.profile, self.answering = own, ()
        self.network = self  # type: ignore[assignment]
        self._reader, self._writer = reader, writer
        self._plans: dict[str, Plan] = {}
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._listeners: set[asyncio.Queue[Event]] = set()

    async def query(self, function: str, *, organisations: tuple[str, ...] = (), **arguments: Any) -> Any:
        """Evaluate a query; LedgerError where it is refused."""
        del organisations
        return await self._called(function, arguments, commit=False)

    async def submit(
        self, function: str, *, organisations: tuple[str, ...] = (), patient: bool = True, **arguments: Any
    ) -> Any:
        """Commit a transaction; LedgerError where it is refused."""
        del organisations, patient
        return await self._called(function, arguments, commit=True)

    async def endorsed(self, function: str, **arguments: Any) -> Endorsed:
        """Return what commits a transaction."""
        return Unendorsed(partial(self._called, function, arguments, commit=True))

    async def move(self, function: str, **arguments: Any) -> bool:
        """Commit what any node may; tell whether it moved."""
        answer = await self._called(function, arguments, commit=True)
        return answer.get("moved") is not False

    async def chaincode_events(self, chaincode: str) -> AsyncIterator[Event]:
        """Yield what the rules say from now on."""
        del chaincode
        queue: asyncio.Queue[Event] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    async def listen(self) -> None:
        """Take answers and events in, for as long as the connection stands."""
        while line := await self._reader.readline():
            message = json.loads(line)
            if "event" in message:
                event = Event(message["event"], base64.b64decode(message["payload"] or ""))
                for queue in self._listeners:
                    queue.put_nowait(event)
            elif waiting := self._waiting.pop(message["id"], None):
                waiting.set_result(message)

    async def _called(self, function: str, arguments: dict[str, Any], *, commit: bool) -> Any:
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        request = {"id": number, "function": function, "argument": canonical_json(arguments).decode(), "commit": commit}
        self._writer.write(json.dumps(request, separators=(",", ":")).encode() + b"\n")
        said = await answer
        if said["error"]:
            raise LedgerError(said["error"][:6], said["error"][8:], where=function)
        return json.loads(base64.b64decode(said["result"]) or b"{}")


class NoWitnesses:
    """There is one coordinator, and everybody believes it."""

    def __init__(self, *_: object) -> None:
        """Take what the real one takes."""

    async def confirm(self, *_: object) -> None:
        """Believe it."""


@contextlib.asynccontextmanager
async def open_coordinated(
    own: Profile, egress: EgressLog | None = None, answering: tuple[str, ...] = ()
) -> AsyncIterator[Coordinated]:
    """Connect to the coordinator as a user of an organisation, in the place of `open_ledger`."""
    del egress, answering
    port, context = _reached(own)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=MOST)
    writer.write(json.dumps({"msp_id": own.msp_id, "cert_pem": own.cert_pem.decode()}).encode() + b"\n")
    ledger = Coordinated(own, reader, writer)
    listener = asyncio.create_task(ledger.listen())
    try:
        yield ledger
    finally:
        listener.cancel()
        writer.close()


def _reached(own: Profile) -> tuple[int, ssl.SSLContext]:
    """Return the coordinator's port and a context with the user's TLS certificate."""
    place = json.loads(Path(os.environ[PLACE]).read_text())
    context = ssl.create_default_context(cafile=place["certificate"])
    pair = Path(place["folder"]) / f"{own.organisation}-{os.getpid()}.pem"
    pair.touch(mode=0o600)
    pair.write_bytes(own.tls_client_cert_pem + own.tls_client_key_pem)
    context.load_cert_chain(pair)
    return int(place["port"]), context
