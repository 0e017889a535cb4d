"""Models that other consortia released and plans of this one began from: followed into their own channels' blocks."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from audit.evidence.fetch import FetchError, read_block
from audit.fabric.wire import header_hash
from audit.verify.verdict import Finding, Origin, Rule, Unchecked, Verdict
from fedledger_passport.envelope import Envelope
from fedledger_passport.errors import PassportError
from fl_node.canonical import canonical_json

BLOCKS, PASSPORT = "blocks", "passport"
SHOWN: Final = 16


@dataclass(frozen=True)
class Abroad:
    """What the audit of another channel's blocks found.

    Attributes:
        verdict: Of the whole audit.
        release: The release that was asked for, as `GetRelease` has it; None where there is none.
        final: Its round became Final where it says.
    """

    verdict: Verdict
    release: dict[str, Any] | None
    final: bool


Look = Callable[[Path, dict[str, Any]], Abroad]
"""Audits a folder of blocks from a parent's first block on, and looks for its release."""


def check_parents(verdict: Verdict, plans: Iterable[dict[str, Any]], given: Sequence[Path], look: Look) -> None:
    """Add to a verdict whether the models that plans began from are those that other channels released.

    Args:
        verdict: The verdict.
        plans: The channel's.
        given: Folders of other channels' blocks, and passports' files.
        look: How a folder is audited.
    """
    for plan in plans:
        if parent := plan.get("parent"):
            _check(verdict, plan, parent, given, look)


def _check(verdict: Verdict, plan: dict[str, Any], parent: dict[str, Any], given: Sequence[Path], look: Look) -> None:
    name = f"{plan['name']} ({plan['plan'][:SHOWN]})"
    if parent["withdrawn_ms"]:
        verdict.warnings.append(_finding(f"{name} began from a model that {parent['channel']} took back since"))
    folder = next((path for path in given if path.is_dir() and _begins(path, parent["genesis"])), None)
    if folder is not None:
        breaches = _breaches(verdict, plan, parent, look(folder, parent))
        for text in breaches:
            verdict.failed_rule(Rule.PARENT, f"{name}: {text}")
        if not breaches:
            verdict.held_rule(Rule.PARENT)
        verdict.origins.append(Origin.of(plan, BLOCKS))
        return
    held = any(_is_passport(path, parent["passport"]) for path in given if path.is_file())
    verdict.origins.append(Origin.of(plan, PASSPORT if held else ""))
    why = "its passport alone was given" if held else "they were not given"
    verdict.leave(Unchecked.PARENT, plan=name, channel=parent["channel"], genesis=parent["genesis"][:SHOWN], why=why)


def _begins(folder: Path, genesis: str) -> bool:
    try:
        return header_hash(read_block(folder, 0).header).hex() == genesis
    except FetchError:
        return False


def _is_passport(path: Path, digest: str) -> bool:
    try:
        return Envelope.read(path.read_bytes()).digest == digest
    except (PassportError, OSError):
        return False


def _breaches(verdict: Verdict, plan: dict[str, Any], parent: dict[str, Any], abroad: Abroad) -> list[str]:
    """Return why the other channel does not bear a parent out; take over what its audit left unchecked."""
    channel = parent["channel"]
    found = [f"the audit of {channel} does not hold: {one.text}" for one in abroad.verdict.failures[:1]]
    for one in abroad.verdict.unchecked:
        text = f"of {channel}: {one.text}"
        verdict.unchecked.append(Finding(one.code, -1, "", text, one.reason))
    verdict.origins.extend(abroad.verdict.origins)
    if abroad.release is None:
        return [*found, f"{channel} released no {parent['release']}"]
    statement = abroad.release["statement"]
    if sha256(canonical_json(statement)).hexdigest() != parent["passport"]:
        found.append(f"{channel} released another model as {parent['release']}")
    elif not abroad.final:
        found.append(f"the round of {parent['release']} became Final elsewhere")
    states = [one["digest"]["sha256"] for one in statement["subject"] if one["name"] == "state"]
    if states != [plan["initial_state"]]:
        found.append("its initial state is not that of the model")
    if abroad.release["withdrawal"] is not None and not parent["withdrawn_ms"]:
        verdict.warnings.append(_finding(f"{channel} has withdrawn {parent['release']}; nobody has brought that here"))
    return found


def _finding(text: str) -> Finding:
    return Finding(Rule.PARENT.value, -1, "", text)
