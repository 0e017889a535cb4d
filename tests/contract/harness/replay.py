"""Validation codes worked out again from blocks, by a state of versions kept here: the judge of the peers' codes."""

import hashlib
from collections.abc import Iterable
from typing import Any

from cryptography.exceptions import InvalidSignature
from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

from gateway import ValidationCode
from tests.contract.harness.blocks import Recorded, transactions, units_of, verify_signed
from tests.contract.harness.wire import Endorsed

Version = tuple[int, int]
Place = tuple[str, str]


class Replay:
    """Versions of all keys, and the ids seen, block after block from genesis.

    An organisation approves a chaincode definition alone, so the lifecycle's transactions need one endorsement here.
    """

    def __init__(self, chaincode: str, members: set[str], threshold: int) -> None:
        self._chaincode = chaincode
        self._members = members
        self._threshold = threshold
        self._versions: dict[Place, Version] = {}
        self._seen: set[str] = set()

    def codes(self, block: Any) -> list[ValidationCode]:
        """The codes of a block's transactions; what the valid ones wrote is there for the next block."""
        written: dict[Place, Version | None] = {}
        codes = []
        for index, recorded in enumerate(transactions(block)):
            code = self._code(recorded, written)
            codes.append(code)
            self._seen.add(recorded.transaction_id)
            if code is ValidationCode.VALID and recorded.kind == common_pb2.HeaderType.ENDORSER_TRANSACTION:
                for namespace, content in recorded.endorsed.namespaces.items():
                    for write in content.writes:
                        version = None if write.is_delete else (block.header.number, index)
                        written[namespace, write.key] = version
        for place, version in written.items():
            if version is None:
                self._versions.pop(place, None)
            else:
                self._versions[place] = version
        return codes

    def _code(self, recorded: Recorded, written: dict[Place, Version | None]) -> ValidationCode:
        if recorded.kind != common_pb2.HeaderType.ENDORSER_TRANSACTION:
            return ValidationCode.VALID
        if recorded.transaction_id in self._seen:
            return ValidationCode.DUPLICATE_TXID
        endorsed = recorded.endorsed
        needed = self._threshold if self._chaincode in endorsed.namespaces else 1
        if len(self._endorsers(endorsed)) < needed:
            return ValidationCode.ENDORSEMENT_POLICY_FAILURE
        for namespace, content in endorsed.namespaces.items():
            if not all(self._read_holds((namespace, read.key), read, written) for read in content.reads):
                return ValidationCode.MVCC_READ_CONFLICT
            if not all(self._range_holds(namespace, query, written) for query in content.range_queries_info):
                return ValidationCode.PHANTOM_READ_CONFLICT
        return ValidationCode.VALID

    def _endorsers(self, endorsed: Endorsed) -> set[str]:
        found = set()
        for endorsement in endorsed.endorsements:
            signed = endorsed.response_payload + endorsement.endorser
            try:
                msp_id = verify_signed(endorsement.endorser, signed, endorsement.signature)
            except InvalidSignature:
                continue
            if units_of(endorsement.endorser) == ["peer"] and msp_id in self._members:
                found.add(msp_id)
        return found

    def _read_holds(self, place: Place, read: Any, written: dict[Place, Version | None]) -> bool:
        version = (read.version.block_num, read.version.tx_num) if read.HasField("version") else None
        return place not in written and self._versions.get(place) == version

    def _range_holds(self, namespace: str, query: Any, written: dict[Place, Version | None]) -> bool:
        now = {**self._versions, **written}
        found = sorted(
            (key, version)
            for (space, key), version in now.items()
            if space == namespace and _within(key, query) and version is not None
        )
        if query.WhichOneof("reads_info") == "raw_reads":
            reads = [(r.key, (r.version.block_num, r.version.tx_num)) for r in query.raw_reads.kv_reads]
            return found == reads
        summary = query.reads_merkle_hashes
        assert summary.max_level == 1  # the suite's ranges are shorter than 51 · 51
        return list(summary.max_level_hashes) == list(_leaves(found, summary.max_degree))


def _within(key: str, query: Any) -> bool:
    if key < query.start_key:
        return False
    if not query.end_key:
        return True
    return key < query.end_key or (key == query.end_key and not query.itr_exhausted)


def _leaves(found: list[tuple[str, Version]], degree: int) -> Iterable[bytes]:
    """The hashes of a Merkle summary's lowest level: degree + 1 results each."""
    for start in range(0, len(found), degree + 1):
        reads = [
            kv_rwset_pb2.KVRead(key=key, version=kv_rwset_pb2.Version(block_num=block, tx_num=index))
            for key, (block, index) in found[start : start + degree + 1]
        ]
        yield hashlib.sha256(kv_rwset_pb2.QueryReads(kv_reads=reads).SerializeToString(deterministic=True)).digest()
