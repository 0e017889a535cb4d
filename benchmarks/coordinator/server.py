"""The coordinator: the federation's rules behind TLS, each accepted transaction in PostgreSQL before its answer.

    PYTHON benchmarks/coordinator/server.py CONFIGURATION.json

PYTHON has psycopg. The rules are `chaincode/cmd/replay`, those that endorsing peers run. A request is one line, {"id",
"function", "argument", "commit"}; the answer {"id", "result", "error"} may be followed by {"event", "payload"} to
everybody. Only who has a TLS certificate of the consortium gets in, and says there whose transactions it sends.
"""

import asyncio
import base64
import json
import secrets
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

MOST = 64 << 20
TABLES = """
create table if not exists state (key text primary key, value text);
create table if not exists log (number bigserial primary key, txid text, function text, argument jsonb, caller text);
"""
PUT = "insert into state values (%s, %s) on conflict (key) do update set value = excluded.value"


class Coordinator:
    """Takes one transaction after the other."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._writers: set[asyncio.StreamWriter] = set()
        self._turn = asyncio.Lock()
        self._number = 0

    async def run(self) -> None:
        """Serve until the process is ended."""
        self._rules = await asyncio.create_subprocess_exec(
            self._settings["rules"], stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=MOST
        )
        await self._say({"state": [], "blobs": self._settings["blobs"]})
        self._database = await psycopg.AsyncConnection.connect(self._settings["database"], autocommit=True)
        await self._database.execute(TABLES)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self._settings["callers"])
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self._settings["certificate"])
        server = await asyncio.start_server(self._serve, "127.0.0.1", self._settings["port"], ssl=context, limit=MOST)
        async with server:
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = json.loads(await reader.readline())
        self._writers.add(writer)
        try:
            while line := await reader.readline():
                request = json.loads(line)
                answer, event = await self._answer(caller, request)
                self._tell(writer, {"id": request["id"], **answer})
                for each in list(self._writers) if event else ():
                    self._tell(each, event)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, caller: dict[str, str], request: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        args = [_text(request["function"].encode()), _text(request["argument"].encode())]
        async with self._turn:
            if not request["commit"]:
                said = await self._ask({"evaluate": True, "channel": self._settings["channel"], "args": args})
                return {"result": said["result"], "error": said["error"] or ""}, {}
            self._number += 1
            txid = secrets.token_hex(32)
            transaction = {
                "txid": txid,
                "timestamp_ms": time.time_ns() // 1_000_000,
                "channel": self._settings["channel"],
                "chaincode": self._settings["chaincode"],
                "creator": caller,
                "args": args,
                "block": self._number,
                "index": 0,
            }
            said = await self._ask(transaction)
            if said["error"]:
                return {"result": "", "error": said["error"]}, {}
            if said["writes"]:
                await self._commit(txid, request, caller["msp_id"], said["writes"])
        event = {"event": said["event"][0], "payload": said["event"][1]} if said["event"] else {}
        return {"result": said["response"] or "", "error": ""}, event

    async def _commit(self, txid: str, request: dict[str, Any], caller: str, writes: list[list[str | None]]) -> None:
        async with self._database.transaction(), self._database.cursor() as cursor:
            await cursor.execute(
                "insert into log (txid, function, argument, caller) values (%s, %s, %s, %s)",
                (txid, request["function"], request["argument"], caller),
            )
            put = [(_text((key or "").encode()), value) for key, value in writes if value is not None]
            if put:
                await cursor.executemany(PUT, put)
            for key in (_text((key or "").encode()) for key, value in writes if value is None):
                await cursor.execute("delete from state where key = %s", (key,))

    async def _ask(self, line: dict[str, Any]) -> dict[str, Any]:
        await self._say(line)
        assert self._rules.stdout
        return dict(json.loads(await self._rules.stdout.readline()))

    async def _say(self, line: dict[str, Any]) -> None:
        assert self._rules.stdin
        self._rules.stdin.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        await self._rules.stdin.drain()

    @staticmethod
    def _tell(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
        writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


if __name__ == "__main__":
    asyncio.run(Coordinator(json.loads(Path(sys.argv[1]).read_text())).run())
