"""The child process: serves build, load, prepare, work and update over a socket. The only place that runs TFF."""

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from fl_node import codes
from fl_node.plan.errors import plan_error
from fl_node.plan.frames import Closed, Message, receive, send
from network.errors import FedledgerError

GUARD_SECONDS: Final = 1.0
"""How soon the guard notices that the worker died while the parent lives, in seconds."""


def main() -> None:
    """Serves requests until the parent is gone. Arguments: the socket's and the lifeline's file descriptor."""
    connection, lifeline = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    _start_guard(connection, lifeline)
    server = Server()
    while True:
        try:
            request = receive(connection)
            send(connection, _answer(server, request))
        except Closed:
            os.killpg(0, signal.SIGKILL)


def _start_guard(connection: socket.socket, lifeline: int) -> None:
    worker = os.getpid()
    if os.fork():
        os.close(lifeline)
        return
    connection.close()
    while os.getppid() == worker and not select.select([lifeline], [], [], GUARD_SECONDS)[0]:
        pass
    os.killpg(0, signal.SIGKILL)


def _answer(server: "Server", request: Message) -> Message:
    try:
        return server.handle(request)
    except FedledgerError as error:
        return Message({"error": error.as_json()})
    except Exception as error:  # noqa: BLE001 - whatever a framework raises must reach the parent as an answer
        text = (str(error).strip() or type(error).__name__).splitlines()[0][:500]
        return Message({"error": plan_error(codes.RUNTIME_FAILED, f"{type(error).__name__}: {text}").as_json()})


class Server:
    """Holds the loaded plan between requests."""

    def __init__(self) -> None:
        self._plan: Any = None

    def handle(self, request: Message) -> Message:
        """Answers one request; the header's `op` names it."""
        operations: dict[str, Callable[[Message], Message]] = {
            "build": self._build,
            "load": self._load,
            "prepare": self._prepare,
            "work": self._work,
            "update": self._update,
        }
        started = time.perf_counter()
        answer = operations[request.header["op"]](request)
        return Message({**answer.header, "seconds": time.perf_counter() - started}, answer.blobs)

    def _build(self, request: Message) -> Message:
        from fl_node.plan.tff_compile import build_plan  # noqa: PLC0415 - TFF takes seconds: only when asked for

        built = build_plan(Path(request.header["file"]), request.header["function"], request.header["protobuf"])
        return Message({}, (built,))

    def _load(self, request: Message) -> Message:
        from fl_node.plan.tff_plan import LoadedPlan  # noqa: PLC0415 - as above

        self._plan = LoadedPlan(*request.blobs)
        return Message({})

    def _prepare(self, request: Message) -> Message:
        self._plan.broadcast(request.blobs[0])
        return Message({})

    def _work(self, request: Message) -> Message:
        header = request.header
        vector, metrics = self._plan.work(request.blobs[0], Path(header["data"]), evaluate_only=header["evaluate_only"])
        return Message({"metrics": metrics}, (vector,))

    def _update(self, request: Message) -> Message:
        state, metrics = self._plan.update(request.blobs[0], request.blobs[1], request.header["survivors"])
        return Message({"metrics": metrics}, (state,))


if __name__ == "__main__":
    main()
