"""Whom a gateway asks for what a transaction touches."""

import pytest

from network.contracts import Collection
from network.devnet import protos as p
from network.devnet.interest import NoPlanError, endorsers_for, interest_of, protected
from network.policy_text import parse_policy
from tests.unit.devnet.harness import Chain, puts
from tests.unit.devnet.test_private_data import CC, simulated, written

A, B, C, D = MEMBERS = [f"Hospital{letter}MSP" for letter in "ABCD"]
PAIR = Collection(name="pair", policy=f"OR('{A}.member', '{B}.member')")
SINGLE = Collection(name="single", policy=PAIR.policy, endorsement_policy={"signature_policy": f"OR('{A}.peer')"})


@pytest.fixture
async def ledger(genesis_chain):
    chaincode = genesis_chain.consortium.chaincode.model_copy(update={"collections": (PAIR, SINGLE)})
    consortium = genesis_chain.consortium.model_copy(update={"chaincode": chaincode})
    made = Chain.start(consortium, genesis_chain.run, "interest")
    await made.define()
    await made.commit(made.transaction(puts(guarded=b"1", other=b"1")))
    policy = parse_policy(f"AND('{A}.peer', '{D}.peer')").SerializeToString()
    change, _ = written(made, lambda s: s.put_metadata(CC, "guarded", {"VALIDATION_PARAMETER": policy}))
    assert await made.commit(change) == [p.transaction.VALID]
    yield made
    made.store.close()


def interest(chain, touch):
    with simulated(chain) as simulation:
        simulation.get("_lifecycle", "namespaces/fields/fedledger/Sequence")
        touch(simulation)
        return interest_of(simulation)


def suffice(chain, made, *names):
    found = endorsers_for(made, chain.store.current, chain.committer.channel, MEMBERS)
    return set(names) <= found.organisations and found.enough(names)


def test_public_writes_ask_for_the_contracts_policy(ledger):
    for touch in (lambda s: s.put(CC, "k", b"1"), lambda s: s.get(CC, "k")):
        made = interest(ledger, touch)
        assert [call.name for call in made.chaincodes] == [CC]
        assert (suffice(ledger, made, A, B, C), suffice(ledger, made, A, B)) == (True, False)


def test_a_guarded_key_asks_for_its_own_policy_alone(ledger):
    made = interest(ledger, lambda s: s.put(CC, "guarded", b"2"))
    assert made.chaincodes[0].disregard_namespace_policy
    assert (suffice(ledger, made, A, D), suffice(ledger, made, A, B, C)) == (True, False)


def test_a_guarded_key_beside_another_asks_for_both(ledger):
    def both(simulation):
        simulation.put(CC, "guarded", b"2")
        simulation.put(CC, "other", b"2")

    made = interest(ledger, both)
    assert (suffice(ledger, made, A, D), suffice(ledger, made, A, B, D)) == (False, True)


def test_a_collections_policy_is_asked_for_where_only_it_is_written(ledger):
    made = interest(ledger, lambda s: s.put_private(CC, "single", "k", b"1"))
    assert (suffice(ledger, made, A), suffice(ledger, made, B)) == (True, False)
    made = interest(ledger, lambda s: s.put_private(CC, "pair", "k", b"1"))
    assert (suffice(ledger, made, A, B), suffice(ledger, made, A, B, D)) == (False, True)


def test_who_must_read_private_data_holds_it(ledger):
    made = interest(ledger, lambda s: s.get_private(CC, "pair", "k"))
    assert not made.chaincodes[-1].no_private_reads
    assert not suffice(ledger, made, A, B, C)
    careful, names = protected(interest(ledger, lambda s: s.put_private(CC, "single", "k", b"1")))
    assert names == ["single"]
    assert suffice(ledger, careful, A)


def test_what_is_not_defined_cannot_be_planned_for(ledger):
    made = p.proposal_response.ChaincodeInterest(chaincodes=[{"name": "absent"}])
    with pytest.raises(NoPlanError, match="No metadata was found for chaincode absent"):
        suffice(ledger, made, A)
