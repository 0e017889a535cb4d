"""What a node refuses, and what its peers cannot do to it. T-numbers and regressions are those of the threat model."""

import hashlib
from dataclasses import replace

import pytest

from fl_node.secagg import errors
from fl_node.secagg import messages as m
from fl_node.secagg.dealing import deal_sealed
from fl_node.secagg.journal import MemoryJournal
from fl_node.secagg.keys import KeyPair, PublicKeys
from fl_node.secagg.layout import Layout
from fl_node.secagg.participant import Participant
from fl_node.secagg.records import Dealing, Secrets
from fl_node.secagg.session import Session
from fl_node.secagg.simulation import Simulation, session_of
from fl_node.secagg.survivors import Policy, check_organisations

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
        self.journals: dict[str, MemoryJournal] = {}
        self.session: Session = session_of(LAYOUT, cohort, **changes)
        self.run = Simulation(self.session, journal=self._journal)
        self.me = self.run.participants[ME]

    def _journal(self, name: str) -> MemoryJournal:
        return self.journals.setdefault(name, MemoryJournal())

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

    def restarted(self, journal: MemoryJournal | None = None) -> Participant:
        return Participant(ME, journal or self.journals[ME])


def refused(code: str, participant: Participant, message: m.Incoming) -> None:
    with pytest.raises(errors.SecaggError) as refusal:
        participant.receive(message)
    assert code == refusal.value.code


def test_t1_another_model_than_the_ledgers_is_not_trained():
    world = World()
    for change in ({"plan": b"\x09" * 32}, {"base_state": b"\x09" * 32}, {"attempt": 2}):
        told = session_of(LAYOUT, 5, **change)
        refused(errors.ANOTHER_SESSION, world.me, m.RoundOpened(world.session, told.digest))


def test_t2_both_kinds_of_share_of_one_participant_are_never_revealed():
    world = World(7).until_updates("hospital-003")
    asked = world.me.receive(world.survivors())
    assert isinstance(asked[0], m.RevealShares)
    assert {"mask": ["hospital-003"], "seed": [n for n in world.session.cohort if n != "hospital-003"]} == {
        kind: sorted(share.dealer for share in asked[0].shares if share.kind == kind) for kind in ("mask", "seed")
    }
    fewer = {name: digest for name, digest in world.run.updates.items() if name != "hospital-004"}
    refused(errors.BOTH_KINDS, world.me, world.survivors(updates=fewer, survivors=tuple(fewer)))


def test_t2_the_refusal_survives_a_restart():
    world = World(7).until_updates("hospital-003")
    world.me.receive(world.survivors())
    again = world.restarted()
    again.receive(m.RoundOpened(world.session, world.session.digest))
    again.receive(m.KeysFixed(world.run.keys))
    again.receive(m.SharesFixed(world.run.commitments))
    fewer = {name: digest for name, digest in world.run.updates.items() if name != "hospital-004"}
    refused(errors.BOTH_KINDS, again, world.survivors(updates=fewer, survivors=tuple(fewer)))


def test_t3_a_changed_view_of_the_ledger_is_refused():
    world = World().until_shares()
    world.run.deliver_shares(ME)
    fewer = {name: commitment for name, commitment in world.run.commitments.items() if name != "hospital-004"}
    refused(errors.CHANGED_VIEW, world.me, m.SharesFixed(fewer))
    keys = world.run.keys | {
        "hospital-004": PublicKeys(KeyPair.of(b"\x01" * 32).public, KeyPair.of(b"\x02" * 32).public)
    }
    refused(errors.CHANGED_VIEW, world.me, m.KeysFixed(keys))


def test_t4_a_substituted_key_gives_shares_that_no_one_can_use():
    world = World().until_keys()
    middle = KeyPair.of(b"\x07" * 32)
    shown = world.run.keys | {"hospital-001": replace(world.run.keys["hospital-001"], seal=middle.public)}
    dealt = world.me.receive(m.KeysFixed(shown))
    blob = next(one for one in dealt if isinstance(one, m.SealedShares) and one.to == "hospital-001")
    victim = world.run.participants["hospital-001"]
    refused(errors.UNKNOWN_OWN, victim, m.KeysFixed(shown))
    victim.receive(m.KeysFixed(world.run.keys))
    world.run.commit_shares(absent=[ME])
    commitment = next(one for one in dealt if isinstance(one, m.CommitShares))
    victim.receive(m.SharesFixed(world.run.commitments | {ME: commitment}))
    assert [m.UnusableShares] == [type(one) for one in victim.receive(m.SealedReceived(ME, blob.blob))]


@pytest.mark.parametrize("weak", [bytes(32), b"\x01" + bytes(31), b"\xff" * 32, b"\x09" * 31])
def test_t5_weak_public_keys_are_refused(weak: bytes):
    for field in ("seal", "mask"):
        world = World().until_keys()
        keys = world.run.keys | {"hospital-002": replace(world.run.keys["hospital-002"], **{field: weak})}
        refused(errors.BAD_KEY, world.me, m.KeysFixed(keys))


def test_t5_a_key_published_twice_is_refused():
    world = World().until_keys()
    copied = replace(world.run.keys["hospital-002"], mask=world.run.keys["hospital-001"].mask)
    refused(errors.BAD_KEY, world.me, m.KeysFixed(world.run.keys | {"hospital-002": copied}))


def test_t6_a_second_vector_is_not_masked_with_the_same_keys():
    world = World().until_updates()
    refused(errors.SECOND_MASKING, world.me, m.VectorReady(OTHER_VECTOR))
    again = world.restarted()
    again.receive(m.RoundOpened(world.session, world.session.digest))
    again.receive(m.KeysFixed(world.run.keys))
    again.receive(m.SharesFixed(world.run.commitments))
    refused(errors.SECOND_MASKING, again, m.VectorReady(OTHER_VECTOR))


def test_t6_a_restart_answers_with_the_same_bytes():
    world = World().until_updates()
    again = world.restarted()
    assert world.me.receive(m.RoundOpened(world.session, world.session.digest)) == again.receive(
        m.RoundOpened(world.session, world.session.digest)
    )
    for message in (
        m.KeysFixed(world.run.keys),
        m.SharesFixed(world.run.commitments),
        m.VectorReady(VECTOR),
        world.survivors(),
    ):
        expected, answered = world.me.receive(message), again.receive(message)
        if isinstance(message, m.SurvivorsFixed):  # sealed messages of others come from the blob service again
            own = [share for share in expected[0].shares if share.dealer == ME]  # type: ignore[union-attr]
            assert own == list(answered[0].shares)  # type: ignore[union-attr]
            assert answered[0].missing == world.session.cohort[1:]  # type: ignore[union-attr]
        else:
            assert expected == answered


def test_t6_a_journal_restored_from_a_backup_makes_the_node_drop_out():
    world = World().until_updates()
    empty = world.restarted(MemoryJournal())
    empty.receive(m.RoundOpened(world.session, world.session.digest))
    refused(errors.UNKNOWN_OWN, empty, m.KeysFixed(world.run.keys))

    early = MemoryJournal()  # a backup from before the shares were dealt
    early.records = {key: value for key, value in world.journals[ME].records.items() if key.endswith("secrets")}
    restored = world.restarted(early)
    restored.receive(m.RoundOpened(world.session, world.session.digest))
    restored.receive(m.KeysFixed(world.run.keys))
    refused(errors.UNKNOWN_OWN, restored, m.SharesFixed(world.run.commitments))

    late = MemoryJournal()  # a backup from before the update was masked
    late.records = {key: value for key, value in world.journals[ME].records.items() if "ed" not in key.split("/")[1]}
    restored = world.restarted(late)
    restored.receive(m.RoundOpened(world.session, world.session.digest))
    restored.receive(m.KeysFixed(world.run.keys))
    restored.receive(m.SharesFixed(world.run.commitments))
    refused(errors.UNKNOWN_OWN, restored, m.VectorReady(OTHER_VECTOR, committed=world.run.updates[ME]))
    refused(errors.UNKNOWN_OWN, restored, world.survivors())


@pytest.mark.parametrize(("cohort", "threshold"), [(5, 3), (5, 6), (9, 6), (10, 1)])
def test_t8_a_threshold_chosen_by_someone_else_is_checked(cohort: int, threshold: int):
    world = World(cohort, threshold=threshold)
    refused(errors.WEAK_ROUND, world.me, m.RoundOpened(world.session, world.session.digest))


def test_t8_a_cohort_below_the_floor_is_refused():
    world = World(2)
    refused(errors.WEAK_ROUND, world.me, m.RoundOpened(world.session, world.session.digest))
    strict = Participant("hospital-000", MemoryJournal(), policy=Policy(cohort=5))
    small = session_of(LAYOUT, 4)
    refused(errors.WEAK_ROUND, strict, m.RoundOpened(small, small.digest))


def test_t9_an_ended_attempt_leaves_no_secret_in_the_journal():
    world = World().until_updates()
    world.me.receive(world.survivors())
    world.me.receive(m.AttemptEnded())
    assert {} == world.journals[ME].records


def test_t10_one_organisation_may_not_reach_the_threshold():
    world = World(5)
    names = world.session.cohort
    alone = {name: "A" if place < 4 else name for place, name in enumerate(names)}
    refused(errors.WEAK_ROUND, world.me, m.RoundOpened(world.session, world.session.digest, alone))
    many = World(7)
    most = {name: "A" if place < 5 else name for place, name in enumerate(many.session.cohort)}
    refused(errors.WEAK_ROUND, many.me, m.RoundOpened(many.session, many.session.digest, most))
    two = {name: "A" if place < 3 else "B" for place, name in enumerate(names)}
    refused(errors.WEAK_ROUND, world.me, m.RoundOpened(world.session, world.session.digest, two))
    assert world.me.receive(m.RoundOpened(world.session, world.session.digest, {name: name for name in names}))


@pytest.mark.parametrize(
    ("survivors", "allowed"),
    [
        ("ABCDE", True),
        ("ABC", True),
        ("AABCD", True),
        ("AABC", False),
        ("AABBC", True),
        ("AAABC", False),
        ("AABB", False),
    ],
)
def test_t10_survivors_whose_rest_one_organisation_would_know_are_refused(survivors: str, allowed: bool):
    sizes = {organisation: survivors.count(organisation) for organisation in survivors}
    if allowed:
        check_organisations(sizes, Policy())
        return
    with pytest.raises(errors.Refusal) as refusal:
        check_organisations(sizes, Policy())
    assert errors.TOO_FEW_SURVIVORS == refusal.value.code


@pytest.mark.parametrize(
    ("earlier", "blamed", "allowed"),
    [
        (range(7), (), True),
        (range(6), (), False),
        (range(1, 7), (), False),
        (range(5), (), False),
        (range(4), (), True),
        (range(6), (6,), True),
        (range(5), (6,), False),
    ],
)
def test_t12_t13_sums_on_one_base_state_differ_by_nobody_or_by_enough(
    earlier: range, blamed: tuple[int, ...], allowed: bool
):
    world = World(7).until_updates()
    names = world.session.cohort
    frozen = frozenset(names[place] for place in earlier)
    message = world.survivors(frozen=(frozenset(names), frozen), blamed=frozenset(names[place] for place in blamed))
    if allowed:
        assert world.me.receive(message)
    else:
        refused(errors.DIFFERENCING, world.me, message)


def test_t13_the_floor_of_differences_cannot_be_lowered_by_the_ledger():
    world = World(7).until_updates()
    frozen = (frozenset(world.session.cohort[:6]),)
    refused(errors.DIFFERENCING, world.me, world.survivors(frozen=frozen, minimum_difference=1))


def test_t14_a_node_whose_committed_update_is_left_out_reveals_nothing():
    world = World(7).until_updates()
    rest = world.session.cohort[1:]
    refused(errors.LEFT_OUT, world.me, world.survivors(survivors=rest))
    hidden = {name: world.run.updates[name] for name in rest}
    refused(errors.LEFT_OUT, world.me, world.survivors(updates=hidden, survivors=rest))
    other = world.run.participants["hospital-001"]
    refused(errors.LEFT_OUT, other, world.survivors(survivors=rest))


@pytest.mark.parametrize("survivors", [3, 4])
def test_t14_too_few_survivors_are_refused(survivors: int):
    world = World(7).until_updates("hospital-005", "hospital-006")
    some = {name: world.run.updates[name] for name in world.session.cohort[:survivors]}
    refused(errors.TOO_FEW_SURVIVORS, world.me, world.survivors(updates=some, survivors=tuple(some)))


def test_a_dropout_reveals_for_others_though_its_own_update_never_committed():
    world = World(7).until_updates(ME)
    revealed = world.me.receive(world.survivors())[0]
    assert isinstance(revealed, m.RevealShares)
    assert {share.dealer for share in revealed.shares if share.kind == "mask"} == {ME}


def dishonest(world: World, dealer: str, dealing: Dealing) -> None:
    """Makes a dealer deal what its journal now says."""
    world.journals[dealer].write(f"{world.session.digest.hex()}/dealing", dealing.encode())


def test_t17_shares_that_do_not_open_are_reported_and_the_sum_stays_exact():
    world = World(7).until_keys()
    world.run.commit_shares()
    dealer = "hospital-003"
    dealing = Dealing.decode(world.journals[dealer].read(f"{world.session.digest.hex()}/dealing") or b"")
    dishonest(world, dealer, replace(dealing, sealed=dealing.sealed | {ME: b"garbage"}))
    world.run.participants[dealer] = Participant(dealer, world.journals[dealer])
    world.run.participants[dealer].receive(m.RoundOpened(world.session, world.session.digest))
    world.run.commit_shares()
    world.run.commit_updates(dict.fromkeys(world.session.cohort, VECTOR))
    assert [m.UnusableShares] == [type(answer) for answer in world.run.deliver_shares(ME)]
    revealed = world.me.receive(world.survivors())[0]
    assert isinstance(revealed, m.RevealShares)
    assert revealed.missing == (dealer,)
    world.run.reveal()
    assert [7 * slot for slot in range(9)] == LAYOUT.unpack(world.run.unmask().vector)["model"].tolist()


def test_t17_a_share_that_is_not_under_the_root_is_unusable():
    world = World(7).until_shares()
    world.run.deliver_shares(ME)
    commitment = world.run.commitments["hospital-003"]
    fresh = World(7)
    fresh.run.participants = {ME: Participant(ME, world.journals[ME])}
    me = fresh.run.participants[ME]
    me.receive(m.RoundOpened(world.session, world.session.digest))
    me.receive(m.KeysFixed(world.run.keys))
    me.receive(m.SharesFixed(world.run.commitments | {"hospital-003": replace(commitment, shares_root=bytes(32))}))
    answer = me.receive(m.SealedReceived("hospital-003", world.run.blobs[commitment.sealed[ME]]))
    assert isinstance(answer[0], m.UnusableShares)
    assert errors.BAD_PROOF in answer[0].reason


@pytest.mark.parametrize("drops_out", [False, True])
def test_t17_a_dealer_of_inconsistent_secrets_is_blamed_by_name(drops_out: bool):
    world = World(7).until_keys()
    dealer = "hospital-003"
    secrets = Secrets.decode(world.journals[dealer].read(f"{world.session.digest.hex()}/secrets") or b"")
    wrong = Secrets(secrets.seal, KeyPair.of(b"\x05" * 32), b"\x06" * 32)
    dealing = deal_sealed(world.session, dealer, wrong, world.run.keys, lambda length: b"\x11" * length)
    dishonest(world, dealer, dealing)
    world.run.commit_shares()
    world.run.commit_updates(dict.fromkeys(world.session.cohort, VECTOR), [dealer] if drops_out else [])
    commitment = world.run.commitments[dealer]
    world.run.reveal()
    if not drops_out:
        world.run.commitments[dealer] = replace(commitment, seed_commitment=bytes(32))
    with pytest.raises(errors.Fault) as fault:
        world.run.unmask()
    assert ("dealer", dealer) == (fault.value.kind, fault.value.participant)


def test_t18_a_vector_outside_its_slots_is_refused_before_masking():
    world = World().until_shares()
    world.run.deliver_shares(ME)
    good = bytearray(VECTOR)
    for name, place, byte in (("above the maximum", 2, 1), ("not one", 36, 0), ("padding", 47, 1)):
        bad = bytearray(good)
        bad[place] = byte
        with pytest.raises(errors.SecaggError) as refusal:
            world.me.receive(m.VectorReady(bad))
        assert errors.BAD_VECTOR == refusal.value.code, name
    refused(errors.BAD_VECTOR, world.me, m.VectorReady(VECTOR[:-16]))


def test_t18_a_garbage_update_is_found_by_its_range():
    world = World(4).until_updates()
    liar = "hospital-003"
    garbage = bytearray(world.run.blobs[world.run.updates[liar]])
    garbage[3] ^= 0x40  # adds or takes 2^30 from the masked slot, and so from the plain one
    digest = hashlib.sha256(garbage).digest()
    world.run.updates[liar], world.run.blobs[digest] = digest, bytes(garbage)
    world.run.reveal(absent=[liar])
    with pytest.raises(errors.Fault) as fault:
        world.run.unmask()
    assert ("garbage", "") == (fault.value.kind, fault.value.participant)


def test_t18_a_slot_that_is_one_by_construction_must_count_the_survivors():
    world = World(4).until_updates()
    liar = "hospital-003"
    nobody = bytearray(world.run.blobs[world.run.updates[liar]])
    LAYOUT.segments[1].view(nobody)[0] -= 1
    digest = hashlib.sha256(nobody).digest()
    world.run.updates[liar], world.run.blobs[digest] = digest, bytes(nobody)
    world.run.reveal(absent=[liar])
    with pytest.raises(errors.Fault) as fault:
        world.run.unmask()
    assert ("garbage", "") == (fault.value.kind, fault.value.participant)


@pytest.mark.parametrize("change", ["one bit", "longer", "shorter"])
def test_t26_an_altered_blob_is_an_error_and_never_another_sum(change: str):
    world = World(4).until_updates()
    digest = world.run.updates["hospital-001"]
    blob = world.run.blobs[digest]
    altered = {"one bit": bytes([blob[0] ^ 1]) + blob[1:], "longer": blob + b"\x00", "shorter": blob[:-16]}
    world.run.blobs[digest] = altered[change]
    world.run.reveal()
    with pytest.raises(errors.SecaggError) as error:
        world.run.unmask()
    assert error.value.code == errors.BAD_BLOB


def test_t6_an_own_update_that_someone_else_committed_is_noticed():
    world = World(4).until_updates()
    refused(errors.UNKNOWN_OWN, world.me, m.UpdateCommitted(bytes(32)))


def test_an_update_that_breaks_the_form_is_its_senders_fault():
    world = World(4).until_updates()
    liar = "hospital-003"
    padded = bytearray(world.run.blobs[world.run.updates[liar]])
    padded[-1] = 1
    digest = hashlib.sha256(padded).digest()
    world.run.updates[liar], world.run.blobs[digest] = digest, bytes(padded)
    world.run.reveal(absent=[liar])
    with pytest.raises(errors.Fault) as fault:
        world.run.unmask()
    assert ("update", liar) == (fault.value.kind, fault.value.participant)


def test_t21_a_sealed_message_of_another_attempt_does_not_open():
    first, second = World().until_shares(), World(attempt=2).until_shares()
    old = first.run.blobs[first.run.commitments["hospital-001"].sealed[ME]]
    second.me.receive(m.SharesFixed(second.run.commitments))
    refused(errors.BAD_BLOB, second.me, m.SealedReceived("hospital-001", old))


def test_messages_out_of_order_are_refused_and_change_nothing():
    world = World()
    fixed = world.survivors(updates={})
    for message in (
        m.KeysFixed({}),
        m.SharesFixed({}),
        m.VectorReady(VECTOR),
        fixed,
        m.SealedReceived("hospital-001", b""),
    ):
        refused(errors.OUT_OF_ORDER, world.me, message)
    world.until_updates()
    world.run.reveal()
    assert [5 * slot for slot in range(9)] == LAYOUT.unpack(world.run.unmask().vector)["model"].tolist()


def test_a_participant_that_missed_a_phase_is_told_so():
    world = World().until_keys()
    refused(errors.LEFT_OUT, world.me, m.KeysFixed({n: k for n, k in world.run.keys.items() if n != ME}))
    world.run.commit_shares()
    refused(errors.LEFT_OUT, world.me, m.SharesFixed({n: c for n, c in world.run.commitments.items() if n != ME}))


def test_a_survivor_that_never_shared_is_refused():
    world = World(7)
    world.until_keys().run.commit_shares(absent=["hospital-006"])
    world.run.commit_updates(dict.fromkeys(world.session.cohort, VECTOR))
    updates = world.run.updates | {"hospital-006": bytes(32)}
    refused(errors.CHANGED_VIEW, world.me, world.survivors(updates=updates, survivors=tuple(updates)))


def test_secrets_are_written_before_anything_that_depends_on_them_is_sent():
    order: list[str] = []

    class Watching(MemoryJournal):
        def write(self, key: str, value: bytes) -> None:
            order.append(key.split("/")[1])
            super().write(key, value)

    world = World(4)
    journal = Watching()
    world.run.participants[ME] = world.me = Participant(ME, journal)
    world.run.publish_keys()
    assert ["secrets"] == order
    world.run.commit_shares()
    assert ["secrets", "dealing"] == order
    world.run.commit_updates(dict.fromkeys(world.session.cohort, VECTOR))
    assert ["secrets", "dealing", "masked", "committed"] == order
    world.run.reveal()
    assert ["secrets", "dealing", "masked", "committed", "revealed"] == order


def test_a_journal_that_fails_keeps_everything_back():
    class Full(MemoryJournal):
        def write(self, *_: object) -> None:
            raise OSError(28, "No space left on device")

    session = session_of(LAYOUT, 4)
    with pytest.raises(OSError, match="No space"):
        Participant(ME, Full()).receive(m.RoundOpened(session, session.digest))
