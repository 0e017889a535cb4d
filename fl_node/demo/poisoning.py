"""The part of the story with a faulty participant: the vote for a mode, and what plain sums would have made of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fl_node.demo.attacks import changed
from fl_node.demo.federation import Federation
from fl_node.demo.options import Options
from fl_node.demo.report import Report
from fl_node.ledger.records import Round
from fl_node.plan.runtime import DataSource, PlanRuntime, open_plan
from fl_node.round.contribution import UNITS, summed

TERMS: Final = {"floor": 500, "sums": 9}
"""What the group that contributed least keeps of its quality, in thousandths; how many sums an epoch may reveal."""


async def introduce(federation: Federation, options: Options, report: Report) -> None:
    """Let the members vote for the mode that was asked for, and say who is faulty."""
    if options.settings:
        with report.chapter("A vote: sums of small groups, and a robust mean over them", "mode") as found:
            parameters = {"mode": options.mode, options.mode: options.settings, "contribution": TERMS}
            decided = await federation.decide("set_parameters", {"parameters": parameters})
            found.update({"mode": options.mode, "settings": options.settings})
            report.say(f"{options.mode} {options.settings}: {decided['status']}")
    if options.attack:
        with report.chapter("An attacker among them", "attack") as found:
            found.update({"attacker": options.attacker, "attack": options.attack})
            report.say(
                f"{options.attacker} does all that a node does, but what it sends is not honest: {options.attack}"
            )


def plain_sums(
    options: Options, plan: Path, data: Mapping[str, Path], everything: Path, rounds: int
) -> dict[str, dict[str, float]]:
    """Return the metrics of models from plain sums over as many rounds: without and with the faulty participant.

    They are made in this process, of the same rows and the same integers; no network is asked.

    Args:
        options: The demonstration's.
        plan: The plan file.
        data: Each participant's rows.
        everything: A folder with all rows, whose hold-out is measured.
        rounds: How many rounds led to the federation's model.
    """
    with open_plan(plan, data=everything) as runtime:
        models = {
            "one sum, all honest": _trained(runtime, data, rounds, {}),
            "one sum, the same attacker": _trained(runtime, data, rounds, {options.attacker: options.attack}),
        }
        return {name: runtime.evaluate(state, DataSource(everything)) for name, state in models.items()}


def _trained(runtime: PlanRuntime, data: Mapping[str, Path], rounds: int, attacks: Mapping[str, str]) -> bytes:
    layout, state = runtime.manifest.layout.flat, runtime.initialize()
    for _ in range(rounds):
        works = {name: runtime.work(state, DataSource(path)) for name, path in data.items()}
        sent = [
            changed(layout, work.vector, attacks[name]) if name in attacks else work.vector
            for name, work in works.items()
        ]
        state = runtime.update(state, summed(layout, sent), [work.examples for work in works.values()]).state
    return state


def contributed(report: Report, view: Round) -> None:
    """Show what the groups of the last epoch contributed, by the evaluations of all of them."""
    if not view.contribution:
        return
    with report.chapter(
        "What the groups contributed: Shapley's value, by everybody's own hold-out", "contribution"
    ) as found:
        rows = [
            (", ".join(members), f"{units / UNITS:+.4f}")
            for members, units in zip(view.groups, view.contribution, strict=True)
        ]
        found.update({"groups": list(view.groups), "units": list(view.contribution)})
        report.table(("group", "took from the loss, in the epoch's rounds"), rows)
