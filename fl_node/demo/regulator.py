"""What the regulator sees from its own peer, and what it may not do."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from fl_node.demo.rounds import TRAINING
from fl_node.ledger.client import LedgerError, open_ledger
from network.connection import consortium_of, profile
from network.folders import held_blobs


async def look(run: Path) -> dict[str, Any]:
    """Query the regulator's own peer for members, lineage and flags, and try to write, which must be refused."""
    regulator = consortium_of(run).regulators[0].name
    async with open_ledger(profile(run, regulator, "client")) as ledger:
        lineage = await ledger.lineage(TRAINING)
        return {
            "organisation": regulator,
            "participants": [item["participant"] for item in await ledger.everything("ListParticipants")],
            "votes": len(await ledger.everything("ListProposals")),
            "lineage": [
                {"round": step["round"], "survivors": step["survivors"], "state": step["state"]}
                for step in lineage["steps"]
            ],
            "flags": await ledger.everything("ListFlags"),
            "write": await _try_to_write(ledger),
        }


async def audit(run: Path) -> dict[str, Any]:
    """Fetch every block from the regulator's peer, verify it all from blocks alone, compare with other peers' ends.

    The chain is pinned to the genesis hash that two members name, each from its own peer.
    """
    pinning = asyncio.gather(*(_genesis(run, member.name) for member in consortium_of(run).members[:2]))
    fetched = await command("fetch", "--run", str(run), "--out", str(run / "audit"))
    one, other = await pinning
    if "error" in fetched:
        return fetched
    if one != other:
        return {"error": f"two members name different genesis hashes: {one}, {other}"}
    return await command("verify", "--online", "--genesis", one, *audit_options(run))


def evidence(run: Path) -> tuple[str, ...]:
    """Return where the audit's commands find what was fetched of a demonstration."""
    folder = run / "audit"
    return ("--blocks", str(folder), "--blobs", str(held_blobs(run)), "--state", f"{folder}.sqlite")


def audit_options(run: Path) -> tuple[str, ...]:
    """Return what those of the audit's commands must know that ask peers too."""
    return (*evidence(run), "--run", str(run))


async def _genesis(run: Path, organisation: str) -> str:
    """Return the genesis hash as an organisation reads it from its own peer."""
    answer = await command("genesis", "--org", organisation, "--run", str(run))
    return str(answer.get("genesis_hash", answer.get("error", "")))


async def command(*arguments: str) -> dict[str, Any]:
    """Run a command of the auditor and return what it says, with its exit code as `exit`; `error` where it failed."""
    words = (sys.executable, "-m", "fl_node", "audit", *arguments, "--json")
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, problems = await process.communicate()
    try:
        return {"exit": process.returncode, **json.loads(output)}
    except ValueError:
        return {"error": (problems or output).decode()[-1000:], "exit": process.returncode}


async def _try_to_write(ledger: Any) -> str:
    try:
        await ledger.submit("OpenRound", training=TRAINING)
    except LedgerError as error:
        return f"{error.code}: {error.message}"
    return "written"
