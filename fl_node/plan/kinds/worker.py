"""The child process that reads a participant's rows and sums them. No code of a plan's runs in it."""

import time
from collections.abc import Callable
from pathlib import Path

from fl_node import codes
from fl_node.data.kept import Kept
from fl_node.plan.errors import plan_error
from fl_node.plan.frames import Message
from fl_node.plan.frameworks import parse_manifest
from fl_node.plan.kinds.compile import build_plan
from fl_node.plan.kinds.manifest import KindManifest
from fl_node.plan.kinds.rows import Rows, load_rows
from fl_node.plan.kinds.step import read_state, vector_of
from fl_node.plan.serving import serve


class Server:
    """Holds the plan, and its rows while their files do not change."""

    def __init__(self) -> None:
        self._manifest: KindManifest | None = None
        self._kept: Kept[tuple[Rows, Rows]] = Kept()

    def handle(self, request: Message) -> Message:
        """Answers one request; the header's `op` names it."""
        operations: dict[str, Callable[[Message], Message]] = {
            "build": self._build,
            "load": self._load,
            "prepare": lambda _: Message({}),
            "work": self._work,
            "evaluate": self._evaluate,
        }
        started = time.perf_counter()
        answer = operations[request.header["op"]](request)
        return Message({**answer.header, "seconds": time.perf_counter() - started}, answer.blobs)

    def _build(self, request: Message) -> Message:
        return Message({}, (build_plan(Path(request.header["file"]), request.header["function"]),))

    def _load(self, request: Message) -> Message:
        parsed = parse_manifest(request.blobs[0])
        if not isinstance(parsed, KindManifest):
            raise plan_error(codes.BAD_MANIFEST, "no plan of a kind", "manifest.json")
        self._manifest = parsed
        return Message({})

    @property
    def _plan(self) -> KindManifest:
        assert self._manifest, "a plan is loaded first"
        return self._manifest

    def _rows(self, path: Path) -> tuple[Rows, Rows]:
        plan = self._plan
        part = plan.batching.holdout_percent
        return self._kept.get(path, lambda: load_rows(path, plan.schema_, part, steps=plan.kind.of_steps))

    def _work(self, request: Message) -> Message:
        rows = self._rows(Path(request.header["data"]))
        return Message({}, (bytes(vector_of(self._plan, request.blobs[0], *rows)),))

    def _evaluate(self, request: Message) -> Message:
        held = self._rows(Path(request.header["data"]))[1]
        loss = self._plan.kind.loss(self._plan.schema_, read_state(self._plan, request.blobs[0]), held)
        return Message({"metrics": {"loss": loss / len(held), "num_examples": float(len(held))}})


if __name__ == "__main__":
    serve(Server().handle)
