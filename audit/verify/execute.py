"""A block's endorser transactions: their codes recomputed, their writes applied, their rules run again."""

import json
from collections import Counter
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import transaction_pb2

from audit import codes
from audit.fabric.channel import ChannelConfig
from audit.fabric.endorsement import Unsettled
from audit.fabric.envelope import Action
from audit.fabric.lifecycle import UndefinedError, approved_by, defines, definition
from audit.fabric.mvcc import apply_writes, read_conflict
from audit.fabric.state import State
from audit.fabric.transactions import Checked, check_transaction
from audit.fabric.wire import WireError, read_json
from audit.verify.compare import Comparison, claimed_refusal, compare, compare_foreign, proposes
from audit.verify.history import note_history
from audit.verify.replay import Replayer, ReplayError
from audit.verify.verdict import Record, Rule, Unchecked

VALID = transaction_pb2.VALID
LEFT_OPEN = {"refusal": Unchecked.REFUSAL, "fault": Unchecked.FAULT, "aggregate": Unchecked.SUM}
"""What replay calls unchecked of one transaction. A name that stands nowhere here is an error, not a silence."""
COUNTED = {"update": Unchecked.UPDATE, "sealed": Unchecked.SEALED}
"""What an endorser must hold when it is committed to, and an audit may come too late to see; said once, counted."""


class Execution:
    """Runs blocks of endorser transactions against the re-derived state."""

    def __init__(self, state: State, record: Record, chaincode: str, replayer: Replayer | None) -> None:
        self._state, self._record, self._chaincode, self._replayer = state, record, chaincode, replayer

    def block(self, config: ChannelConfig, block: common_pb2.Block) -> list[Checked]:
        """Recompute the codes of a block's transactions in order and apply the valid ones; raises WireError."""
        unsettled = Unsettled()
        checked = [check_transaction(self._state, config, i, raw, unsettled) for i, raw in enumerate(block.data.data)]
        _mark_duplicates(checked)
        for one in checked:
            if one.code == VALID and one.action is not None:
                one.code = read_conflict(self._state, one.action)
            if one.code == VALID and one.action is not None:
                self._apply(one, block.header.number)
                self._compare(one, block.header.number)
            self._note_expiry(one, block.header.number)
        return checked

    def _apply(self, checked: Checked, number: int) -> None:
        action, transaction = checked.action, checked.transaction
        assert action is not None
        assert transaction is not None
        version = (number, transaction.index)
        apply_writes(self._state, action, version)
        if action.event is not None and checked.creator is not None and action.chaincode == self._chaincode:
            event, who = action.event, checked.creator.msp_id
            self._state.event(version, checked.txid, transaction.timestamp_ms, who, event.event_name, event.payload)
        if action.chaincode == self._chaincode:
            note_history(self._state, action, self._chaincode, number, transaction.timestamp_ms)

    def definitions(self, config: ChannelConfig, number: int, checked: list[Checked]) -> None:
        """Note each definition of the chaincode that a finished block put in force, and who had approved it."""
        for one in checked:
            if one.code != VALID or one.action is None or not defines(one.action, self._chaincode):
                continue
            try:
                approved = approved_by(self._state, config, self._chaincode)
            except (UndefinedError, WireError):
                approved = []
            endorsed = sorted({endorser.msp_id for endorser in one.endorsers})
            facts = {**definition(self._state, self._chaincode), "endorsed": endorsed, "approved": approved}
            self._state.note("definition", Rule.DEFINITION.value, number, one.txid, json.dumps(facts))
            alone = sorted(set(endorsed) - set(approved))
            if not alone:
                self._record.hold(Rule.DEFINITION)
            elif approved:  # an embedded network keeps no approvals at all; the report shows it
                text = f"{', '.join(alone)} endorsed a definition of {self._chaincode} without approving it"
                self._record.fail(Rule.DEFINITION, number, text, one.txid)

    def compare(self, number: int, checked: list[Checked], recorded: bytes) -> None:
        """Compare the recomputed codes with those that the peer recorded."""
        for one, code in zip(checked, recorded, strict=False):
            if one.code == code:
                self._record.hold(Rule.VALIDATION_CODE)
                continue
            text = f"recorded {_code_name(code)}, recomputed {_code_name(one.code)}"
            self._record.fail(Rule.VALIDATION_CODE, number, f"{text}: {one.reason}" if one.reason else text, one.txid)

    def _note_expiry(self, checked: Checked, number: int) -> None:
        if checked.transaction is None or checked.code != VALID:
            return
        for identity in (checked.creator, *checked.endorsers):
            if identity is not None and identity.expired_at(checked.transaction.timestamp_ms):
                text = f"{identity.msp_id} used a certificate outside its validity"
                self._record.fail(Rule.EXPIRED, number, text, checked.txid)
                return
        self._record.hold(Rule.EXPIRED)

    def _compare(self, checked: Checked, number: int) -> None:
        """Hold a transaction against the rules; what it wrote counts as compared only once that is done."""
        action, transaction = checked.action, checked.transaction
        assert action is not None
        assert transaction is not None
        own = action.chaincode == self._chaincode
        concerned = own or self._chaincode in action.touched.namespaces
        if concerned:
            self._state.apply_uncompared()
        run = own and self._replayer is not None
        comparison = self._run(checked, number) if run else compare_foreign(action, self._chaincode)
        for rule, breach in comparison.findings:
            if breach:
                self._record.fail(rule, number, breach, transaction.txid)
            else:
                self._record.hold(rule)
        if concerned and self._replayer is not None:
            self._correct(self._replayer, sorted(comparison.differing))
            self._state.mark_compared()

    def _correct(self, replayer: Replayer, keys: list[str]) -> None:
        """Let the rules go on from what the chain holds, so that each breach is found at its own place."""
        if keys:
            replayer.correct((key, self._state.value((self._chaincode, "", key.encode()))) for key in keys)

    def _run(self, checked: Checked, number: int) -> Comparison:
        """Run a transaction of the rules' chaincode again and compare what it committed."""
        action, transaction, creator = checked.action, checked.transaction, checked.creator
        assert action is not None
        assert transaction is not None
        assert creator is not None
        assert self._replayer is not None
        refusal = claimed_refusal(action, self._chaincode)
        answer = self._replayer.transaction(transaction, action, creator, number, refusal)
        self._note_open(answer, action, number, transaction.txid)
        return compare(answer, action, transaction.txid, self._chaincode)

    def _note_open(self, answer: dict[str, Any], action: Action, number: int, txid: str) -> None:
        """Note which attempt's sum was made again from its masked updates, and what was left open."""
        where = _attempt(action)
        if proposes(action) and "aggregate" in answer["checked"] and not answer["error"]:
            digest = read_json(action.arguments[1])["aggregate"]
            self._state.note("recomputed", Rule.AGGREGATE.value, number, txid, f"{where}/{digest}")
        for what in answer["unchecked"]:
            if what in COUNTED:
                name = f"unseen_{COUNTED[what].value}"
                self._state.remember(name, self._state.recall(name, 0) + 1)
            elif what in LEFT_OPEN:
                self._record.leave(LEFT_OPEN[what], number, txid, attempt=where)
            else:
                raise ReplayError(codes.REPLAY_FAILED, f"the rules left a check open that has no name here: {what}")


def _attempt(action: Action) -> str:
    """Name the attempt that a transaction is about, as "training/round/attempt", "" where it names none."""
    try:
        argument = dict(read_json(action.arguments[1]))
    except (ValueError, TypeError, IndexError):
        return ""
    return "/".join(str(argument.get(name, "")) for name in ("training", "round", "attempt"))


def _mark_duplicates(checked: list[Checked]) -> None:
    """Within a block the first valid use of a transaction id counts, later ones are duplicates."""
    seen: Counter[str] = Counter()
    for one in checked:
        if one.code != VALID:
            continue
        if seen[one.txid]:
            one.code, one.reason = transaction_pb2.DUPLICATE_TXID, "the block holds the transaction id twice"
        seen[one.txid] += 1


def _code_name(code: int) -> str:
    try:
        return f"{transaction_pb2.TxValidationCode.Name(code)} ({code})"
    except ValueError:
        return f"unknown code {code}"
