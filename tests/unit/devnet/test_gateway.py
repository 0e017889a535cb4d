"""A peer's gateway asks whom the policies of what a transaction touches name; four endorsers of one ledger."""

import pytest

from network.contracts import Collection
from network.devnet import protos as p
from network.devnet.clients import LocalEndorser
from network.devnet.endorser import Endorser
from network.devnet.gateway import Gateway
from network.devnet.transport import CallError
from network.policy_text import parse_policy
from tests.unit.devnet.harness import MEMBERS, Chain, msp_id, peer, puts, user
from tests.unit.devnet.test_endorser import Contract, One, reply
from tests.unit.devnet.test_private_data import CC, written

A, B, C, D = map(msp_id, MEMBERS)
PAIR = Collection(name="pair", policy=f"OR('{A}.member', '{B}.member')")
SINGLE = Collection(name="single", policy=PAIR.policy, endorsement_policy={"signature_policy": f"OR('{A}.peer')"})


async def kept(txid, simulation):
    """Stands for the dissemination: nobody but this ledger is there."""


@pytest.fixture
async def ledger(genesis_chain):
    chaincode = genesis_chain.consortium.chaincode.model_copy(update={"collections": (PAIR, SINGLE)})
    consortium = genesis_chain.consortium.model_copy(update={"chaincode": chaincode})
    made = Chain.start(consortium, genesis_chain.run, "gateway")
    await made.define()
    yield made
    made.store.close()


def gateway(ledger, behaviour):
    """The gateway of hospital-a's peer, before endorsers that all do the same."""
    programs = One(Contract(behaviour), ledger.consortium.chaincode)
    clients = {
        msp_id(name): LocalEndorser(
            msp_id(name), name, Endorser(ledger.committer, peer(ledger.run, name), programs, kept)
        )
        for name in MEMBERS
    }
    others = {name: [client] for name, client in clients.items() if name != A}
    return Gateway(ledger.committer, clients[A], lambda: others, None)


async def endorsers(ledger, behaviour, *, transient=False):
    """MSP ids of those whom the gateway had endorse."""
    signed = ledger.proposal(user(ledger.run, "hospital-a"), b"F")
    if transient:
        proposal = p.proposal.Proposal.FromString(signed.proposal_bytes)
        payload = p.proposal.ChaincodeProposalPayload.FromString(proposal.payload)
        payload.TransientMap["value"] = b"secret"
        proposal.payload = payload.SerializeToString()
        raw = proposal.SerializeToString()
        signed = p.proposal.SignedProposal(proposal_bytes=raw, signature=user(ledger.run, "hospital-a").sign(raw))
    request = p.gateway.EndorseRequest(proposed_transaction=signed)
    response = await gateway(ledger, behaviour).endorse(request)
    content = p.common.Payload.FromString(response.prepared_transaction.payload)
    action = p.transaction.Transaction.FromString(content.data).actions[0]
    found = p.transaction.ChaincodeActionPayload.FromString(action.payload).action.endorsements
    return sorted(p.identities.SerializedIdentity.FromString(e.endorser).mspid for e in found)


def put(key):
    def behaviour(simulation, namespace):
        simulation.put(namespace, key, b"1")
        return reply()

    return behaviour


def put_private(collection):
    def behaviour(simulation, namespace):
        simulation.put_private(namespace, collection, "k", b"1")
        return reply()

    return behaviour


async def test_a_majority_endorses_and_all_whom_a_keys_own_policy_names(ledger):
    assert len(await endorsers(ledger, put("k"))) == 3
    await ledger.commit(ledger.transaction(puts(k=b"1")))
    policy = parse_policy(f"AND('{A}.peer', '{B}.peer', '{C}.peer', '{D}.peer')").SerializeToString()
    change, _ = written(ledger, lambda s: s.put_metadata(CC, "k", {"VALIDATION_PARAMETER": policy}))
    assert await ledger.commit(change) == [p.transaction.VALID]
    assert await endorsers(ledger, put("k")) == [A, B, C, D]


async def test_a_collections_own_policy_is_enough(ledger):
    assert await endorsers(ledger, put_private("single")) == [A]
    assert len(await endorsers(ledger, put_private("pair"))) == 3


async def test_transient_data_goes_to_holders_alone_or_nowhere(ledger):
    assert await endorsers(ledger, put_private("single"), transient=True) == [A]
    with pytest.raises(CallError, match=r"distribution policy of the private data collection\(s\): \[pair\]"):
        await endorsers(ledger, put_private("pair"), transient=True)
    assert len(await endorsers(ledger, put("k"), transient=True)) == 3
