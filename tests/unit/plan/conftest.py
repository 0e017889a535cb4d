"""Starts TensorFlow Federated as seldom as it goes: once for the reference, once for all runtimes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_node.plan.child import Child
from fl_node.plan.frameworks import Framework
from fl_node.plan.layout import TensorLayout
from fl_node.plan.runtime import open_plan
from fl_node.plan.tff.runtime import TffRuntime

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

PATIENCE_S = 900
"""The reference takes a minute on two idle cores; on a busy machine much more."""


class Reference:
    """What `reference.py` wrote: plans, states, metrics, refusals."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report: dict[str, Any] = json.loads((folder / "report.json").read_text())
        self.rows = sorted((folder / "rows").iterdir())

    def plan(self, name: str) -> Path:
        return self.folder / f"{name}.flplan"

    def state(self, name: str, number: int) -> bytes:
        return (self.folder / f"{name}.{number}.state").read_bytes()


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = tmp_path_factory.mktemp("reference")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.plan.reference", str(folder)],
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)},
        )
        try:
            code = process.wait(timeout=PATIENCE_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert code == 0, (folder / "log").read_text()[-2000:]
    return Reference(folder)


@pytest.fixture(scope="session")
def opened(reference: Reference) -> Iterator[Callable[[str], TffRuntime]]:
    """Opens plans by name, all in one child process; where a test ended it, in the one that took its place."""
    last: list[TffRuntime] = []

    def open_named(name: str) -> TffRuntime:
        if last and last[0]._data != reference.folder:  # its child was started for other rows, and reads no others
            last.pop().close()
        child = last[0]._child if last else Child(data=[reference.folder])
        assert child is not None
        runtime = open_plan(reference.plan(name), data=reference.folder)
        assert isinstance(runtime, TffRuntime)
        last[:] = [runtime]
        runtime.adopt(child, reference.folder)
        return runtime

    yield open_named
    for runtime in last:
        runtime.close()


def in_environment(framework: Framework, module: str, *arguments: object) -> str:
    """Runs a module of the tests where a framework is installed; returns what it printed."""
    settings = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    python = Path(sys.executable)
    if framework.environment:
        framework.environment.install()
        settings, python = dict(framework.environment.settings), framework.environment.python
    done = subprocess.run(
        [str(python), "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **settings, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def add(layout: TensorLayout, vectors: list[bytes]) -> bytes:
    """Adds vectors word by word, each sum in its segment's ring."""
    total, offset = bytearray(layout.size), 0
    for segment in layout.segments:
        words = f"<u{segment.word // 8}"
        parts = [np.frombuffer(vector, words, segment.slots, offset) for vector in vectors]
        summed = np.add.reduce(parts) & np.array((1 << segment.ring) - 1, dtype=words)
        size = segment.slots * segment.word // 8
        total[offset : offset + size] = summed.astype(words).tobytes()
        offset += size
    return bytes(total)
