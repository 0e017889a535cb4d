"""What the child of any framework answers whose plans are of this arithmetic: the framework brings two functions."""

from collections.abc import Callable
from pathlib import Path

from fl_node.plan.arithmetic.loaded import LocalPlan
from fl_node.plan.arithmetic.private import Goal
from fl_node.plan.frames import Message
from fl_node.plan.serving import Handler, answering


def handler(build: Callable[..., bytes], load: Callable[..., LocalPlan]) -> Handler:
    """Returns what answers a node's requests and holds the loaded plan between them.

    Args:
        build: From a researcher's file, its function's name, a goal of privacy and a clip, or None, to a plan file.
        load: From a manifest and the computations, in the manifest's order, to a plan that trains.
    """
    held: list[LocalPlan] = []

    def built(request: Message) -> Message:
        asked = request.header.get("privacy")
        goal = Goal.model_validate(asked) if asked else None
        file, function = Path(request.header["file"]), request.header["function"]
        return Message({}, (build(file, function, goal, request.header.get("clip")),))

    def loaded(request: Message) -> Message:
        held[:] = [load(*request.blobs)]
        return Message({})

    def work(request: Message) -> Message:
        (plan,), state, data = held, request.blobs[0], Path(request.header["data"])
        step = plan.work(state, data)
        found = {"rows": step.rows, "steps": step.steps, "train": step.sums, "held": 0}
        if plan.manifest.evaluation:
            found["evaluation"], found["held"] = plan.evaluate(state, data)
        return Message(found, (step.model,))

    def evaluate(request: Message) -> Message:
        sums, rows = held[0].evaluate(request.blobs[0], Path(request.header["data"]))
        return Message({"evaluation": sums, "held": rows})

    def norms(request: Message) -> Message:
        return Message({"norms": held[0].norms(request.blobs[0], Path(request.header["data"]))})

    answers = {"build": built, "load": loaded, "prepare": lambda _: Message({}), "work": work, "evaluate": evaluate}
    return answering({**answers, "norms": norms})
