"""Bad dealers, updates and blobs: who is blamed, and that a sum is exact or an error (T-numbers: the threat model)."""

import hashlib
from dataclasses import replace

import pytest

from fl_node import codes
from fl_node.secagg import errors
from fl_node.secagg import messages as m
from fl_node.secagg.dealing import deal_sealed
from fl_node.secagg.keys import KeyPair, Secrets
from fl_node.secagg.participant import Participant
from fl_node.secagg.records import Dealing
from tests.unit.secagg.world import LAYOUT, ME, VECTOR, World, refused


def dishonest(world: World, dealer: str, dealing: Dealing) -> None:
    """Makes a dealer deal what its journal now says."""
    world.journals[dealer].write(f"{world.session.digest.hex()}/dealing", dealing.encode())


def test_t17_shares_that_do_not_open_are_reported_and_the_sum_stays_exact():
    world = World(7).until_keys()
    world.run.commit_shares()
    dealer = "hospital-003"
    dealing = Dealing.decode(world.journals[dealer].read(f"{world.session.digest.hex()}/dealing") or b"")
    dishonest(world, dealer, replace(dealing, bundle=b"garbage" + dealing.bundle[7:]))
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
    answer = me.receive(m.SealedReceived("hospital-003", world.run.blobs[commitment.sealed]))
    assert isinstance(answer[0], m.UnusableShares)
    assert codes.BAD_PROOF in answer[0].reason


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
        assert codes.BAD_VECTOR == refusal.value.code, name
    refused(codes.BAD_VECTOR, world.me, m.VectorReady(VECTOR[:-16]))


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
    assert error.value.code == codes.BAD_BLOB


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
    old = first.run.blobs[first.run.commitments["hospital-001"].sealed]
    second.me.receive(m.SharesFixed(second.run.commitments))
    refused(codes.BAD_BLOB, second.me, m.SealedReceived("hospital-001", old))


@pytest.mark.parametrize("restarted", [False, True])
def test_t17_a_dealer_answers_a_complaint_with_exactly_what_it_dealt(restarted: bool):
    world = World(7).until_shares()
    world.run.deliver_shares(ME)
    dealer = "hospital-003"
    told = world.run.participants[dealer]
    if restarted:
        told = Participant(dealer, world.journals[dealer])
        told.receive(m.RoundOpened(world.session, world.session.digest))
        told.receive(m.KeysFixed(world.run.keys))
    (answer,) = told.receive(m.Complained((ME,)))
    assert m.AnswerComplaint(ME, world.me._dealt[dealer]) == answer


def test_t17_a_dealer_answers_no_more_complaints_than_may_be_false_in_all_its_lives():
    world = World(7).until_shares()
    dealer = "hospital-003"
    for name in ("hospital-000", "hospital-001", "hospital-000"):
        assert [name] == [answer.to for answer in world.run.participants[dealer].receive(m.Complained((name,)))]
    again = Participant(dealer, world.journals[dealer])
    again.receive(m.RoundOpened(world.session, world.session.digest))
    again.receive(m.KeysFixed(world.run.keys))
    refused(codes.TOO_MANY_ANSWERS, again, m.Complained(("hospital-002",)))
    refused(codes.OUT_OF_ORDER, again, m.Complained((dealer,)))
    refused(codes.OUT_OF_ORDER, again, m.Complained(("nobody",)))


def test_t2_no_complaint_is_answered_after_the_reveal():
    world = World(4).until_updates()
    world.run.reveal()
    refused(codes.OUT_OF_ORDER, world.me, m.Complained(("hospital-001",)))
