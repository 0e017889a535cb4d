"""An attacker of every member's blob service, as a process of its own: `python -m tests.faults.flood RUN SECONDS`.

Against each service, from addresses of the attacker's own: 500 connections that say nothing and 500 with a member's
certificate that say nothing, opened anew when they are cut; readers that do not read and writers that do not write;
handshakes without end. It prints what it holds when everything has been opened once, and ends by itself.
"""

import asyncio
import contextlib
import itertools
import json
import os
import ssl
import sys
from collections import Counter
from pathlib import Path

from fl_node.blobs import tls
from network.connection import consortium_of
from tests.believing import channel_of

IDLE, SLOW, PARALLEL = 500, 10, 20
PAUSE_S = 0.5
ACCOMPLICE = "hospital-d"
Where = tuple[str, int]


class Attacker:
    def __init__(self, run: Path) -> None:
        self.run = run
        self.done: Counter[str] = Counter()
        self._sources = itertools.cycle(f"127.0.1.{number}" for number in range(2, 250))
        self._changed = asyncio.Condition()
        self._opening = asyncio.Semaphore(PARALLEL)
        self._strange = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._strange.check_hostname, self._strange.verify_mode = False, ssl.CERT_NONE
        self._contexts = tls.calling(run, ACCOMPLICE, "client", channel_of(run))

    async def attack(self, organisation: str, where: Where) -> None:
        member = self._contexts(organisation)
        write = f"PUT /blobs/{0:064x} HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n".encode()
        read = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 1000
        work = [self._hold("silent", where, None, b"") for _ in range(IDLE)]
        work += [self._hold("member", where, member, b"") for _ in range(IDLE)]
        work += [self._hold("writer", where, member, write) for _ in range(SLOW)]
        work += [self._hold("reader", where, member, read) for _ in range(SLOW)]
        work += [self._hold("flood", where, self._strange, b"", 0.02) for _ in range(SLOW)]
        await asyncio.gather(*work)

    async def begun(self, number: int) -> None:
        """Wait until as many silent connections of either kind have been opened."""
        async with self._changed:
            await self._changed.wait_for(lambda: min(self.done["silent"], self.done["member"]) >= number)

    async def _hold(
        self, kind: str, where: Where, context: ssl.SSLContext | None, sent: bytes, pause_s: float = PAUSE_S
    ) -> None:
        """Open a connection, say something and wait until it is cut; again and again."""
        options = {"ssl": context, "server_hostname": where[0]} if context else {}
        while True:
            with contextlib.suppress(OSError):
                async with self._opening:
                    source = (next(self._sources), 0)
                    reader, writer = await asyncio.open_connection(*where, local_addr=source, **options)
                self.done[kind] += 1
                async with self._changed:
                    self._changed.notify_all()
                writer.write(sent)
                if kind == "reader":
                    writer.transport.pause_reading()  # type: ignore[attr-defined]
                    await asyncio.sleep(60)
                while await reader.read(1 << 16):
                    pass
                writer.transport.abort()
            await asyncio.sleep(pause_s)


async def main(run: Path, seconds: float) -> None:
    attacker, consortium = Attacker(run), consortium_of(run)
    services = {member.name: (member.host, member.blob_port or 0) for member in consortium.members}
    tasks = [asyncio.create_task(attacker.attack(name, where)) for name, where in services.items()]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await attacker.begun(IDLE * len(services))
            sys.stdout.write(json.dumps(attacker.done) + "\n")
            sys.stdout.flush()
            await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    os.nice(10)  # the attacker has a machine of its own, as a rule
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2])))
