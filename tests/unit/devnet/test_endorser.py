"""The endorser with a chaincode that is a function here: what it refuses, what it answers, what it signs."""

import time

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from network.devnet import lifecycle
from network.devnet import protos as p
from network.devnet.chaincode_link import ChaincodeError
from network.devnet.endorser import Endorser, RejectedError
from network.devnet.envelopes import open_proposal
from tests.unit.devnet.harness import peer, puts, user

Message = p.shim.ChaincodeMessage


class Contract:
    """Stands where the link to a chaincode process does."""

    def __init__(self, behaviour):
        self.behaviour = behaviour

    async def execute(self, simulation, caller, namespace, call):
        del caller, call
        response, event = self.behaviour(simulation, namespace)
        return Message(type=Message.COMPLETED, payload=response.SerializeToString(), chaincode_event=event)


async def nobody(txid, simulation):
    """Stands for the dissemination of private data, of which these transactions write none."""
    assert simulation.private_results() is None


def reply(status=200, payload=b"", message="", event=None):
    return p.proposal_response.Response(status=status, payload=payload, message=message), event


class One:
    """One program, of one definition."""

    def __init__(self, link, chaincode):
        self._link, self._chaincode = link, chaincode

    def approved(self, name, sequence):
        return self._chaincode if (name, sequence) == (self._chaincode.name, self._chaincode.sequence) else None

    def link(self, name, sequence):
        return self._link if (name, sequence) == (self._chaincode.name, self._chaincode.sequence) else None


def put_twice(simulation, namespace):
    simulation.get(namespace, "a")
    simulation.put(namespace, "a", b"1")
    return reply(payload=b"done", event=p.chaincode_event.ChaincodeEvent(event_name="E", payload=b"x"))


def endorser(chain, behaviour=put_twice, organisation="hospital-a", link=True):
    contract = Contract(behaviour) if link else None
    return Endorser(chain.committer, peer(chain.run, organisation), One(contract, chain.consortium.chaincode), nobody)


def action_of(response):
    payload = p.proposal_response.ProposalResponsePayload.FromString(response.payload)
    return payload, p.proposal.ChaincodeAction.FromString(payload.extension)


async def test_two_peers_endorse_the_same_bytes(chain):
    proposal = chain.proposal(user(chain.run, "hospital-a"), b"F")
    one = await endorser(chain).process(proposal)
    two = await endorser(chain, organisation="hospital-b").process(proposal)
    assert one.payload == two.payload
    assert one.endorsement.endorser != two.endorsement.endorser
    payload, action = action_of(one)
    assert open_proposal(proposal).hash == payload.proposal_hash
    assert ("fedledger", "1.0") == (action.chaincode_id.name, action.chaincode_id.version)
    signer = chain.committer.channel.members.identity(one.endorsement.endorser)
    signer.verify(one.endorsement.signature, one.payload + one.endorsement.endorser)


async def test_the_read_write_set_carries_the_definitions_sequence(chain):
    response = await endorser(chain).process(chain.proposal(user(chain.run, "hospital-a"), b"F"))
    sets = p.rwset.TxReadWriteSet.FromString(action_of(response)[1].results).ns_rwset
    assert ["_lifecycle", "fedledger"] == [s.namespace for s in sets]
    reads = p.kvrwset.KVRWSet.FromString(sets[0].rwset).reads
    assert [(lifecycle.field_key("fedledger", "Sequence"), 1, 0)] == [
        (r.key, r.version.block_num, r.version.tx_num) for r in reads
    ]


async def test_the_peer_sets_chaincode_and_id_of_an_event(chain):
    proposal = chain.proposal(user(chain.run, "hospital-a"), b"F")
    event = p.chaincode_event.ChaincodeEvent.FromString(action_of(await endorser(chain).process(proposal))[1].events)
    assert ("fedledger", open_proposal(proposal).channel.tx_id, "E", b"x") == (
        event.chaincode_id,
        event.tx_id,
        event.event_name,
        event.payload,
    )


@pytest.mark.parametrize(
    ("status", "endorsed", "payload"),
    [(200, True, True), (399, True, True), (400, False, False), (500, False, True)],
)
async def test_responses_from_400_on_are_not_endorsed(chain, status, endorsed, payload):
    made = endorser(chain, lambda *_: reply(status=status, message="FL0203: round 7 is closed"))
    response = await made.process(chain.proposal(user(chain.run, "hospital-a"), b"F"))
    assert (status, endorsed, payload) == (
        response.response.status,
        response.HasField("endorsement"),
        bool(response.payload),
    )


async def test_a_chaincode_that_breaks_is_the_peers_error_and_has_no_payload(chain):
    def broken(*_):
        raise ChaincodeError("error sending: chaincode stream terminated")

    response = await endorser(chain, broken).process(chain.proposal(user(chain.run, "hospital-a"), b"F"))
    assert (500, b"") == (response.response.status, response.payload)
    assert response.response.message.startswith("error in simulation: failed to execute transaction ")
    assert response.response.message.endswith("chaincode stream terminated")


async def rejected(chain, proposal, made=None):
    with pytest.raises(RejectedError) as error:
        await (made or endorser(chain)).process(proposal)
    return str(error.value), error.value.filtered


@pytest.mark.parametrize("offset", [-61, 61])
async def test_a_time_outside_the_window_is_rejected(chain, offset):
    stamp = Timestamp(seconds=int(time.time() + offset))
    proposal = chain.proposal(user(chain.run, "hospital-a"), b"F")
    inner = p.proposal.Proposal.FromString(proposal.proposal_bytes)
    header = p.common.Header.FromString(inner.header)
    channel = p.common.ChannelHeader.FromString(header.channel_header)
    channel.timestamp.CopyFrom(stamp)
    header.channel_header = channel.SerializeToString()
    inner.header = header.SerializeToString()
    raw = inner.SerializeToString()
    changed = p.proposal.SignedProposal(proposal_bytes=raw, signature=user(chain.run, "hospital-a").sign(raw))
    message, filtered = await rejected(chain, changed)
    assert message.startswith("request unauthorized due to incorrect timestamp")
    assert filtered


async def test_forged_changed_and_foreign_proposals_are_rejected(chain):
    signer = user(chain.run, "hospital-a")
    forged = chain.proposal(signer, b"F")
    forged.signature = user(chain.run, "hospital-b").sign(forged.proposal_bytes)
    assert "access denied: channel [fedchannel] creator org [HospitalAMSP]" in (await rejected(chain, forged))[0]
    assert "incorrectly computed txid" in (await rejected(chain, chain.proposal(signer, b"F", tx_id="00")))[0]
    assert "epoch is non-zero" in (await rejected(chain, chain.proposal(signer, b"F", epoch=1)))[0]
    assert "ChaincodeHeaderExtension" in (await rejected(chain, chain.proposal(signer, b"F", extension=b"")))[0]
    signer.serialized = signer.serialized.replace(b"HospitalAMSP", b"HospitalXMSP")
    assert "MSP HospitalXMSP is not defined" in (await rejected(chain, chain.proposal(signer, b"F")))[0]


async def test_an_expired_client_is_rejected(chain, monkeypatch):
    monkeypatch.setattr("network.devnet.msp.Identity.expired", lambda *_: True)
    proposal = chain.proposal(user(chain.run, "hospital-a"), b"F")
    assert await rejected(chain, proposal) == ("proposal client identity expired", True)


async def test_an_id_that_stands_in_the_ledger_is_rejected(chain):
    proposal = chain.proposal(user(chain.run, "hospital-a"), b"F")
    await chain.commit(chain.transaction(puts(a=b"1"), signed_proposal=proposal))
    assert (await rejected(chain, proposal))[0].startswith("duplicate transaction found [")


async def test_the_orderer_may_not_propose_and_the_regulator_may(chain):
    admin = user(chain.run, "orderer", "admin")
    assert "access denied for [peer/Propose][fedchannel]" in (await rejected(chain, chain.proposal(admin, b"F")))[0]
    response = await endorser(chain).process(chain.proposal(user(chain.run, "regulator"), b"F"))
    assert response.response.status == 200


async def test_a_peer_without_the_chaincode_says_so(chain):
    made = endorser(chain, organisation="regulator", link=False)
    response = await made.process(chain.proposal(user(chain.run, "hospital-a"), b"F"))
    assert "has not yet been approved by this org" in response.response.message
    unknown = chain.proposal(user(chain.run, "hospital-a"), b"F", chaincode="nothing")
    message = (await endorser(chain).process(unknown)).response.message
    assert message.startswith("make sure the chaincode nothing has been successfully defined on channel fedchannel")


async def test_another_channel_is_not_found(chain):
    proposal = chain.proposal(user(chain.run, "hospital-a"), b"F", channel_id="other")
    assert (await endorser(chain).process(proposal)).response.message == "channel 'other' not found"


async def ask(chain, chaincode, *arguments, who="regulator"):
    proposal = chain.proposal(user(chain.run, who), *arguments, chaincode=chaincode)
    return (await endorser(chain, link=False).process(proposal)).response


async def test_system_chaincodes_answer_from_the_peers_own_ledger(chain):
    envelope = chain.transaction(puts(a=b"1"))
    await chain.commit(envelope)
    name = chain.consortium.channel.encode()
    info = p.ledger.BlockchainInfo.FromString((await ask(chain, "qscc", b"GetChainInfo", name)).payload)
    assert (3, chain.store.last_hash) == (info.height, info.currentBlockHash)
    last = chain.store.block(2)
    by_number = await ask(chain, "qscc", b"GetBlockByNumber", name, b"2")
    by_hash = await ask(chain, "qscc", b"GetBlockByHash", name, chain.store.last_hash)
    newest = await ask(chain, "qscc", b"GetBlockByNumber", name, str(2**64 - 1).encode())
    assert [last.SerializeToString()] * 3 == [by_number.payload, by_hash.payload, newest.payload]
    header = p.common.Payload.FromString(envelope.payload).header.channel_header
    txid = p.common.ChannelHeader.FromString(header).tx_id.encode()
    found = await ask(chain, "qscc", b"GetTransactionByID", name, txid)
    assert p.transaction.ProcessedTransaction(transactionEnvelope=envelope).SerializeToString() == found.payload
    assert last.SerializeToString() == (await ask(chain, "qscc", b"GetBlockByTxID", name, txid)).payload
    assert chain.store.block(0).SerializeToString() == (await ask(chain, "cscc", b"GetConfigBlock", name)).payload
    args = p.lifecycle.QueryChaincodeDefinitionArgs(name="fedledger").SerializeToString()
    answer = await ask(chain, "_lifecycle", b"QueryChaincodeDefinition", args)
    assert p.lifecycle.QueryChaincodeDefinitionResult.FromString(answer.payload).version == "1.0"


@pytest.mark.parametrize(
    ("chaincode", "arguments"),
    [
        ("qscc", (b"GetBlockByNumber", b"fedchannel", b"99")),
        ("qscc", (b"GetBlockByNumber", b"fedchannel", b"-1")),
        ("qscc", (b"GetBlockByNumber", b"fedchannel")),
        ("qscc", (b"GetChainInfo", b"other")),
        ("qscc", (b"GetTransactionByID", b"fedchannel", b"nothing")),
        ("qscc", ()),
        ("cscc", (b"JoinChain", b"x")),
        ("_lifecycle", (b"ApproveChaincodeDefinitionForMyOrg", b"x")),
        ("_lifecycle", (b"QueryChaincodeDefinition", b"\xff")),
    ],
)
async def test_what_a_system_chaincode_cannot_answer_is_an_error(chain, chaincode, arguments):
    response = await ask(chain, chaincode, *arguments, who="hospital-a")
    assert response.status == 500
    assert response.message


async def test_an_answer_that_is_no_response_is_the_peers_error(chain):
    class Rubbish:
        async def execute(self, *_, **__):
            return Message(type=Message.COMPLETED, payload=b"\xff")

    made = Endorser(chain.committer, peer(chain.run, "hospital-a"), One(Rubbish(), chain.consortium.chaincode), nobody)
    response = await made.process(chain.proposal(user(chain.run, "hospital-a"), b"F"))
    assert (500, b"") == (response.response.status, response.payload)
