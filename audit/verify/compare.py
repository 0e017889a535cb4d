"""What a transaction committed against what the rules give for it.

Everything that a transaction leaves on the ledger is compared: each key and value, the event, the response. Where a
check could not be made again, its outcome is taken as committed, and what follows from the outcome is compared as well.

A scenario. Three of four organisations collude. They report that endorsers refused a sum, and write a balance beside
the flag that such a report raises. The masked updates are gone, so nobody can add them again to see whether the sum was
refused. The rules still say what a proven refusal writes: the flag and the slash, no balance. The write is found.
"""

import base64
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from audit.fabric.envelope import Action
from audit.fabric.wire import WireError, read_json
from audit.verify.verdict import Rule

SUCCESS = 200
"""The status of a chaincode's response to a transaction that it accepts."""
MOST_KEYS = 3
"""Keys that a finding names."""
REFUSED_FLAG = re.compile("\0flag\0.*\0refused-payload\0", re.DOTALL)
REASON = re.compile(r"\w+ of transaction [0-9a-f]{64}: (.*)", re.DOTALL)


@dataclass(frozen=True)
class Comparison:
    """What comparing one transaction with the rules gave.

    Attributes:
        findings: Each rule that was looked at, with what is wrong, "" where it holds.
        differing: The rules' keys that hold something else on the ledger than the rules gave. Invariant: where there
            are any, at least one finding says what is wrong.
    """

    findings: tuple[tuple[Rule, str], ...]
    differing: frozenset[str]

    def __post_init__(self) -> None:
        if self.differing and not any(breach for _, breach in self.findings):
            raise ValueError("a difference without a finding")


def compare(answer: dict[str, Any], action: Action, txid: str, chaincode: str) -> Comparison:
    """Compare a transaction of the rules' chaincode with the rules' answer to it."""
    committed, foreign = dict(_writes(action, chaincode)), compare_foreign(action, chaincode).findings
    summed = proposes(action) and "aggregate" in answer["checked"]
    if answer["error"]:
        refused = Rule.AGGREGATE if summed else Rule.REPLAY_REFUSED
        return Comparison((*foreign, (refused, f"the rules refuse it: {answer['error']}")), frozenset(committed))
    given = dict(answer["writes"])
    keys = {key for key in committed.keys() | given.keys() if committed.get(key, "") != given.get(key, "")}
    findings = [
        *foreign,
        (Rule.REPLAY_REFUSED, ""),
        (Rule.REPLAY_WRITES, f"the rules write something else at {_shown(keys)}" if keys else ""),
        (Rule.REPLAY_EVENT, "" if _event(action, txid) == answer["event"] else "the rules give another event"),
        (
            Rule.REPLAY_RESPONSE,
            "" if action.response == (SUCCESS, "", answer["response"]) else "the rules give another response",
        ),
    ]
    if summed:
        findings.append((Rule.AGGREGATE, ""))
    return Comparison(tuple(findings), frozenset(keys))


def compare_foreign(action: Action, chaincode: str) -> Comparison:
    """Compare what can be compared without running the rules: who writes into whose namespace.

    The rules write their own public keys and nothing else, and nobody but they writes there. Endorsements alone do not
    tell: whoever can satisfy a policy can write into its namespace from a transaction of any other chaincode.
    """
    breach = foreign_writes(action, chaincode)
    strangers = dict(_writes(action, chaincode)) if action.chaincode != chaincode else {}
    return Comparison(((Rule.REPLAY_WRITES, breach),) if breach else (), frozenset(strangers))


def proposes(action: Action) -> bool:
    """Whether an action publishes a sum; a report of a fault has a refused one checked again, which is nobody's sum."""
    return action.arguments[:1] == (b"ProposeAggregate",)


def claimed_refusal(action: Action, chaincode: str) -> str:
    """Return why, as the ledger says, endorsers refused the sum that a report brings; "" where it says nothing.

    It is the last part of the flag's detail, and the only text in a write that the rules do not determine where the
    masked updates are gone. Everything around it they do.
    """
    for key, value in _writes(action, chaincode):
        if value is None or not REFUSED_FLAG.fullmatch(key):
            continue
        try:
            detail = read_json(base64.b64decode(value))["detail"]
            found = REASON.fullmatch(detail)
        except (WireError, LookupError, TypeError):
            return ""
        return found[1] if found else ""
    return ""


def foreign_writes(action: Action, chaincode: str) -> str:
    """Say which writes of an action cross the rules' namespace, or are made twice; "" where none do."""
    twice = _written_twice(action)
    if twice:
        return f"{action.chaincode!r} writes {twice} twice, which no peer's simulation does"
    touched = action.touched
    if action.chaincode != chaincode:
        return f"{action.chaincode!r} writes into {chaincode}" if chaincode in touched.namespaces else ""
    others = sorted(touched.namespaces - {chaincode})
    if others:
        return f"{chaincode} writes into {others[0]!r}"
    special = touched.collections or touched.marked
    return f"{chaincode} writes private data or keys' policies" if special else ""


def _written_twice(action: Action) -> str:
    """Name a key that an action writes more than once: what then holds differs between Fabric's peers and readers."""
    counts = Counter((ns, "", write.key.encode()) for ns, rwset in action.rwsets for write in rwset.writes)
    counts += Counter((ns, coll, w.key_hash) for ns, coll, hashed in action.hashed_rwsets for w in hashed.hashed_writes)
    twice = sorted(place for place, count in counts.items() if count > 1)
    return _shown({twice[0][2].decode(errors="backslashreplace")}) if twice else ""


def _writes(action: Action, chaincode: str) -> Iterator[tuple[str, str | None]]:
    """Yield the public writes that a transaction committed to a chaincode's namespace, as replay prints them."""
    for ns, rwset in action.rwsets:
        if ns == chaincode:
            for write in rwset.writes:
                gone = write.is_delete or not write.value
                yield write.key, None if gone else base64.b64encode(write.value).decode()


def _event(action: Action, txid: str) -> list[str] | None:
    """Return an action's event as replay prints one; one that names another transaction is none of the rules'."""
    if action.event is None:
        return None
    if action.event.tx_id != txid:
        return []
    return [action.event.event_name, base64.b64encode(action.event.payload).decode()]


def _shown(keys: set[str]) -> str:
    return ", ".join(key.strip("\0").replace("\0", "/") for key in sorted(keys)[:MOST_KEYS])
