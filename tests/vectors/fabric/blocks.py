"""How the cases of reads are put to a running peer: a ledger with a case's state, then its block of transactions."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import base
import read_cases
from asking import KEEPER, Measured, change
from committing import Peer, peering, transaction
from fabric_protos.common import configuration_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.peer import collection_pb2
from load import load
from ordering import Ordering
from policy_cases import implicit, policy_of

from network.collections_config import collections_package
from network.devnet.lifecycle import NAMESPACE, definition

NAMES = ("cc", "other", "x", "pad")
SMALL = 2
"""Transactions in a block, unless it holds the large state; what lacks is padded, so that blocks are cut at once."""
STATE_AT, MANY_AT = {1: 2, 2: 3, 3: 4, 9: 5}, {4: 3, 9: 5}
"""Where blocks of the cases stand on the ledger that is asked: the chaincodes' definition comes first."""


class Defined:
    """A chaincode of the cases, as it is defined on the channel."""

    version, sequence = "1.0", 1

    def __init__(self, name: str) -> None:
        self.name = name

    def collections_package(self) -> collection_pb2.CollectionConfigPackage:
        """Return no private data: no case has any."""
        return collections_package([])


def reads(running: Ordering) -> Iterator[tuple[str, Measured | None]]:
    """Yield the answers to the cases of reads: the codes that a peer gives a block's transactions."""
    stops = {case["name"] for case in load("reads") if (case["answer"] or {}).get("stops")}
    small, large = read_cases.placed(STATE_AT), read_cases.placed(MANY_AT)
    with _a_peer() as peer:
        for number, (case, with_many) in enumerate(zip(small, large, strict=True)):
            if case["name"] in stops:
                yield case["name"], None  # Fabric's peer would end
                continue
            many = len(case["state"]) > len(read_cases.STATE)
            yield case["name"], {"codes": _codes(running, peer, f"reads-{number}", with_many if many else case, many)}


@contextmanager
def _a_peer() -> Iterator[Peer]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, peering(Path(folder)) as peer:
        yield peer


def _codes(running: Ordering, peer: Peer, channel: str, case: dict[str, Any], many: bool) -> list[str]:
    peer.join(running.begin(_channel_group(running.port), channel))
    _block(running, channel, [(NAMESPACE, _definitions())])
    for block in (1, 2, 3, 4):
        writes = [(entry["ns"], _write(entry)) for entry in case["state"] if entry["block"] == block]
        if writes and many:
            _cut_at(running, len(writes))
            _block(running, channel, writes, len(writes))
            _cut_at(running, SMALL)
        elif writes:
            _block(running, channel, writes)
    results = [("cc", bytes.fromhex(raw)) for raw in case["transactions"]]
    return peer.codes(channel, _block(running, channel, results))[: len(results)]


def _block(running: Ordering, channel: str, results: list[tuple[str, bytes]], size: int = SMALL) -> int:
    padded = [*results, *[("pad", _set("pad", read_cases.write(f"p{n}"))) for n in range(size - len(results))]]
    return running.order([transaction(channel, chaincode, raw) for chaincode, raw in padded])


def _set(namespace: str, content: kv_rwset_pb2.KVRWSet) -> bytes:
    message = rwset_pb2.TxReadWriteSet(data_model=rwset_pb2.TxReadWriteSet.KV)
    message.ns_rwset.add(namespace=namespace, rwset=content.SerializeToString(deterministic=True))
    raw: bytes = message.SerializeToString(deterministic=True)
    return raw


def _write(entry: dict[str, Any]) -> bytes:
    return _set(entry["ns"], read_cases.write(entry["key"], b"value"))


def _definitions() -> bytes:
    content = kv_rwset_pb2.KVRWSet()
    for name in NAMES:
        for key, value in definition(Defined(name)).items():
            content.writes.add(key=key, value=value)
    return _set(NAMESPACE, content)


def _cut_at(running: Ordering, count: int) -> None:
    def edit(root: base.Group) -> None:
        base.put(
            root.groups["Orderer"], "BatchSize", orderer_pb2.BatchSize(**{**base.SIZE, "max_message_count": count})
        )

    answer = change(running, edit, [KEEPER])
    if not answer.taken:
        raise RuntimeError(answer.message)


def _channel_group(port: int) -> base.Group:
    """Return the configuration of a channel on which the peer of A endorses alone."""
    root = base.channel_group()
    base.guard(root, "Readers", implicit(0, "Readers"))
    base.guard(root, "Writers", policy_of((1, "K.member", "A.member")))
    for name in ("Endorsement", "LifecycleEndorsement"):
        base.guard(root.groups["Application"], name, policy_of("A.peer"))
    ordering = root.groups["Orderer"]
    base.put(ordering, "BatchSize", orderer_pb2.BatchSize(**{**base.SIZE, "max_message_count": SMALL}))
    base.put(ordering, "BatchTimeout", orderer_pb2.BatchTimeout(timeout="20s"))
    addresses = configuration_pb2.OrdererAddresses(addresses=[f"{base.HOST}:{port}"])
    base.put(ordering.groups[base.KEEPER], "Endpoints", addresses)
    return root
