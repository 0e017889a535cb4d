"""What a plan is registered as, and whether a proposal to register one says what its file gives."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from fl_node import codes
from fl_node.commands.blobs import fetch
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger
from fl_node.plan.container import Plan, read_plan
from fl_node.plan.errors import plan_error
from fl_node.privacy.integers import PROMISED_MAX, UNITS
from network.rules import ACCOUNTS_SINCE


def registration(plan: Plan, rules: int) -> dict[str, Any]:
    """Return the body of a `register_plan` proposal.

    Args:
        plan: The plan.
        rules: The version of the rules in force.

    Raises:
        PlanError: FL3050, it promises less privacy than the ledger can count.
    """
    manifest, numbers = plan.manifest, plan.manifest.registered
    body = {
        "plan": plan.digest,
        "name": manifest.name,
        "layout": manifest.layout.model_dump(mode="json", by_alias=True),
        "initial_state": manifest.initial_state,
        "schema": manifest.schema_digest,
    }
    if rules < ACCOUNTS_SINCE or not numbers.unit:
        return body
    if max(numbers.squared_e15, numbers.slack_e15) > PROMISED_MAX:
        text = f"a round gives away {max(numbers.squared_e15, numbers.slack_e15) / UNITS:g}, the ledger counts up to "
        hint = "Build it for a smaller epsilon, or without noise."
        raise plan_error(codes.NOT_PRIVATE, f"{text}{PROMISED_MAX // UNITS} a round", "privacy", hint=hint)
    return body | {"privacy": asdict(numbers)}


async def rules_of(ledger: Ledger) -> int:
    """Return the version of the rules in force."""
    return int((await ledger.query("GetFederation"))["rules"])


async def check_proposed(ledger: Ledger, run: Path, org: str, user: str, body: dict[str, Any]) -> bool:
    """Check that a proposal to register a plan says what the plan's file gives; False: no service that answers has it.

    Raises:
        NodeError: FL4019, it says something else.
        PlanError: FL3001 … FL3003, the blob is no plan file.
    """
    try:
        raw = await fetch(run, org, body["plan"], user)
    except NodeError as error:
        if error.code != codes.BLOB_MISSING:
            raise
        return False
    due = registration(read_plan(raw, body["plan"]), await rules_of(ledger))
    said = {key: value for key, value in body.items() if key != "passport"}
    differing = [key for key in sorted({*due, *said}) if due.get(key) != said.get(key)]
    if differing:
        text = f"the proposal says something else than the plan's file of: {', '.join(differing)}"
        raise NodeError(codes.PROPOSAL_DIFFERS, text, where=body["plan"], hint="Vote --no, and ask who proposed it.")
    return True
