"""A child that does what it is told: what a plan could do that had found a way out of its graph."""

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fl_node.plan import confine
from fl_node.plan.frames import Message
from fl_node.plan.serving import serve

MB = 1 << 20


def read(path: str) -> str:
    return Path(path).read_text("utf-8")


def described_rows(path: str) -> list[list[float]]:
    """Read rows as a plan's process does; they name pictures beside them."""
    from fl_node.data.read import read_table
    from fl_node.data.schema import Column, Schema

    schema = Schema(columns=(Column(name="x"), Column(name="scan", type="array", shape=(1, 2))))
    found: list[list[float]] = read_table(Path(path), schema).features.tolist()
    return found


def write(path: str) -> None:
    Path(path).write_text("here", encoding="utf-8")


def fill(size: int) -> None:
    """Write temporary files of a megabyte, and leave them."""
    for number in range(size // MB):
        Path(os.environ["TMPDIR"], f"{number}").write_bytes(bytes(MB))
    time.sleep(60)


def keep(name: str) -> str:
    """Write a temporary file and read it back."""
    file = Path(os.environ["TMPDIR"], name)
    file.write_text(name, encoding="utf-8")
    return file.read_text("utf-8")


def long_file(size: int) -> None:
    Path(os.environ["TMPDIR"], "long").write_bytes(bytes(size))


def allocate(step: int, most: int) -> None:
    held = []
    while len(held) * step < most:
        held.append(bytearray(os.urandom(1) * step))
    time.sleep(60)


def loop() -> None:
    while True:
        pass


def burn(seconds: float) -> float:
    """Take CPU time, then fail."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return 1 / 0


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def fork(times: int) -> None:
    for _ in range(times):
        if not os.fork():
            time.sleep(60)
    time.sleep(60)


def thread(times: int) -> None:
    for _ in range(times):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    time.sleep(60)


def open_many(times: int) -> None:
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(times)]
    assert held


def connect(host: str, port: int) -> None:
    socket.create_connection((host, port), 5).close()


def listen_and_connect(port: int) -> str:
    with socket.create_server(("127.0.0.1", port)) as server:
        at = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", at), 5).close()
    return "connected"


def unix_socket() -> None:
    socket.socket(socket.AF_UNIX)


def new_session() -> None:
    os.setsid()


def signal_to(process: int) -> None:
    os.kill(process, 0)


def environment() -> dict[str, str]:
    return dict(os.environ)


DEEDS: dict[str, Callable[..., Any]] = {
    deed.__name__: deed
    for deed in (
        *(
            read,
            described_rows,
            write,
            fill,
            keep,
            long_file,
            allocate,
            loop,
            burn,
            sleep,
            fork,
            thread,
            open_many,
            connect,
        ),
        *(listen_and_connect, unix_socket, new_session, signal_to, environment),
    )
}


def handle(request: Message) -> Message:
    return Message({"done": DEEDS[request.header["op"]](*request.header["with"])})


def unprivileged() -> None:
    """Behave as under a user who may not do what root may."""
    confine._drop_capabilities()
    serve(handle)


def without_namespaces() -> None:
    """Behave as where the kernel does not permit a network namespace."""
    confine._leave_network = lambda: False
    serve(handle)


if __name__ == "__main__":
    serve(handle)
