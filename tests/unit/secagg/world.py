"""A simulated attempt with everything at hand that an attacker, or a crash, could change."""

from dataclasses import replace

import pytest

from fl_node.secagg import errors
from fl_node.secagg import messages as m
from fl_node.secagg.layout import Layout
from fl_node.secagg.participant import Participant
from fl_node.secagg.records import MemoryRecords
from fl_node.secagg.session import Session
from fl_node.secagg.simulation import Simulation, session_of

LAYOUT = Layout.from_fields(
    {
        "version": 1,
        "count": None,
        "segments": [
            {"name": "model", "kind": "value", "word": 32, "ring": 32, "max": 65535, "slots": 9},
            {"name": "one", "kind": "one", "word": 32, "ring": 32, "max": 1, "slots": 1},
        ],
    }
)
VECTOR = bytes(LAYOUT.pack({"model": list(range(9)), "one": [1]}))
OTHER_VECTOR = bytes(LAYOUT.pack({"model": list(range(1, 10)), "one": [1]}))
ME = "hospital-000"


class World:
    """A simulated attempt with the journals at hand."""

    def __init__(self, cohort: int = 5, **changes: object) -> None:
        self.journals: dict[str, MemoryRecords] = {}
        self.session: Session = session_of(LAYOUT, cohort, **changes)
        self.run = Simulation(self.session, records=self._records)
        self.me = self.run.participants[ME]

    def _records(self, name: str) -> MemoryRecords:
        return self.journals.setdefault(name, MemoryRecords())

    def until_keys(self) -> "World":
        self.run.publish_keys()
        return self

    def until_shares(self) -> "World":
        self.until_keys().run.commit_shares()
        return self

    def until_updates(self, *dropouts: str) -> "World":
        vectors = dict.fromkeys(self.session.cohort, VECTOR)
        self.until_shares().run.commit_updates(vectors, dropouts)
        return self

    def survivors(self, **changes: object) -> m.SurvivorsFixed:
        updates = dict(self.run.updates)
        return replace(m.SurvivorsFixed(updates, self.session.members(updates)), **changes)

    def restarted(self, journal: MemoryRecords | None = None) -> Participant:
        return Participant(ME, journal or self.journals[ME])


def refused(code: str, participant: Participant, message: m.Incoming) -> None:
    with pytest.raises(errors.SecaggError) as refusal:
        participant.receive(message)
    assert code == refusal.value.code
