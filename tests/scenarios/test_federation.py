"""The life of a federation: votes, rounds with a dropout and a refuted aggregate, rewards, suspension, roll back."""

from typing import Any

import pytest

from fl_node.canonical import canonical_json
from gateway.errors import CommitError
from network.folders import folder_of
from tests.scenarios.federation import Federation, digest
from tests.scenarios.rounds import Attempt, vectors


async def test_a_federation_lives_from_founding_to_roll_back(federation: Federation) -> None:
    members = federation.members
    await federation.ready(rounds=3)

    await _round(federation)
    second = await _round(federation, absent=[members[3]])
    assert (await second.view())["survivors"] == members[:3]
    third = await _refuted_round(federation)
    assert (await third.view())["base_state"] == second.state()

    await _settled(federation)
    await _suspended_has_no_vote(federation)
    await federation.agree("roll_back_training", training="tumour", round=2)
    assert await federation.refused("OpenRound", training="tumour") == "FL0114"
    await federation.beacon()
    training = await federation.query("GetTraining", training="tumour")
    assert (training["head"]["round"], training["head"]["state"]) == (2, second.state())
    again = await _round(federation)
    lineage = await federation.query("GetLineage", training="tumour")
    assert [step["round"] for step in lineage["steps"]] == [1, 2, 4]
    assert lineage["state"] == again.state()


async def test_one_changed_bit_is_refused_by_every_honest_endorser(federation: Federation) -> None:
    await federation.ready(rounds=1)
    attempt = await Attempt.open(federation, "tumour")
    await attempt.keys_and_shares()
    await _blob_refusals(attempt)
    await attempt.advance("Unmask")
    attempt.prepare_reveals()
    await _share_refusals(attempt)
    await attempt.unmask()
    await _aggregate_refusals(attempt)
    await _one_endorsement_is_not_enough(attempt)
    await attempt.finish()


async def _round(federation: Federation, absent: Any = ()) -> Attempt:
    attempt = await Attempt.open(federation, "tumour")
    await attempt.keys_and_shares()
    await attempt.updates(absent)
    await attempt.unmask()
    await attempt.finish()
    return attempt


async def _refuted_round(federation: Federation) -> Attempt:
    attempt = await Attempt.open(federation, "tumour")
    await attempt.keys_and_shares()
    await attempt.updates()
    await attempt.unmask()
    liar = await attempt.aggregator()
    answer = await attempt.by_node("ProposeAggregate", liar, **attempt.result(state=digest("wrong state")))
    await attempt.attest(number=answer["number"], agree=False)
    await attempt.advance("Attest")
    assert await attempt.aggregator() != liar
    await attempt.finish()
    flags = await federation.query("ListFlags")
    refuted = {(flag["participant"], flag["round"]) for flag in flags["items"] if flag["kind"] == "refuted-aggregate"}
    assert refuted == {(liar, 3)}
    return attempt


async def _settled(federation: Federation) -> None:
    for round_ in (1, 2, 3):
        await federation.submit("Settle", training="tumour", round=round_)
    assert await federation.refused("Settle", training="tumour", round=3) == "FL0606"
    accounts = [federation.msp(member) for member in federation.members] + ["treasury"]
    balances = [await federation.query("BalanceOf", account=account) for account in accounts]
    participants = await federation.query("ListParticipants")
    held = sum(b["balance"] for b in balances) + sum(p["stake"] for p in participants["items"])
    assert held == (await federation.query("TotalSupply"))["total_supply"]
    rewards = await federation.query("ListRewards", training="tumour", round=1)
    assert sum(reward["amount"] for reward in rewards["items"]) == 1_000_000


async def _suspended_has_no_vote(federation: Federation) -> None:
    last = federation.members[3]
    await federation.agree("suspend", organisation=federation.msp(last))
    refused = await federation.refused(
        "Propose", by=last, kind="retire_plan", body={"plan": digest("plan")}, deadline_ms=0, reason=""
    )
    assert refused == "FL0105"
    await federation.agree("reinstate", organisation=federation.msp(last))


async def _blob_refusals(attempt: Attempt) -> None:
    attempt.simulation.commit_updates(vectors(attempt.simulation.session))
    name = attempt.federation.members[0]
    update = attempt.update(name)
    where = [
        folder_of(attempt.federation.run, m).blobs / update["digest"][:2] / update["digest"]
        for m in attempt.federation.members
    ]
    whole = where[0].read_bytes()
    for path in where:
        path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    refused = await attempt.federation.refused("CommitUpdate", by=name, user="node", **attempt.ref, **update)
    assert refused == "FL0501"
    assert await attempt.federation.refused_by_all("CommitUpdate", by=name, **attempt.ref, **update) == {"FL0501"}
    for path in where[:3]:
        path.write_bytes(whole)
    await attempt.by_node("CommitUpdate", name, **update)  # a majority holds it: one bad copy stops nobody
    for member in attempt.federation.members[1:]:
        await attempt.by_node("CommitUpdate", member, **attempt.update(member))
    where[3].write_bytes(whole)


async def _share_refusals(attempt: Attempt) -> None:
    name = attempt.federation.members[0]
    shares = attempt.shares(name)
    flipped = f"{int(shares[0]['value'], 16) ^ 1:0132x}"
    bad = [shares[0] | {"value": flipped}, *shares[1:]]
    refuse = attempt.federation.refused
    assert await refuse("RevealShares", by=name, user="node", **attempt.ref, shares=bad) == "FL0442"
    assert await attempt.federation.refused_by_all("RevealShares", by=name, **attempt.ref, shares=bad) == {"FL0442"}
    other = [shares[0] | {"kind": "mask"}, *shares[1:]]
    assert await refuse("RevealShares", by=name, user="node", **attempt.ref, shares=other) == "FL0440"


async def _aggregate_refusals(attempt: Attempt) -> None:
    who = await attempt.aggregator()
    true = attempt.result()
    flipped = f"{int(true['aggregate'], 16) ^ 1:064x}"
    refuse = attempt.federation.refused
    wrong = attempt.result(aggregate=flipped)
    assert await refuse("ProposeAggregate", by=who, user="node", **attempt.ref, **wrong) == "FL0503"
    assert await attempt.federation.refused_by_all("ProposeAggregate", by=who, **attempt.ref, **wrong) == {"FL0503"}
    wrong = attempt.result(examples=true["examples"] + 1)
    assert await refuse("ProposeAggregate", by=who, user="node", **attempt.ref, **wrong) == "FL0456"
    assert await attempt.federation.refused_by_all("ProposeAggregate", by=who, **attempt.ref, **wrong) == {"FL0456"}


async def _one_endorsement_is_not_enough(attempt: Attempt) -> None:
    federation = attempt.federation
    who = await attempt.aggregator()
    argument = canonical_json({**attempt.ref, **attempt.result()})
    contract = federation.contracts[who, "node"]
    with pytest.raises(CommitError) as refusal:
        await contract.submit("ProposeAggregate", argument, endorsing_organizations=[federation.msp(who)], retry=False)
    assert "ENDORSEMENT_POLICY_FAILURE" in str(refusal.value)
    assert (await attempt.view())["proposal"] is None
