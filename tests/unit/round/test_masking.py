"""A node's own part in an attempt: what it says once, says again after a restart, and refuses."""

import secrets
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fl_node import codes
from fl_node.blobs.store import About, BlobStore
from fl_node.errors import NodeError, RefusalError
from fl_node.journal.journal import AttemptJournal, Journal
from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import Round, Training
from fl_node.metrics import Metrics
from fl_node.round import known
from fl_node.round.attempts import RECORDED, Attempts
from fl_node.round.budget import so_far
from fl_node.round.carry_out import CarryOutDependencies, Deeds
from fl_node.round.effects import PublishKeys
from fl_node.round.masking import KEYS, MASKED, REVEAL, SHARES, Attempt
from fl_node.round.speaking import Speaking, SpeakingDependencies
from fl_node.secagg import messages as m
from fl_node.secagg.layout import Layout
from tests.unit.round.chain import DEEDS, FIELDS, NAMES, VICTIM, Killed
from tests.unit.round.cohort import Member, World, running
from tests.unit.round.test_budget import PROMISE
from tests.unit.round.test_checks import DIGEST, KNOWN, ROUND
from tests.unit.round.test_crashes import chain_is_whole, judged, steps

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
    assert own.dropped == ("" if recorded else codes.JOURNAL_RESTORED)


@pytest.mark.parametrize(("opened_ms", "left"), [(999, True), (1000, False)])
def test_t6_a_node_whose_folder_was_restored_leaves_every_attempt_that_was_opened_before(
    tmp_path: Path, opened_ms: int, left: bool
):
    """Its journal is not in the backup: nobody here knows what it masked in that attempt."""
    with Journal(tmp_path / "journal", tmp_path / "journal.key") as journal:
        attempts = Attempts(node(journal, BlobStore(tmp_path / "blobs"), restored_ms=1000))
        own = attempts.local_state(ROUND.model_copy(update={"opened_ms": opened_ms}), TRAINING)
    assert own.dropped == (codes.JOURNAL_RESTORED if left else "")


def test_a_node_heeds_its_own_word_on_the_ledger_that_it_has_left(tmp_path: Path):
    """Why it left was not in its journal: it was mended, and started again."""
    told = {"a": {"phase": "Keys", "reason": codes.NO_DATA, "time_ms": 1}}
    view = Round.model_validate(ROUND.model_dump() | {"dropouts": told})
    with Journal(tmp_path / "journal", tmp_path / "journal.key") as journal:
        attempts = Attempts(node(journal, BlobStore(tmp_path / "blobs")))
        assert attempts.local_state(ROUND, TRAINING).dropped == ""
        assert attempts.local_state(view, TRAINING).dropped == codes.NO_DATA


def test_why_a_node_left_is_known_after_a_restart(tmp_path: Path):
    """It may have died before it had told the others."""
    with Journal(tmp_path / "journal", tmp_path / "journal.key") as journal:
        store = BlobStore(tmp_path / "blobs")
        Attempts(node(journal, store)).drop(ROUND, codes.RUNTIME_FAILED)
        own = Attempts(node(journal, store)).local_state(ROUND, TRAINING)
    assert own.dropped == codes.RUNTIME_FAILED


def node(journal: Journal, store: BlobStore, restored_ms: int = 0) -> CarryOutDependencies:
    made = SimpleNamespace(
        organisation="hospital-a",
        workshop=SimpleNamespace(trained=lambda *_: True, ready=lambda _: True, unfit=lambda _: ""),
        journal=journal,
        store=store,
        metrics=Metrics(),
        ledger=None,
        me="a",
        msp="aMSP",
        restored_ms=restored_ms,
    )
    made.speaking = Speaking(cast("SpeakingDependencies", made))
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
        trusted=replace(KNOWN, count_bucket=bucket),
        placing=SimpleNamespace(commit=commit),
        participant=SimpleNamespace(receive=lambda _: []),
    )
    await Attempt.commit_update(cast("Attempt", attempt), ROUND, b"vector", examples)
    assert told["examples"] == declared


async def test_a_private_update_counts_before_it_is_masked(tmp_path: Path):
    """Where the disk refuses to note it, nothing is masked; noted once, it counts also if the process dies then."""

    async def nothing(*_: object) -> None:
        pass

    async def masked(*_: object) -> None:
        raise Killed

    with Journal(tmp_path / "journal", tmp_path / "journal.key") as journal:
        attempt = SimpleNamespace(
            _shares_fixed=nothing,
            _masked=masked,
            uncommitted=False,
            records=SimpleNamespace(get=lambda _: None),
            trusted=replace(KNOWN, promise=PROMISE),
            node=SimpleNamespace(journal=journal),
        )
        with pytest.raises(Killed):
            await Attempt.commit_update(cast("Attempt", attempt), ROUND, b"vector", 1)
        assert so_far(journal) == PROMISE.loss


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
    monkeypatch.setattr("fl_node.round.known.earlier_groups", lambda *_: ())
    attempt = SimpleNamespace(
        _shares_fixed=nothing,
        node=SimpleNamespace(
            witnesses=SimpleNamespace(confirm=nothing), speaking=SimpleNamespace(pace=1.0), journal=None
        ),
        trusted=KNOWN,
        uncommitted=uncommitted,
        records=SimpleNamespace(get=lambda _: b"masked" if masked else None),
        participant=SimpleNamespace(receive=receive),
    )
    with pytest.raises(EnoughError):
        await Attempt.reveal(cast("Attempt", attempt), ROUND)
    assert (m.UpdateCommitted(b"masked") in heard) is told


@pytest.mark.parametrize("handed", [False, True])
@pytest.mark.parametrize(
    ("codes", "uncommitted"),
    [
        (["FL0408"], True),
        (["FL0501", "FL0408"], True),
        (["FL0410"], False),
        (["FL4401"], False),
        (["FL4005"], False),
        (["FL4401", "FL0408"], False),
    ],
)
async def test_t14_only_refusals_by_the_rules_show_that_an_update_is_not_on_the_ledger(
    codes: list[str], uncommitted: bool, handed: bool
):
    masked: list[bytes] = []

    async def nothing(*_: object) -> tuple[bytes, str]:
        return b"masked", DIGEST

    async def commit(*_: object, **__: object) -> None:
        masked.append(b"masked")
        raise LedgerError(codes[len(masked) - 1], "not committed")

    attempt = SimpleNamespace(
        _shares_fixed=nothing,
        _masked=nothing,
        uncommitted=False,
        records=SimpleNamespace(get=lambda _: masked[0] if masked else None),
        trusted=KNOWN,
        placing=SimpleNamespace(commit=commit),
        node=SimpleNamespace(speaking=SimpleNamespace(ever_handed=lambda *_: handed)),
    )
    for _ in codes:
        with pytest.raises(LedgerError):
            await Attempt.commit_update(cast("Attempt", attempt), ROUND, b"vector", 1)
    assert attempt.uncommitted is (uncommitted and not handed)


async def test_a_node_restarted_once_in_each_phase_takes_part_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    found = await steps(tmp_path / "whole", monkeypatch)
    masked_kept = len(found) - found[::-1].index("a blob is in the own store")
    said = [found.index(f"{deed} is in a block") + 1 for deed in ("PublishKeys", "CommitShares", "CommitUpdate")]
    for fatal in (*said, masked_kept, found.index("before RevealShares leaves") + 1):
        world = World(tmp_path / str(fatal), fatal)
        with running(world, monkeypatch):
            await world.run()
        await judged(world)
        assert chain_is_whole(world), f"killed where {found[fatal - 1]}"


@pytest.mark.parametrize("restarted", [False, True])
async def test_t14_a_node_whose_masked_update_nobody_took_reveals_unless_a_restart_made_it_forget_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, restarted: bool
):
    world = World(tmp_path)
    tries = 0

    async def full(who: Member, *blob: Any) -> list[str]:
        nonlocal tries
        if blob[-1] is None or who.name != VICTIM:
            return await spread(who, *blob)
        tries += 1
        if restarted and tries == 1:
            raise Killed
        raise NodeError("FL4707", "every disk is full")

    spread = Member.spread
    monkeypatch.setattr(Member, "spread", full)
    with running(world, monkeypatch):
        await world.run()
    assert tries > 1
    assert world.chain.fixed["Unmask"] == tuple(name for name in NAMES if name != VICTIM)
    assert (VICTIM in world.chain.records["reveals"]) is not restarted


async def test_t6_every_deed_is_in_the_journal_before_it_leaves_and_so_are_the_survivors_that_are_revealed_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    world = World(tmp_path)
    found: dict[str, set[str]] = {}
    remembered: list[list[str] | None] = []

    async def leaves(who: Member, function: str, **argument: Any) -> None:
        if who.name == VICTIM and function in DEEDS:
            found[function] = RECORDED & set(who.journal.attempt("t", 1, 1).kinds())
        if function == "RevealShares":
            remembered.append(known.frozen_as(who.journal, world.chain.view()))
        await submit(who, function, **argument)

    submit = Member.submit
    monkeypatch.setattr(Member, "submit", leaves)
    with running(world, monkeypatch):
        await world.run()
    assert found == {
        "PublishKeys": {KEYS},
        "CommitShares": {KEYS, SHARES},
        "CommitUpdate": {KEYS, SHARES, MASKED},
        "RevealShares": {KEYS, SHARES, MASKED, REVEAL},
    }
    assert remembered == [list(NAMES)] * len(NAMES)


async def test_a_sealed_bundle_that_nobody_has_keeps_no_node_from_its_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    world = World(tmp_path)

    async def lost(who: object, digest: str, dealer: str, length: int) -> bytes:
        if cast("Any", who).name == VICTIM and dealer == "a":
            raise NodeError("FL4704", "this blob is not here")
        blob = await get(who, digest, dealer, length)
        assert len(blob) == length
        return blob

    get = Member.get
    monkeypatch.setattr(Member, "get", lost)
    with running(world, monkeypatch):
        await world.run()
    await judged(world)
    assert chain_is_whole(world)
    revealed = world.chain.records["reveals"]
    assert [share["dealer"] for share in revealed[VICTIM]["shares"]] == ["b", "c", "d"]
    assert [share["dealer"] for share in revealed["c"]["shares"]] == list(NAMES)


async def test_t1_a_layout_on_the_ledger_that_is_not_the_plan_files_is_refused_before_a_key_is_drawn(tmp_path: Path):
    world = World(tmp_path)
    member = world.nodes[VICTIM]
    digests = set()
    for slots in range(1, 9):
        values = FIELDS["segments"][1] | {"slots": slots, "shape": [slots]}
        other = FIELDS | {"segments": [FIELDS["segments"][0], values]}
        digests.add(Layout.from_fields(other).digest.hex())

        async def plan(_: str, layout: object = other) -> Any:
            return SimpleNamespace(layout=layout, privacy=None)

        member.plan = plan  # type: ignore[method-assign]
        view = world.chain.view()
        with pytest.raises(RefusalError, match="FL4302"):
            await member.deeds._attempts.opened(view)
        assert member.journal.attempt("t", 1, 1).kinds() == ()
    assert min(digests) < world.chain.view().layout_digest < max(digests)
    for started in world.nodes.values():
        started.close()
