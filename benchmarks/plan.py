"""What a plan costs: compile, load, prepare, work, update in seconds, and the memory of both processes.

    python benchmarks/plan.py [--example tumour|digits] [--framework tff|jax] [--repeat 10]

Prints JSON. `load` is the child's start with the framework's import; `work` and `update` are medians in the child.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from fl_node.plan.build import build, write_plan
from fl_node.plan.frameworks import BY_WORD, TFF, Framework
from fl_node.plan.runtime import DataSource, open_plan

ROOT = Path(__file__).parent.parent
PARTICIPANTS = ["a", "b", "c", "d"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--example", default="tumour")
    parser.add_argument("--framework", default="tff", choices=BY_WORD)
    parser.add_argument("--repeat", type=int, default=10)
    arguments = parser.parse_args()
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
