"""The network between hosts: an Ethernet switch in this process, of which a test sets latency, loss and partitions.

Each host's `eth0` is a TAP device that the switch reads and writes, so that it works on every kernel that permits
network namespaces; `tc netem` needs a module that many lack.
"""

import fcntl
import heapq
import itertools
import os
import random
import selectors
import struct
import subprocess
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

TUNSETIFF: Final = 0x400454CA
TAP_WITHOUT_HEADER: Final = 0x0002 | 0x1000
FRAME: Final = 65_536
AT_ONCE: Final = 64
MULTICAST: Final = 1


class Wire:
    """A switch; `latency_s` holds one way, `loss` is the share of frames that are dropped."""

    def __init__(self, seed: int = 1) -> None:
        self.latency_s = 0.0
        self.loss = 0.0
        self.lost = 0
        self.kept_apart = 0
        self._apart: frozenset[str] = frozenset()
        self._random = random.Random(seed)
        self._ports: dict[int, str] = {}
        self._places: dict[bytes, int] = {}
        self._under_way: list[tuple[float, int, int, bytes]] = []
        self._order = itertools.count()
        self._selector = selectors.DefaultSelector()
        self._ending = False
        self._thread = threading.Thread(target=self._switch, name="wire", daemon=True)

    def plug(self, host: str, namespace: str, device: str, address: str) -> None:
        """Give a namespace its `eth0` on this switch, with an address such as 10.0.0.2/24."""
        port = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        try:
            fcntl.ioctl(port, TUNSETIFF, struct.pack("16sH22x", device.encode(), TAP_WITHOUT_HEADER))
            ip("link", "set", device, "netns", namespace, "name", "eth0")
            ip("-n", namespace, "addr", "add", address, "dev", "eth0")
            for link in ("eth0", "lo"):
                ip("-n", namespace, "link", "set", link, "up")
        except BaseException:
            os.close(port)
            raise
        self._ports[port] = host
        self._selector.register(port, selectors.EVENT_READ)

    def part(self, hosts: Iterable[str]) -> None:
        """Cut these hosts off from all others, until `heal`; among themselves they go on."""
        self._apart = frozenset(hosts)

    def heal(self) -> None:
        """End a partition."""
        self._apart = frozenset()

    def start(self) -> None:
        """Begin to carry frames."""
        self._thread.start()

    def close(self) -> None:
        """Stop carrying frames and remove every host's device."""
        self._ending = True
        if self._thread.is_alive():
            self._thread.join()
        for port in self._ports:
            os.close(port)
        self._selector.close()

    def _switch(self) -> None:
        while not self._ending:
            pause = self._under_way[0][0] - time.monotonic() if self._under_way else 0.1
            for key, _ in self._selector.select(min(max(pause, 0.0), 0.1)):
                self._take(key.fd)
            while self._under_way and self._under_way[0][0] <= time.monotonic():
                _, _, target, frame = heapq.heappop(self._under_way)
                _put(target, frame)

    def _take(self, source: int) -> None:
        for _ in range(AT_ONCE):
            try:
                frame = os.read(source, FRAME)
            except OSError:  # no more for now
                return
            target, self._places[frame[6:12]] = self._places.get(frame[:6]), source
            everybody = frame[0] & MULTICAST or target is None
            for port in self._ports if everybody else (target,):
                if port != source and self._passes(source, port):
                    self._send(port, frame)

    def _passes(self, source: int, target: int) -> bool:
        if (self._ports[source] in self._apart) != (self._ports[target] in self._apart):
            self.kept_apart += 1
            return False
        if self._random.random() < self.loss:
            self.lost += 1
            return False
        return True

    def _send(self, target: int, frame: bytes) -> None:
        if self.latency_s:
            heapq.heappush(self._under_way, (time.monotonic() + self.latency_s, next(self._order), target, frame))
        else:
            _put(target, frame)


def _put(port: int, frame: bytes) -> None:
    with suppress(OSError):  # its queue is full, or the host's link is down: the frame is lost, as on any wire
        os.write(port, frame)


def ip(*words: str) -> None:
    """Run `ip`."""
    subprocess.run(["ip", *words], check=True, capture_output=True)
