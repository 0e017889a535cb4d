"""Ways to tamper with a ledger whose updates are joined by a robust rule, by a majority that colludes.

Each returns the rule that must fail first and the block where it must.
"""

import json
from collections.abc import Callable

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

from audit.verify.verdict import Rule
from tests.auditor.corpus import Expected, Ledger
from tests.auditor.federation_corpus import call, forged, places, rewrite
from tests.auditor.forge import Chain, Opened

Kind = Callable[[Ledger, Chain], Expected]
KINDS: dict[str, Kind] = {}


def kind(name: str) -> Callable[[Kind], Kind]:
    def register(function: Kind) -> Kind:
        KINDS[name] = function
        return function

    return register


def majority(ledger: Ledger) -> tuple[str, ...]:
    """More than half of the members."""
    members = sorted(name for name in ledger.members.values() if name != "regulator")
    return tuple(members[: len(members) // 2 + 1])


def _changed(ledger: Ledger, chain: Chain, function: str, old: bytes, new: bytes) -> int:
    """Let a majority endorse other bytes in the arguments and in the writes that follow from them."""
    place = places(ledger, chain, function)[-1]
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    rewrite(opened, ledger.chaincode, old, new, writes=True)
    forged(ledger, chain, place, opened, majority(ledger))
    return place[0]


def _proposed(ledger: Ledger, chain: Chain) -> dict[str, object]:
    block, index = places(ledger, chain, "ProposeAggregate")[-1]
    return call(Opened.of(chain[block].data.data[index]))[1]


def _flipped(digest: str) -> bytes:
    return f"{int(digest, 16) ^ 1:064x}".encode()


@kind("another aggregate than the rule makes of the sums")
def _aggregate(ledger: Ledger, chain: Chain) -> Expected:
    true = str(_proposed(ledger, chain)["aggregate"])
    return Rule.AGGREGATE, _changed(ledger, chain, "ProposeAggregate", true.encode(), _flipped(true))


@kind("another digest of one group's sum, or of one update")
def _sum(ledger: Ledger, chain: Chain) -> Expected:
    sums = _proposed(ledger, chain)["sums"]
    assert isinstance(sums, list)
    return Rule.AGGREGATE, _changed(ledger, chain, "ProposeAggregate", sums[0].encode(), _flipped(sums[0]))


@kind("two groups' sums, or two updates, in each other's place")
def _swapped(ledger: Ledger, chain: Chain) -> Expected:
    sums = _proposed(ledger, chain)["sums"]
    assert isinstance(sums, list)
    old, new = json.dumps(sums[:2], separators=(",", ":")), json.dumps(sums[1::-1], separators=(",", ":"))
    return Rule.AGGREGATE, _changed(ledger, chain, "ProposeAggregate", old[1:-1].encode(), new[1:-1].encode())


@kind("another group, or another update, named as left out by the rule")
def _outlying(ledger: Ledger, chain: Chain) -> Expected:
    outlying, sums = _proposed(ledger, chain)["outlying"], _proposed(ledger, chain)["sums"]
    assert isinstance(outlying, list)
    assert isinstance(sums, list)
    old, new = (f'"outlying":[{place}]'.encode() for place in (outlying[0], (outlying[0] + 1) % len(sums)))
    return Rule.AGGREGATE, _changed(ledger, chain, "ProposeAggregate", old, new)


@kind("a participant in another group than the draw says")
def _group(ledger: Ledger, chain: Chain) -> Expected:
    place = places(ledger, chain, "OpenRound")[-1]
    opened = Opened.of(chain[place[0]].data.data[place[1]])

    def change(rwset: kv_rwset_pb2.KVRWSet) -> None:
        for write in rwset.writes:
            if write.key.startswith("\0round\0"):
                record = json.loads(write.value)
                groups = record["groups"]
                groups[0][0], groups[1][0] = groups[1][0], groups[0][0]
                write.value = json.dumps(record, separators=(",", ":")).encode()

    before = opened.result.SerializeToString()
    opened.rwset(change, ledger.chaincode)
    assert opened.result.SerializeToString() != before
    forged(ledger, chain, place, opened, majority(ledger))
    return Rule.REPLAY_WRITES, place[0]
