"""The child process of JAX: build, load, prepare, work and evaluate. The only place that runs JAX."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fl_node.plan.frames import Message
from fl_node.plan.serving import serve


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
            "evaluate": self._evaluate,
        }
        started = time.perf_counter()
        answer = operations[request.header["op"]](request)
        return Message({**answer.header, "seconds": time.perf_counter() - started}, answer.blobs)

    def _build(self, request: Message) -> Message:
        from fl_node.plan.jax.compile import build_plan  # noqa: PLC0415 - JAX takes seconds: only when asked for

        return Message({}, (build_plan(Path(request.header["file"]), request.header["function"]),))

    def _load(self, request: Message) -> Message:
        from fl_node.plan.jax.loaded import LoadedPlan  # noqa: PLC0415 - as above

        self._plan = LoadedPlan(*request.blobs)
        return Message({})

    def _prepare(self, _: Message) -> Message:
        return Message({})

    def _work(self, request: Message) -> Message:
        state, data = request.blobs[0], Path(request.header["data"])
        step = self._plan.work(state, data)
        found = {"rows": step.rows, "train": step.sums, "held": 0}
        if self._plan.manifest.evaluation:
            found["evaluation"], found["held"] = self._plan.evaluate(state, data)
        return Message(found, (step.model,))

    def _evaluate(self, request: Message) -> Message:
        sums, held = self._plan.evaluate(request.blobs[0], Path(request.header["data"]))
        return Message({"evaluation": sums, "held": held})


if __name__ == "__main__":
    serve(Server().handle)
