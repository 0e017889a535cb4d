"""A block's endorser transactions: their codes recomputed, their writes applied, their rules run again."""

import json
from collections import Counter
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import transaction_pb2 as codes

from audit.fabric.channel import ChannelConfig
from audit.fabric.envelope import Action
from audit.fabric.lifecycle import UndefinedError, approved_by, defines, definition
from audit.fabric.mvcc import apply_writes, read_conflict
from audit.fabric.state import State
from audit.fabric.transactions import Checked, check_transaction
from audit.fabric.wire import WireError, read_json
from audit.verify.replay import Replayer, differences, foreign_writes, proposes
from audit.verify.verdict import Record, Rule

VALID = codes.VALID
MOST_BREACHES = 100
"""Breaches after which the rules are not run any more: each makes the replay start anew from the chain's state."""

UNSEEN = {"update": "masked updates", "sealed": "bundles of sealed shares"}
"""What an endorser must hold when it is committed to, and an audit may come too late to see."""


class Execution:
    """Runs blocks of endorser transactions against the re-derived state."""

    def __init__(self, state: State, record: Record, chaincode: str, replayer: Replayer | None) -> None:
        self._state, self._record, self._chaincode, self._replayer = state, record, chaincode, replayer
        self._breaches, self._unrun = 0, -1

    def block(self, config: ChannelConfig, block: common_pb2.Block) -> list[Checked]:
        """Recompute the codes of a block's transactions in order and apply the valid ones; raises WireError."""
        checked = [check_transaction(self._state, config, i, raw) for i, raw in enumerate(block.data.data)]
        _mark_duplicates(checked)
        for one in checked:
            if one.code == VALID and one.action is not None:
                one.code = read_conflict(self._state, one.action)
            if one.code == VALID and one.action is not None:
                self._apply(one, block.header.number)
                self._replay(one, block.header.number)
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
        if checked.unchecked:
            self._record.skip(Rule.VALIDATION_CODE, number, checked.unchecked, transaction.txid)

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

    def _replay(self, checked: Checked, number: int) -> None:
        action, transaction, creator = checked.action, checked.transaction, checked.creator
        assert action is not None
        assert transaction is not None
        assert creator is not None
        foreign = foreign_writes(action, self._chaincode)
        if foreign:
            self._record.fail(Rule.REPLAY_WRITES, number, foreign, transaction.txid)
        if action.chaincode != self._chaincode or self._replayer is None or self._breaches > MOST_BREACHES:
            self._not_run(number, own=action.chaincode == self._chaincode, foreign=foreign)
            return
        answer = self._replayer.transaction(transaction, action, creator, number)
        if "refusal" in answer["unchecked"]:
            text = f"the refusal of a sum of {_attempt(action)} was not made again: its masked updates are not at hand"
            self._record.skip(Rule.AGGREGATE, number, text, transaction.txid)
            self._replayer.restart(self._state.entries(self._chaincode))
            return
        breached = False
        for rule, breach in differences(answer, action, self._chaincode):
            if breach:
                breached = True
                self._record.fail(rule, number, breach, transaction.txid)
            else:
                self._record.hold(rule)
        self._note_sums(answer, action, number, transaction.txid)
        if breached:
            self._go_on()

    def _not_run(self, number: int, *, own: bool, foreign: str) -> None:
        """Remember which blocks' rules were not run; a state changed from outside is taken over as it stands."""
        if own:
            if self._unrun != number:
                self._unrun = number
                self._state.remember("rules_not_run", number)
        elif foreign and self._replayer is not None:
            self._go_on()

    def _go_on(self) -> None:
        """Let the rules go on from what the chain committed, so that each breach is found at its own place."""
        assert self._replayer is not None
        self._breaches += 1
        if self._breaches <= MOST_BREACHES:
            self._replayer.restart(self._state.entries(self._chaincode))

    def _note_sums(self, answer: dict[str, Any], action: Action, number: int, txid: str) -> None:
        """Note which attempt's sum was made again from its masked updates, and what was not."""
        where = _attempt(action)
        if proposes(action) and "aggregate" in (answer.get("checked") or []) and not answer.get("error"):
            digest = read_json(action.arguments[1])["aggregate"]
            self._state.note("recomputed", Rule.AGGREGATE.value, number, txid, f"{where}/{digest}")
        for what in answer.get("unchecked") or []:
            if what in UNSEEN:
                self._state.remember(f"unseen_{what}", self._state.recall(f"unseen_{what}", 0) + 1)
            elif what == "fault":
                text = f"the fault that {where} ended with was not proven again: its masked updates are not at hand"
                self._record.skip(Rule.AGGREGATE, number, text, txid)


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
            one.code, one.reason = codes.DUPLICATE_TXID, "the block holds the transaction id twice"
        seen[one.txid] += 1


def _code_name(code: int) -> str:
    try:
        return f"{codes.TxValidationCode.Name(code)} ({code})"
    except ValueError:
        return f"unknown code {code}"
