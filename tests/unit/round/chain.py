"""One attempt's ledger in memory, with the rules that its honest participants meet."""

from typing import Any, Final

from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import Round, Training
from fl_node.secagg.layout import Layout
from fl_node.secagg.session import Session
from tests.faults.synthetic import LAYOUT

NAMES: Final = ("a", "b", "c", "d")
VICTIM: Final = "b"
PLAN, STATE = "1" * 64, "2" * 64
FIELDS: Final = LAYOUT.model_dump(mode="json")
SESSION: Final = Session(
    "channel", "t", 1, 1, bytes.fromhex(PLAN), bytes.fromhex(STATE), Layout.from_fields(FIELDS), NAMES, 3
)
NEXT: Final = {"Keys": "Shares", "Shares": "Updates", "Updates": "Unmask", "Unmask": "Final"}
DEEDS: Final = {"PublishKeys": "keys", "CommitShares": "shares", "CommitUpdate": "updates", "RevealShares": "reveals"}
PHASE: Final = dict(zip(DEEDS, NEXT, strict=True))
TRAINING: Final = Training.model_validate(
    {"training": "t", "plan": PLAN, "rounds": 1, "cohort": 4, "head": {"round": 0, "state": STATE, "depth": 0},
     "finished": True}
)  # fmt: skip


class Killed(BaseException):  # no error: the process is gone
    """kill -9."""


class Chain:
    """The ledger: who delivered what in one attempt; `late` lets a phase end without all."""

    def __init__(self) -> None:
        self.phase, self.late, self.rules = "Keys", False, 1
        self.members: tuple[dict[str, Any], ...] = ()
        self.aggregators: tuple[str, ...] = ()
        self.records: dict[str, dict[str, Any]] = {kind: {} for kind in DEEDS.values()}
        self.fixed: dict[str, tuple[str, ...]] = {}

    def view(self) -> Round:
        keys, shares, updates, reveals = self.records.values()
        return Round.model_validate(
            {
                "training": "t", "round": 1, "attempt": 1, "phase": self.phase, "plan": PLAN, "base_state": STATE,
                "deadline_ms": 0 if self.late else 1 << 60, "layout_digest": SESSION.layout.digest.hex(),
                "voters": 4, "majority": 3, "session": SESSION.digest.hex(), "threshold": 3, "cohort": NAMES,
                "keys": keys, "shares": shares,
                "updates": updates, "revealed": tuple(reveals), "u1": self.fixed.get("Shares", ()),
                "u2": self.fixed.get("Updates", ()), "survivors": self.fixed.get("Unmask", ()), "rules": self.rules,
                "members": self.members, "aggregators": self.aggregators,
            }
        )  # fmt: skip

    def give(self, keys: dict[str, dict[str, str]]) -> None:
        """Open with the keys that everybody has laid ready, by version 2 of the rules."""
        self.records["keys"], self.phase, self.rules, self.fixed["Shares"] = keys, "Shares", 2, NAMES

    def leave_to(self, carrier: str) -> None:
        """Let words be carried, by version 2 of the rules, first by this one."""
        self.rules, self.aggregators = 2, (carrier,)
        self.members = tuple({"participant": name, "msp_id": f"{name}MSP", "rows": 10} for name in NAMES)

    def take(self, who: str, function: str, arguments: dict[str, Any]) -> None:
        record = self.records[DEEDS[function]]
        if who in record:
            raise LedgerError("FL0410", "done already")
        if self.phase != PHASE[function]:
            raise LedgerError("FL0408", "another phase")
        record[who] = arguments

    def advance(self) -> bool:
        records = self.records[dict(zip(NEXT, DEEDS.values(), strict=True))[self.phase]]
        arrived = tuple(name for name in NAMES if name in records)
        expected = {"Keys": NAMES, "Unmask": self.fixed.get("Unmask", ())}.get(self.phase) or self.fixed[self.phase]
        if not (set(expected) <= set(arrived) or self.late) or len(arrived) < 3:
            return False
        self.phase, self.late = NEXT[self.phase], False
        self.fixed[self.phase] = arrived
        return True
