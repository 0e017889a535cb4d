"""For every way in which an audit leaves something unchecked: a ledger on which it does, and a foreign write in it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import transaction_pb2 as codes

from audit.fabric.wire import TRANSACTIONS_FILTER
from audit.verify.verdict import Rule, Unchecked, Verdict
from audit.verify.witness import Witness, judge
from fl_node.canonical import canonical_json
from tests.auditor.corpus import Ledger
from tests.auditor.federation_corpus import MAJORITY, call, forged, places
from tests.auditor.forge import Chain, Opened

Change = Callable[[Ledger, Opened], None]
VICTIM = "\0balance\0RegulatorMSP\0"


def write_a_balance(ledger: Ledger, opened: Opened) -> None:
    """Write somebody's balance beside what the rules write."""

    def change(rwset: kv_rwset_pb2.KVRWSet) -> None:
        assert all(write.key != VICTIM for write in rwset.writes)
        rwset.writes.add(key=VICTIM, value=b'{"amount":0}')

    opened.rwset(change, ledger.chaincode)


def write_private_data(ledger: Ledger, opened: Opened) -> None:
    """Write into an organisation's collection, which needs no rules to be found."""

    def change(hashed: kv_rwset_pb2.HashedRWSet) -> None:
        hashed.hashed_writes.add(key_hash=b"k" * 32, value_hash=b"v" * 32)

    opened.collection(change, ledger.chaincode, "_implicit_org_HospitalAMSP")


def say_nothing(_ledger: Ledger, opened: Opened) -> None:
    """Leave out the event."""
    opened.result.events = b""


def break_the_state(ledger: Ledger, opened: Opened) -> None:
    """Write what the rules cannot read again."""

    def change(rwset: kv_rwset_pb2.KVRWSet) -> None:
        for write in rwset.writes:
            write.value = b"\xff no JSON"

    opened.rwset(change, ledger.chaincode)


def adopt(ledger: Ledger, opened: Opened) -> None:
    """Register a plan that began from another consortium's model."""
    digest = "f" * 64
    parent: dict[str, Any] = dict.fromkeys(("genesis", "passport", "state", "lineage"), digest)
    parent |= dict.fromkeys(("channel", "chaincode", "release", "training"), "abroad")
    parent |= {"round": 1, "steps": 1, "released_ms": 1, "signed_by": ["OtherMSP"], "withdrawn_ms": 0}
    plan: dict[str, Any] = {
        "plan": digest,
        "name": "onward",
        "layout": {},
        "layout_digest": digest,
        "update_bytes": 1,
        "retired": True,
    }
    plan |= {"initial_state": digest, "schema": digest, "registered_ms": 1, "parent": parent}

    def change(rwset: kv_rwset_pb2.KVRWSet) -> None:
        rwset.writes.add(key=f"\0plan\0{digest}\0", value=canonical_json(plan))

    opened.rwset(change, ledger.chaincode)


def nobody(_verdict: Verdict) -> None:
    """Ask no other organisation."""


def silent(verdict: Verdict) -> None:
    """Hear nothing of the other organisations."""
    judge(verdict, [Witness(name, error="refused") for name in ("a", "b", "c", "regulator")], "regulator")


def further(verdict: Verdict) -> None:
    """Hear of a later block from one's own peer and from another."""
    last, height = verdict.last_hash, verdict.height + 1
    judge(verdict, [Witness("a", last, height), Witness("regulator", last, height)], "regulator")


@dataclass(frozen=True)
class Case:
    """How an audit comes to leave something unchecked, and where a foreign write is hidden.

    Attributes:
        function: The last transaction of this function is forged.
        pin: Whether the audit is pinned to the genesis block.
        blobs: Whether the audit has the masked updates.
        rules: Whether it runs the rules.
        ask: What other organisations say.
        hide: The foreign write.
        lead: A forgery in the same transaction without which nothing would be left unchecked; None where an honest
            ledger leaves it unchecked too.
        rule: What must fail first.
        beside: A blob that the audit has beside the masked updates; b"plan" has the digest of the ledger's plan.
    """

    function: str = "Settle"
    pin: bool = True
    blobs: bool = True
    rules: bool = True
    ask: Callable[[Verdict], None] = nobody
    hide: Change = write_a_balance
    lead: Change | None = None
    rule: Rule = Rule.REPLAY_WRITES
    beside: bytes = b""


CASES = {
    Unchecked.NO_PIN: Case(pin=False),
    Unchecked.NO_COMMIT_HASH: Case(),
    Unchecked.REFUSAL: Case("ReportFault:refused_payload", blobs=False),
    Unchecked.FAULT: Case("ReportFault:garbage", blobs=False),
    Unchecked.SUM: Case("ProposeAggregate", blobs=False),
    Unchecked.UPDATE: Case("CommitUpdate", blobs=False),
    Unchecked.SEALED: Case("CommitShares", blobs=False),
    Unchecked.STATE: Case(beside=b"plan"),
    Unchecked.PARENT: Case(lead=adopt),
    Unchecked.NO_FEDERATION: Case("Found", lead=say_nothing),
    Unchecked.UNREADABLE: Case("OpenRound", lead=break_the_state),
    Unchecked.RULES_NOT_RUN: Case(rules=False, hide=write_private_data),
    Unchecked.LATER_BLOCKS: Case(),
    Unchecked.FEW_WITNESSES: Case(ask=silent),
    Unchecked.OLD_FOLDER: Case(ask=further),
}


def find(ledger: Ledger, chain: Chain, function: str) -> tuple[int, int]:
    """Return where the last transaction of a function lies; "ReportFault:garbage" names the kind that it reports."""
    name, _, kind = function.partition(":")
    found = []
    for block, index in places(ledger, chain, name):
        if not kind or call(Opened.of(chain[block].data.data[index]))[1]["kind"] == kind:
            found.append((block, index))
    return found[-1]


def hide(ledger: Ledger, chain: Chain, case: Case) -> int:
    """Forge a case's transaction, endorsed by a majority and recorded as valid; returns its block."""
    place = find(ledger, chain, case.function)
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    for change in (case.lead, case.hide):
        if change is not None:
            change(ledger, opened)
    forged(ledger, chain, place, opened, MAJORITY)
    assert chain[place[0]].metadata.metadata[TRANSACTIONS_FILTER][place[1]] == codes.VALID
    return place[0]
