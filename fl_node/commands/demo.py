"""`fedledger demo`: a whole federation on this machine, from founding to audit; `scripts/run` is this."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from fl_node import codes
from fl_node.commands.common import explained, note
from fl_node.demo.attacks import ATTACKS
from fl_node.demo.options import IN_GROUPS, LEAST, MODES, WITH_ROOM, Drop, Options
from fl_node.demo.report import Report
from fl_node.demo.stage import claimed
from fl_node.demo.story import Story
from fl_node.errors import NodeError
from fl_node.examples.catalogue import EXAMPLES, ROUNDS
from network.checkout import DEFAULT_RUN
from network.errors import FedledgerError

DEMO_RUN = DEFAULT_RUN / "demo"


def demo(
    rounds: Annotated[
        int | None, typer.Option(min=1, max=1000, help="How many rounds to train; 5 where the example needs no more.")
    ] = None,
    plan: Annotated[
        str, typer.Option(help=f"{', '.join(EXAMPLES)}, or a .flplan file (then give --data-dir too).")
    ] = "tumour",
    framework: Annotated[
        str | None,
        typer.Option(help="What runs the example: tff, jax, torch, kinds (no framework); the example's first if none."),
    ] = None,
    epsilon: Annotated[
        float | None, typer.Option(min=0, help="Differential privacy for every row, with --framework jax.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="A folder with hospital-a.csv … instead of the example's data.")
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option(help="NODE@PHASE: kill a node there; the fourth node at updates if not given.")
    ] = None,
    participants: Annotated[
        int | None, typer.Option(min=LEAST, help="How many take part: 4 to 8; robust_groups takes 9 to 20.")
    ] = None,
    mode: Annotated[
        str, typer.Option(help="How updates are aggregated: secure_sum, or robust_groups by vote.")
    ] = MODES[0],
    attack: Annotated[
        str,
        typer.Option(help=f"hospital-c sends what it should not: {', '.join(ATTACKS)}. On jax, as every other mode."),
    ] = "",
    fabric: Annotated[bool, typer.Option("--fabric", help="On real Hyperledger Fabric.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running at the end.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything shown into this file.")] = None,
    run: Annotated[
        Path,
        typer.Option(
            "--run",
            envvar="FEDLEDGER_DEMO_RUN",
            help="The run folder; an earlier demonstration there is removed.",
            resolve_path=True,
        ),
    ] = DEMO_RUN,
    base_port: Annotated[
        int, typer.Option(min=1024, max=64000, envvar="FEDLEDGER_BASE_PORT", help="First of the ports to use.")
    ] = 17000,
    audit: Annotated[bool, typer.Option(help="End with the audit.")] = True,
) -> None:
    """Watch a consortium that shares nothing train a model: a dropout, a fraud, rewards, a regulator's look."""
    report = Report()
    try:
        with explained(), recorded(report):
            options = _options(
                plan,
                framework=framework,
                rounds=rounds,
                data=data_dir,
                drops=drop,
                participants=participants,
                fabric=fabric,
                keep=keep,
                run=run,
                base_port=base_port,
                audit=audit,
                epsilon=epsilon,
                mode=mode,
                attack=attack,
            )
            # End the story, stop everything.
            signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
            with claimed(run):
                asyncio.run(Story(options, report).tell())
    except typer.Exit:
        report.finish(json_file, "failed")
        raise
    report.finish(json_file, "ok")
    note(f"done in {report.record['seconds']:.0f} s")


def _options(plan: str, *, drops: list[str] | None, **settings: Any) -> Options:
    """Read the texts among the options.

    Raises:
        NodeError: FL4001, one of them is invalid.
    """
    shown = EXAMPLES.get(plan, EXAMPLES["tumour"])
    poisoned, in_groups = settings["attack"] or settings["mode"] != MODES[0], settings["mode"] == "robust_groups"
    settings["framework"] = settings["framework"] or ("jax" if poisoned else shown.frameworks[0])
    settings["rounds"] = settings["rounds"] or (shown.rounds_of(settings["framework"]) if plan in EXAMPLES else ROUNDS)
    settings["participants"] = settings["participants"] or (IN_GROUPS if in_groups else LEAST)
    spared = in_groups and settings["participants"] < WITH_ROOM  # no group could spare a member
    dropped = drops if drops is not None else [] if spared else [f"{shown.who}-d@updates"]
    settings["drops"] = tuple(Drop.parse(text) for text in dropped if text)
    if plan in EXAMPLES:
        return Options(example=plan, **settings)
    path = Path(plan)
    if not path.is_file():
        raise NodeError(codes.INPUT_UNUSABLE, f"{plan} is neither a plan file nor one of {', '.join(EXAMPLES)}")
    if settings["data"] is None:
        raise NodeError(codes.INPUT_UNUSABLE, "a plan of your own needs data of your own", hint="Give --data-dir.")
    return Options(plan=path.resolve(), **settings)


@contextmanager
def recorded(report: Report) -> Iterator[None]:
    """Put the error that ends the story into its record."""
    try:
        yield
    except FedledgerError as error:
        report.record["error"] = error.as_json()
        raise
