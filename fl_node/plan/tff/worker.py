"""The child process of TensorFlow Federated: build, load, prepare, work and update. The only place that runs TFF."""

from pathlib import Path
from typing import Any

from fl_node.plan.frames import Message
from fl_node.plan.serving import Handler, answering, serve


class Server:
    """Holds the loaded plan between requests."""

    def __init__(self) -> None:
        self._plan: Any = None

    def handler(self) -> Handler:
        """Returns what answers a node's requests."""
        return answering(
            {
                "build": self._build,
                "load": self._load,
                "prepare": self._prepare,
                "work": self._work,
                "update": self._update,
            }
        )

    def _build(self, request: Message) -> Message:
        from fl_node.plan.tff.compile import build_plan  # noqa: PLC0415 - TFF takes seconds: only when asked for

        built = build_plan(Path(request.header["file"]), request.header["function"], request.header["protobuf"])
        return Message({}, (built,))

    def _load(self, request: Message) -> Message:
        from fl_node.plan.tff.loaded import LoadedPlan  # noqa: PLC0415 - as above

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
    serve(Server().handler())
