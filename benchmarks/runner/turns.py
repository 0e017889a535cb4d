"""Runs benchmarks as processes of their own, one turn of each after the other, so that a busy minute meets them all."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.runner.catalogue import Benchmark
from benchmarks.runner.machine import load, machine

ROOT = Path(__file__).resolve().parents[2]
LAST_WORDS = 800


class FailedTurnError(Exception):
    """A benchmark did not print its figures; the text is the end of what it said."""


def _forgotten(_: dict[str, Any]) -> None:
    """Keep nothing between the turns."""


def report(
    benchmarks: Sequence[Benchmark],
    turns: int,
    smoke: bool,
    told: Callable[[str], None],
    *,
    tolerant: bool = False,
    kept: Callable[[dict[str, Any]], None] = _forgotten,
) -> dict[str, Any]:
    """Return every benchmark's turns with the medians of its figures, and the machine they ran on.

    After each turn `kept` is given what there is so far: a run of an hour that is ended has not been for nothing.

    Raises:
        FailedTurnError: one failed. Where failures are tolerated its turn has no figures, and says why.
    """
    taken: dict[str, list[dict[str, Any]]] = {each.name: [] for each in benchmarks}
    for turn in range(turns):
        for each in benchmarks:
            told(f"{each.name}, turn {turn + 1} of {turns}")
            try:
                taken[each.name].append(_turn(each, smoke=smoke))
            except FailedTurnError as error:
                if not tolerant:
                    raise
                taken[each.name].append({"load": load(), "said": {}, "problem": str(error)})
            kept(_report(benchmarks, taken, smoke=smoke))
    return _report(benchmarks, taken, smoke=smoke)


def _report(
    benchmarks: Sequence[Benchmark], taken: Mapping[str, list[dict[str, Any]]], *, smoke: bool
) -> dict[str, Any]:
    return {
        "machine": machine(),
        "smoke": smoke,
        "benchmarks": [_summary(each, taken[each.name], smoke=smoke) for each in benchmarks],
    }


def _turn(benchmark: Benchmark, *, smoke: bool) -> dict[str, Any]:
    module, *arguments = benchmark.smoke if smoke else benchmark.command
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    before = load()
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise FailedTurnError(f"{benchmark.name}: {(done.stderr or done.stdout).strip()[-LAST_WORDS:]}")
    return {"load": before, "said": json.loads(done.stdout)}


def _summary(benchmark: Benchmark, turns: list[dict[str, Any]], *, smoke: bool) -> dict[str, Any]:
    figures = []
    for figure in benchmark.figures:
        about = {"name": figure.name, "unit": figure.unit, "goal": figure.goal, "better": figure.better}
        values = [value for turn in turns if (value := figure.of(turn["said"])) is not None]
        if not values:
            figures.append({**about, "median": None})
            continue
        median = statistics.median(values)
        spread = {"median": median, "least": min(values), "most": max(values)}
        reached = None if smoke else figure.reached(median)
        figures.append({**about, **spread, "reached": reached})
    command = " ".join(benchmark.smoke if smoke else benchmark.command)
    return {
        "name": benchmark.name,
        "question": benchmark.question,
        "command": f"python -m benchmarks.{command}",
        "figures": figures,
        "turns": turns,
    }
