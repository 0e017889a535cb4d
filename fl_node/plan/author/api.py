"""Building, trying and inspecting plans from Python, in a notebook say; the commands are thin over these functions.

from fl_node.plan.author import api

plan = api.build("mine.py")
trial = api.try_plan(plan, "rows.csv", split=4, rounds=20)
trial.curve("evaluation/loss")
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fl_node import codes
from fl_node.data.profile import profile
from fl_node.data.survey import survey
from fl_node.plan.author.draft import Asked, draft
from fl_node.plan.author.source import plan_name, write_source
from fl_node.plan.author.trial import Round, Trial, run_trial
from fl_node.plan.build import build as compile_source
from fl_node.plan.build import write_plan
from fl_node.plan.container import Plan, load_plan
from fl_node.plan.errors import plan_error
from fl_node.plan.frameworks import BY_WORD, Framework, imported_by
from fl_node.plan.runtime import open_read
from fl_node.plan.sandbox import Sandbox
from fl_node.plan.summary import summary, warnings

__all__ = ["Asked", "Plan", "Trial", "build", "inspect", "new", "try_plan"]

Data = str | Path
SUFFIX = ".flplan"


def new(data: Data, output: Data, asked: Asked = Asked(), *, framework: str = "jax") -> Path:  # noqa: B008 - frozen
    """Drafts a plan's Python file from one's own rows; nothing leaves the machine.

    Args:
        data: A CSV or Parquet file, or a folder of part files.
        output: The file to write; one that is there is written over.
        asked: The label, and what else is known of the rows.
        framework: `jax` or `tff`.

    Returns:
        The file.

    Raises:
        DataError: FL31xx for rows that cannot be read.
        PlanError: FL3080 where no plan can be drafted from them.
    """
    file = Path(output)
    found = draft(survey(Path(data)), asked)
    file.write_text(write_source(found, plan_name(file.stem), framework), encoding="utf-8")
    return file


def build(source: Data, output: Data | None = None, *, framework: str | None = None) -> Plan:
    """Builds a plan in a process of its framework; this one imports none.

    Args:
        source: `FILE.py` or `FILE.py:function`; the function's default name is `plan`.
        output: The plan file to write, if any.
        framework: `tff`, `jax` …; by what the file imports if None.

    Returns:
        The plan: `plan.digest` is the name that the ledger knows it by.

    Raises:
        PlanError: The compiler's refusals, FL3005 … FL3015; FL3047 where the framework is not installed.
    """
    built = compile_source(str(source), framework=_framework(str(source), framework))
    if output:
        write_plan(built, Path(output))
    return built.plan


def inspect(plan: Plan | Data) -> dict[str, Any]:
    """Returns what voters should know of a plan: names, digests, slots, metrics, warnings.

    Args:
        plan: A plan, or a plan file.

    Raises:
        PlanError: FL3001 … FL3003 for what is no plan file.
    """
    return summary(plan if isinstance(plan, Plan) else load_plan(Path(plan)))


def try_plan(plan: Plan | Data, data: Data | Sequence[Data], *, split: int = 4, rounds: int = 10) -> Trial:
    """Trains a plan on shares of one's own rows, without a network.

    Args:
        plan: A plan, a plan file, or a Python file, which is built first.
        data: One file or folder, dealt to `split` shares; or several, each a participant's.
        split: How many shares, 2 to the plan's cohort.
        rounds: How many rounds.

    Returns:
        The curves, which updates were clipped or zeroed, the last state.

    Raises:
        PlanError: FL3081 where an update is zeroed in every round, FL3082; what refuses the plan or its work.
        DataError: FL31xx for rows that do not fit the plan's schema.
    """
    found = plan if isinstance(plan, Plan) else built_or_read(str(plan))[0]
    paths = [Path(data)] if isinstance(data, str | Path) else [Path(each) for each in data]
    return tried(found, paths, split=split, rounds=rounds)


def built_or_read(source: str, *, framework: str | None = None, log: Path | None = None) -> tuple[Plan, list[str]]:
    """Returns a plan from a plan file or a Python file, and its warnings."""
    if source.endswith(SUFFIX):
        plan = load_plan(Path(source))
    else:
        plan = compile_source(source, framework=_framework(source, framework), log=log).plan
    return plan, warnings(plan.manifest)


def tried(
    plan: Plan,
    data: Sequence[Path],
    *,
    split: int,
    rounds: int,
    log: Path | None = None,
    seen: Callable[[Round], None] | None = None,
    gpu: bool = False,
) -> Trial:
    """Deals rows and runs a trial on them; see `try_plan`."""
    from fl_node.data.dealing import deal_rows  # noqa: PLC0415 - pyarrow, where rows are read

    with ExitStack() as ending:
        folder = Path(ending.enter_context(TemporaryDirectory(prefix="fedledger-trial-")))
        schema = plan.manifest.schema_
        for each in data:  # so that a refusal names the row of the file that was given
            profile(each, schema, plan.manifest.batching.holdout_percent)
        if len(data) == 1:
            shares = deal_rows(data[0], schema, split, folder)
        else:
            dealt = [deal_rows(each, schema, 1, folder / f"participant-{at}") for at, each in enumerate(data, 1)]
            shares = [share for each in dealt for share in each]
        runtime = open_read(plan, data=folder, log=log, sandbox=Sandbox(gpu=gpu))
        ending.callback(runtime.close)
        return run_trial(runtime, shares, rounds, seen or (lambda _: None))


def _framework(source: str, word: str | None) -> Framework:
    if word is None:
        return imported_by(Path(source.partition(":")[0]))
    if word not in BY_WORD:
        raise plan_error(codes.SOURCE_UNUSABLE, f"no framework {word!r}", hint=f"One of {', '.join(BY_WORD)}.")
    return BY_WORD[word]
