"""The child's side of the conversation with a node: shut in first, then one request after the other."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from fl_node import codes
from fl_node.plan.confine import confine
from fl_node.plan.errors import plan_error
from fl_node.plan.frames import Closed, Message, receive, send
from fl_node.plan.guard import start_guard
from fl_node.plan.sandbox import Confinement, Sandbox, meaning
from network.errors import FedledgerError

CONFINEMENT: Final = "confinement"
"""The request that every child answers: what holds it."""

Handler = Callable[[Message], Message]


def serve(handler: Handler) -> None:
    """Serves requests. Arguments of the program: two socket descriptors, to the node and for the guard, and its order.

    The order is JSON: `limits` (null: not confined), `paths`, what may be read, and `scratch`, where may be written.
    """
    connection, control = socket.socket(fileno=int(sys.argv[1])), socket.socket(fileno=int(sys.argv[2]))
    order = json.loads(sys.argv[3])
    limits = Sandbox(**order["limits"]) if order["limits"] else None
    scratch = Path(order["scratch"])
    start_guard(control, (connection.fileno(),), limits, scratch)
    held = Confinement()
    if limits:
        held, port = confine(limits, [Path(path) for path in order["paths"]], scratch)
        _leave_port(port)
    while True:
        try:
            request = receive(connection)
            send(connection, _answer(handler, request, held))
        except Closed:
            os.killpg(0, signal.SIGKILL)


def answering(operations: Mapping[str, Handler]) -> Handler:
    """Returns what answers each request with the operation that its header's `op` names, and the seconds it took."""

    def handle(request: Message) -> Message:
        started = time.perf_counter()
        answer = operations[request.header["op"]](request)
        return Message({**answer.header, "seconds": time.perf_counter() - started}, answer.blobs)

    return handle


def _leave_port(port: int) -> None:
    """Make the framework's helper listen on the one port that is left, where it is one."""
    if port:
        import portpicker  # noqa: PLC0415 - the framework's, where it is installed

        portpicker.add_reserved_port(port)


def _answer(handler: Handler, request: Message, held: Confinement) -> Message:
    try:
        return Message(asdict(held)) if request.header["op"] == CONFINEMENT else handler(request)
    except FedledgerError as error:
        return Message({"error": error.as_json()})
    except BaseException as error:  # noqa: BLE001 - whatever a framework raises must reach the parent as an answer
        text = (str(error).strip() or type(error).__name__).splitlines()[0][:500]
        return Message(
            {"error": plan_error(meaning(error) or codes.RUNTIME_FAILED, f"{type(error).__name__}: {text}").as_json()}
        )
