"""What a node refuses about keys, rounds, its own past and its journal. T-numbers are those of the threat model."""

from dataclasses import replace

import pytest

from fl_node import codes
from fl_node.secagg import messages as m
from fl_node.secagg.keys import KeyPair
from fl_node.secagg.participant import Participant, Stage
from fl_node.secagg.records import Dealing, MemoryRecords
from fl_node.secagg.simulation import session_of
from fl_node.secagg.survivors import Policy
from tests.unit.secagg.world import LAYOUT, ME, OTHER_VECTOR, VECTOR, World, refused


def test_t1_another_model_than_the_ledgers_is_not_trained():
    world = World()
    for change in ({"plan": b"\x09" * 32}, {"base_state": b"\x09" * 32}, {"attempt": 2}):
        told = session_of(LAYOUT, 5, **change)
        refused(codes.ANOTHER_SESSION, world.me, m.RoundOpened(world.session, told.digest))


def test_t4_a_substituted_key_gives_shares_that_no_one_can_use():
    world = World().until_keys()
    middle = KeyPair.of(b"\x07" * 32)
    shown = world.run.keys | {"hospital-001": replace(world.run.keys["hospital-001"], seal=middle.public)}
    dealt = world.me.receive(m.KeysFixed(shown))
    blob = next(one for one in dealt if isinstance(one, m.SealedBundle))
    victim = world.run.participants["hospital-001"]
    refused(codes.UNKNOWN_OWN, victim, m.KeysFixed(shown))
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
        refused(codes.BAD_KEY, world.me, m.KeysFixed(keys))


def test_t5_a_key_published_twice_is_refused():
    world = World().until_keys()
    copied = replace(world.run.keys["hospital-002"], mask=world.run.keys["hospital-001"].mask)
    refused(codes.BAD_KEY, world.me, m.KeysFixed(world.run.keys | {"hospital-002": copied}))


def test_t6_a_second_vector_is_not_masked_with_the_same_keys():
    world = World().until_updates()
    refused(codes.SECOND_MASKING, world.me, m.VectorReady(OTHER_VECTOR))
    again = world.restarted()
    again.receive(m.RoundOpened(world.session, world.session.digest))
    again.receive(m.KeysFixed(world.run.keys))
    again.receive(m.SharesFixed(world.run.commitments))
    refused(codes.SECOND_MASKING, again, m.VectorReady(OTHER_VECTOR))


def test_a_vector_that_is_given_away_becomes_the_blob_and_is_unchanged_where_it_is_refused():
    world = World().until_updates()
    (masked,) = world.me.receive(m.VectorReady(bytes(VECTOR)))
    given, other = bytearray(VECTOR), bytearray(OTHER_VECTOR)
    (again,) = world.me.receive(m.VectorReady(given, given=True))
    assert (again, again.blob is given) == (masked, True)  # type: ignore[union-attr]
    refused(codes.SECOND_MASKING, world.me, m.VectorReady(other, given=True))
    assert other == OTHER_VECTOR


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
    empty = world.restarted(MemoryRecords())
    empty.receive(m.RoundOpened(world.session, world.session.digest))
    refused(codes.UNKNOWN_OWN, empty, m.KeysFixed(world.run.keys))

    late = MemoryRecords()  # a backup from before the update was masked
    late.records = {key: value for key, value in world.journals[ME].records.items() if "ed" not in key.split("/")[1]}
    restored = world.restarted(late)
    restored.receive(m.RoundOpened(world.session, world.session.digest))
    restored.receive(m.KeysFixed(world.run.keys))
    restored.receive(m.SharesFixed(world.run.commitments))
    refused(codes.UNKNOWN_OWN, restored, m.VectorReady(OTHER_VECTOR, committed=world.run.updates[ME]))
    refused(codes.UNKNOWN_OWN, restored, world.survivors())


def secrets_alone(world: World) -> MemoryRecords:
    """Return a backup of the journal from before anything was dealt."""
    early = MemoryRecords()
    early.records = {key: value for key, value in world.journals[ME].records.items() if key.endswith("secrets")}
    return early


def dealing(journal: MemoryRecords) -> Dealing:
    (record,) = (value for key, value in journal.records.items() if key.endswith("dealing"))
    return Dealing.decode(record)


def test_t6_a_journal_from_before_the_shares_were_dealt_deals_the_same_again():
    world = World().until_updates()
    restored = world.restarted(early := secrets_alone(world))
    restored.receive(m.RoundOpened(world.session, world.session.digest))
    _, commitment = restored.receive(m.KeysFixed(world.run.keys))
    assert dealing(early) == dealing(world.journals[ME])
    assert commitment == world.run.commitments[ME]
    assert restored.receive(m.SharesFixed(world.run.commitments)) == []


def test_t6_shares_dealt_for_other_keys_tell_nothing_of_those_dealt_before():
    world, other = World().until_updates(), World().until_updates()
    restored = world.restarted(changed := secrets_alone(world))
    restored.receive(m.RoundOpened(world.session, world.session.digest))
    restored.receive(m.KeysFixed({**world.run.keys, "hospital-002": other.run.keys["hospital-002"]}))
    first, second = dealing(world.journals[ME]), dealing(changed)
    assert first.seed_commitment == second.seed_commitment
    assert first.own.seed != second.own.seed
    assert first.own.mask != second.own.mask


@pytest.mark.parametrize(("cohort", "threshold"), [(5, 3), (5, 6), (9, 6), (10, 1)])
def test_t8_a_threshold_chosen_by_someone_else_is_checked(cohort: int, threshold: int):
    world = World(cohort, threshold=threshold)
    refused(codes.WEAK_ROUND, world.me, m.RoundOpened(world.session, world.session.digest))


def test_t8_a_cohort_below_the_floor_is_refused():
    world = World(2)
    refused(codes.WEAK_ROUND, world.me, m.RoundOpened(world.session, world.session.digest))
    strict = Participant("hospital-000", MemoryRecords(), policy=Policy(cohort=5))
    small = session_of(LAYOUT, 4)
    refused(codes.WEAK_ROUND, strict, m.RoundOpened(small, small.digest))


def test_t6_an_own_update_that_someone_else_committed_is_noticed():
    world = World(4).until_updates()
    refused(codes.UNKNOWN_OWN, world.me, m.UpdateCommitted(bytes(32)))


def test_a_participant_says_how_far_it_has_come_and_a_restarted_one_begins_anew():
    world = World(4)
    assert world.me.stage is Stage.NEW
    assert world.until_keys().me.stage is Stage.OPENED
    world.run.commit_shares()
    assert world.me.stage is Stage.KEYS_FIXED
    refused(codes.LEFT_OUT, world.me, m.SharesFixed({}))
    assert world.me.stage is Stage.KEYS_FIXED
    world.run.deliver_shares(ME)
    assert world.me.stage is Stage.SHARES_FIXED
    assert world.restarted().stage is Stage.NEW


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
        refused(codes.OUT_OF_ORDER, world.me, message)
    world.until_updates()
    world.run.reveal()
    assert [5 * slot for slot in range(9)] == LAYOUT.unpack(world.run.unmask().vector)["model"].tolist()


def test_a_participant_that_missed_a_phase_is_told_so():
    world = World().until_keys()
    refused(codes.LEFT_OUT, world.me, m.KeysFixed({n: k for n, k in world.run.keys.items() if n != ME}))
    world.run.commit_shares()
    refused(codes.LEFT_OUT, world.me, m.SharesFixed({n: c for n, c in world.run.commitments.items() if n != ME}))


def test_secrets_are_written_before_anything_that_depends_on_them_is_sent():
    order: list[str] = []

    class Watching(MemoryRecords):
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
    class Full(MemoryRecords):
        def write(self, *_: object) -> None:
            raise OSError(28, "No space left on device")

    session = session_of(LAYOUT, 4)
    with pytest.raises(OSError, match="No space"):
        Participant(ME, Full()).receive(m.RoundOpened(session, session.digest))
