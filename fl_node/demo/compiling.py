"""The example's plan, compiled once for each state of its sources and kept in .build/plans."""

import asyncio
import hashlib
import sys
from pathlib import Path
from typing import Final

from fl_node import codes
from fl_node.errors import NodeError
from fl_node.plan.frameworks import Framework
from network.checkout import BUILD

HERE: Final = Path(__file__).resolve().parents[2]
"""The folder that holds the package `fl_node`."""
PLANS: Final = BUILD / "plans"
SOURCES: Final = (
    *(f"fl_node/plan/**/*.{kind}" for kind in ("py", "txt", "lock")),
    *("fl_node/data/*.py", "fl_node/canonical.py", "requirements.lock"),
)


def compiled_path(example: str, building: tuple[str, ...]) -> Path:
    """Return where an example's plan lies or will lie; the name holds a digest of all that it is made from."""
    digest = hashlib.sha256(" ".join(building).encode())
    patterns = (*SOURCES, f"fl_node/examples/{example.partition('_')[0]}*")
    for path in sorted(path for pattern in patterns for path in HERE.glob(pattern) if path.is_file()):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return PLANS / f"{example}-{digest.hexdigest()[:16]}.flplan"


async def compiled(example: str, framework: Framework, path: Path, building: tuple[str, ...]) -> None:
    """Compile a plan in a process of its own, unless it is there; its framework is installed first.

    Raises:
        NodeError: FL4601, it does not compile.
        PlanError: FL3048, the framework cannot be installed.
    """
    if framework.environment:
        await asyncio.to_thread(framework.environment.install)
    if await asyncio.to_thread(path.exists):
        return
    await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
    source = HERE / "fl_node" / "examples" / f"{example}.py"
    build = (sys.executable, "-m", "fl_node", "plan", "build", str(source), "-o", str(path), "--json")
    command = (*build, *building)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise NodeError(codes.DEMO_FAILED, f"the plan does not compile: {output.decode()[-500:]}", where=str(source))
