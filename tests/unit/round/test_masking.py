"""A node that its own blob service knows better than its journal drops out."""

import secrets
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from fl_node.blobs.store import About, BlobStore
from fl_node.journal.journal import AttemptJournal, Journal
from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import Round, Training
from fl_node.metrics import Metrics
from fl_node.round.attempts import Attempts
from fl_node.round.carry_out import CarryOutDependencies, Deeds
from fl_node.round.effects import PublishKeys
from fl_node.round.masking import MASKED, SHARES, Attempt
from fl_node.secagg import messages as m
from tests.unit.round.test_checks import DIGEST, KNOWN, ROUND

TRAINING = Training.model_validate(
    {"training": "t", "plan": DIGEST, "rounds": 1, "cohort": 4, "head": {"round": 0, "state": DIGEST, "depth": 0}}
)


@pytest.mark.parametrize("kind", [SHARES, MASKED])
@pytest.mark.parametrize("recorded", [True, False])
def test_t6_shares_dealt_or_a_vector_masked_before_a_restored_journal_end_the_attempt(
    tmp_path: Path, kind: str, recorded: bool
):
    store = BlobStore(tmp_path / "blobs")
    store.put(b"sealed or masked", About("hospital-a", note=f"{ROUND.name} {kind}"))
    with Journal(tmp_path / "journal", tmp_path / "journal.key") as journal:
        if recorded:
            journal.attempt("t", 1, 1).record(kind, b"1")
        own = Attempts(node(journal, store)).local_state(ROUND, TRAINING)
    assert own.dropped is not recorded


def node(journal: Journal, store: BlobStore) -> CarryOutDependencies:
    made = SimpleNamespace(
        organisation="hospital-a",
        workshop=SimpleNamespace(trained=lambda *_: True, ready=lambda _: True, fits=lambda _: True),
        journal=journal,
        store=store,
        metrics=Metrics(),
        ledger=None,
        me="a",
        msp="aMSP",
    )
    return cast("CarryOutDependencies", made)


class Publishing:
    """An attempt whose keys, from its journal, the ledger refuses with some code."""

    def __init__(self, records: AttemptJournal, code: str) -> None:
        self.records, self.code = records, code

    async def publish_keys(self, _: Round) -> None:
        if self.records.get("secret") is None:
            self.records.record("secret", secrets.token_bytes(32))
        raise LedgerError(self.code, "refused")


@pytest.mark.parametrize(
    ("code", "shared", "fresh"), [("FL0412", False, True), ("FL0412", True, False), ("FL4401", False, False)]
)
async def test_t5_keys_that_somebody_else_published_first_are_drawn_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, shared: bool, fresh: bool
):
    async def opened(_: object, __: Round, records: AttemptJournal) -> Publishing:
        return Publishing(records, code)

    monkeypatch.setattr(Attempt, "open", opened)
    drawn = []
    with Journal(tmp_path / "journal", tmp_path / "journal.key") as journal:
        deeds = Deeds(node(journal, BlobStore(tmp_path / "blobs")))
        if shared:
            journal.attempt("t", 1, 1).record(SHARES, b"1")
        for _ in range(2):
            with pytest.raises(LedgerError):
                await deeds.do(ROUND, TRAINING, PublishKeys())
            drawn.append(journal.attempt("t", 1, 1).get("secret"))
    assert (drawn == [None, None]) is fresh


@pytest.mark.parametrize(("bucket", "examples", "declared"), [(1, 11, 11), (5, 11, 15), (5, 10, 10), (50, 1, 50)])
async def test_regression_examples_are_declared_in_the_buckets_that_the_consortium_chose(
    bucket: int, examples: int, declared: int
):
    told: dict[str, object] = {}

    async def nothing(*_: object) -> tuple[bytes, str]:
        return b"masked", DIGEST

    async def commit(*_: object, **update: object) -> None:
        told.update(update)

    attempt = SimpleNamespace(
        _shares_fixed=nothing,
        _masked=nothing,
        uncommitted=False,
        records=SimpleNamespace(get=lambda _: None),
        trusted=SimpleNamespace(count_bucket=bucket),
        placing=SimpleNamespace(commit=commit),
        participant=SimpleNamespace(receive=lambda _: []),
    )
    await Attempt.commit_update(cast("Attempt", attempt), ROUND, b"vector", examples)
    assert told["examples"] == declared


@pytest.mark.parametrize(
    ("masked", "uncommitted", "told"), [(True, False, True), (True, True, False), (False, False, False)]
)
async def test_t14_an_update_that_may_be_on_the_ledger_is_not_taken_to_be_missing_after_a_crash(
    monkeypatch: pytest.MonkeyPatch, masked: bool, uncommitted: bool, told: bool
):
    heard: list[object] = []

    async def nothing(*_: object) -> None:
        pass

    class EnoughError(Exception):
        """The participant has been asked to judge the survivors."""

    def receive(message: object) -> list[object]:
        heard.append(message)
        if isinstance(message, m.SurvivorsFixed):
            raise EnoughError
        return []

    monkeypatch.setattr("fl_node.round.known.frozen_as", lambda *_: None)
    monkeypatch.setattr("fl_node.round.known.earlier_sets", lambda *_: ())
    attempt = SimpleNamespace(
        _shares_fixed=nothing,
        node=SimpleNamespace(witnesses=SimpleNamespace(confirm=nothing), journal=None),
        trusted=KNOWN,
        uncommitted=uncommitted,
        records=SimpleNamespace(get=lambda _: b"masked" if masked else None),
        participant=SimpleNamespace(receive=receive),
    )
    with pytest.raises(EnoughError):
        await Attempt.reveal(cast("Attempt", attempt), ROUND)
    assert (m.UpdateCommitted(b"masked") in heard) is told


@pytest.mark.parametrize(
    ("code", "uncommitted"), [("FL0408", True), ("FL0410", False), ("FL4401", False), ("FL4005", False)]
)
async def test_t14_only_a_refusal_by_the_rules_shows_that_an_update_is_not_on_the_ledger(code: str, uncommitted: bool):
    async def nothing(*_: object) -> tuple[bytes, str]:
        return b"masked", DIGEST

    async def commit(*_: object, **__: object) -> None:
        raise LedgerError(code, "not committed")

    attempt = SimpleNamespace(
        _shares_fixed=nothing,
        _masked=nothing,
        uncommitted=False,
        records=SimpleNamespace(get=lambda _: None),
        trusted=SimpleNamespace(count_bucket=1),
        placing=SimpleNamespace(commit=commit),
    )
    with pytest.raises(LedgerError):
        await Attempt.commit_update(cast("Attempt", attempt), ROUND, b"vector", 1)
    assert attempt.uncommitted is uncommitted
