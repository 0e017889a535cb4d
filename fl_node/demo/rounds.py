"""The training itself: rounds as they go, nodes killed where the story says so, and what each round left."""

from typing import Any, Final

from rich.table import Table

from fl_node.commands.train import table_of
from fl_node.commands.watching import Progress, watch
from fl_node.demo.federation import Federation
from fl_node.demo.fraud import Fraud
from fl_node.demo.options import Drop, Options
from fl_node.demo.report import Report
from fl_node.demo.stage import Stage
from fl_node.ledger.records import Round

TRAINING = "diagnosis"
AT_ONCE_S: Final = 0.02
"""How soon a step of a round is seen: who is killed after its shares must not live to send its update."""


class Drops:
    """Kills nodes once in the story, and starts them again when the round has frozen its survivors."""

    def __init__(self, stage: Stage, options: Options) -> None:
        self._stage = stage
        self._round = options.drop_round
        self._waiting = list(options.drops)
        self._dead: list[str] = []
        self.killed: list[dict[str, Any]] = []

    def see(self, view: Round) -> None:
        """Take note of the round."""
        if self._dead and (view.phase in {"Attest", "Final", "Void"} or view.round != self._round):
            for name in self._dead:
                self._stage.restart(name)
            self._dead.clear()
        if view.round != self._round:
            return
        for drop in [drop for drop in self._waiting if due(view, drop)]:
            self._stage.kill(drop.node)
            self._waiting.remove(drop)
            self._dead.append(drop.node)
            self.killed.append({"node": drop.node, "phase": drop.phase, "round": view.round, "attempt": view.attempt})


def due(view: Round, drop: Drop) -> bool:
    """Tell whether a node has done all that comes before the phase it shall not live to see."""
    before = {"keys": view.cohort, "shares": view.keys, "updates": view.shares, "unmask": view.updates}
    return drop.node in before[drop.phase]


async def run_rounds(
    stage: Stage, federation: Federation, report: Report, plan: str, options: Options
) -> tuple[list[dict[str, Any]], Drops, Fraud]:
    """Let the consortium train and return every attempt as it ended."""
    body = {"training": TRAINING, "plan": plan, "rounds": options.rounds, "cohort": options.participants}
    await federation.decide("start_training", body)
    seen: dict[str, Progress] = {}
    drops, fraud = Drops(stage, options), Fraud(stage, options.fraud_round)
    with report.live(table_of(seen)) as live:
        try:
            async for progress in watch(federation.first, TRAINING, AT_ONCE_S):
                drops.see(progress.view)
                await fraud.see(progress.view, federation.first)
                seen[progress.view.name] = progress
                live.update(table_of(seen))
        finally:
            fraud.release()
    return [progress.as_json() for progress in seen.values()], drops, fraud


def phases_table(rounds: list[dict[str, Any]]) -> Table:
    """Return the seconds of each phase of each attempt."""
    names = ("Keys", "Shares", "Updates", "Unmask", "Attest", "total")
    table = Table("round", *names, title="seconds")
    for record in rounds:
        label = f"{record['round']}" + (f".{record['attempt']}" if record["attempt"] > 1 else "")
        table.add_row(label, *(f"{record['seconds'].get(name, 0):.2f}" for name in names))
    return table
