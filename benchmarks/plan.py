"""What a plan costs: compile, load, prepare, work, update in seconds, and the memory of both processes.

    python benchmarks/plan.py [--example tumour|digits] [--framework tff|jax|torch] [--repeat 10]
    python benchmarks/plan.py --table

Prints JSON, or the table of docs/decisions/0020-runtimes.md for every framework that is installed. `load` is the start
of the child with the framework's import; `work` and `update` are medians in the child.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.arithmetic.averaging import Averaging, Server
from fl_node.plan.arithmetic.slots import make_layout, metric_names, weight_rule
from fl_node.plan.arithmetic.state import ModelState, first_state
from fl_node.plan.arithmetic.update import next_state
from fl_node.plan.arithmetic.work import Worked, vector_of
from fl_node.plan.build import build, write_plan
from fl_node.plan.frameworks import BY_WORD, JAX, TFF, TORCH, Framework
from fl_node.plan.jax.manifest import JaxManifest
from fl_node.plan.manifest import Batching, Quantisation, StateLeaf
from fl_node.plan.runtime import DataSource, open_plan
from fl_node.plan.state_codec import encode_state

ROOT = Path(__file__).parent.parent
LARGE = (10_000_000,)
PARTICIPANTS = ["a", "b", "c", "d"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--example", default="tumour")
    parser.add_argument("--framework", default="tff", choices=BY_WORD)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if arguments.table:
        print(table(arguments.example, arguments.repeat))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = measure(arguments.example, BY_WORD[arguments.framework], Path(folder), arguments.repeat)
        print(json.dumps(found, indent=2))


def measure(example: str, framework: Framework, folder: Path, repeat: int) -> dict[str, Any]:
    name = example if framework is TFF else f"{example}_{framework.word}"
    built = build(str(ROOT / "fl_node" / "examples" / f"{name}.py"), framework=framework)
    plan = folder / "example.flplan"
    write_plan(built, plan)
    source = DataSource(share(example, folder))
    with open_plan(plan, data=source.path) as runtime:
        state = runtime.initialize()
        started = time.perf_counter()
        runtime.prepare(state)
        loaded = time.perf_counter() - started
        first, *works = [runtime.work(state, source) for _ in range(repeat + 1)]
        updates = [runtime.update(state, first.vector, [first.examples]) for _ in range(repeat)]
        assert runtime.child_pid
        memory = {"node_mb": resident("self"), **group(runtime.child_pid)}
    return {
        "example": example,
        "framework": f"{framework.name} {framework.version}",
        "plan_bytes": len(built.raw),
        "vector_bytes": len(first.vector),
        "rows": first.examples,
        "compile_with_import_s": round(built.compile_seconds, 2),
        "load_s": round(loaded, 2),
        "first_work_s": round(first.seconds, 3),
        "work_s": round(statistics.median(work.seconds for work in works), 4),
        "update_s": round(statistics.median(update.seconds for update in updates), 4),
        **memory,
    }


def table(example: str, repeat: int) -> str:
    """The figures of every framework that is installed, as Markdown."""
    here = [one for one in (TFF, JAX, TORCH) if one.environment is None or one.environment.installed]
    found = []
    for framework in here:
        with tempfile.TemporaryDirectory() as folder:
            found.append(measure(example, framework, Path(folder), repeat))
    rows = {
        "environment on disk": [environment_size(one) for one in here],
        "compile, imports included": [f"{one['compile_with_import_s']:.1f} s" for one in found],
        "start, import, load": [f"{one['load_s']:.1f} s" for one in found],
        "first work": [f"{one['first_work_s']:.2f} s" for one in found],
        "work, then": [f"{1000 * one['work_s']:.1f} ms" for one in found],
        "update": [
            f"{1000 * one['update_s']:.0f} ms, in the child" if one["update_s"] else "in the node" for one in found
        ],
        "child's memory": [f"{one['child_mb']} MB + {one['child_helpers_mb']} MB" for one in found],
        "plan file": [f"{one['plan_bytes'] / 1000:.0f} kB" for one in found],
    }
    heads = [f"{framework.title} {framework.version}" for framework in here]
    lines = [("", *heads), ("---",) * (1 + len(heads)), *((name, *values) for name, values in rows.items())]
    vector, update = large()
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return (
        f"{text}\n\n10⁷ weights with FedAdam, in the node: {vector:.1f} s for a vector, {update:.1f} s for an update."
    )


def environment_size(framework: Framework) -> str:
    own = framework.environment
    folder = own.folder if own else Path(sys.prefix)
    held = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return f"{held / 1e9:.2f} GB" + ("" if own else ", with the node's")


def large() -> tuple[float, float]:
    """Seconds for the vector and for the update of a model of ten million weights."""
    plan, state = large_plan()
    started = time.perf_counter()
    zeros = [np.zeros(array.shape, array.dtype) for array in state.trained]
    moved = [array + np.float32(1e-4) for array in zeros]
    vector = vector_of(plan, ModelState(zeros, []), Worked(moved, [], 100, 0, {"train": [1.0]}))
    made = time.perf_counter()
    next_state(plan, encode_state(state.leaves()), vector, [100])
    return made - started, time.perf_counter() - made


def large_plan() -> tuple[JaxManifest, ModelState]:
    averaging = Averaging(
        quantisation=Quantisation(bits=18, clip="4"), server=Server(kind="fedadam"), measured=("loss",)
    )
    state = first_state([np.zeros(LARGE, np.float32)], [], averaging.server)
    layout = make_layout(averaging, [LARGE], [], 8, evaluation=False)
    schema = Schema(columns=(Column(name="a"),), label=Label(name="y", values=("no", "yes")))
    plan = JaxManifest(
        name="large",
        framework_version=JAX.version,
        cohort_max=8,
        layout=layout,
        layout_digest=layout.digest(),
        weights=(weight_rule(averaging),),
        schema=schema,
        schema_digest=schema.digest(),
        batching=Batching(batch=32, epochs=1, holdout_percent=0),
        evaluation=False,
        averaging=averaging,
        metrics=metric_names(averaging.measured, evaluation=False),
        state=tuple(StateLeaf(path=one.path, dtype=one.dtype, shape=one.array.shape) for one in state.leaves()),
        files={},
    )
    return plan, state


def share(example: str, folder: Path) -> Path:
    """Deals in another process, so that scikit-learn's memory is not counted as the node's."""
    command = [
        str(ROOT / ".venv/bin/python"),
        "-c",
        "import sys; from fl_node.plan.cli import app; app()",
        "shares",
        example,
    ]
    subprocess.run([*command, str(folder), *PARTICIPANTS], check=True, cwd=ROOT, capture_output=True)
    return folder / "a.csv"


def resident(process: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024


def group(session: int) -> dict[str, int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--sid", str(session)], capture_output=True, text=True, check=True)
    members = [pid for pid in listed.stdout.split() if pid != str(session)]
    return {"child_mb": resident(str(session)), "child_helpers_mb": sum(resident(pid) for pid in members)}


if __name__ == "__main__":
    main()
