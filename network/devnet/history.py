"""The writes of a key, newest first, read from the blocks that an index names.

Source: core/ledger/kvledger/history/query_executer.go.
"""

from collections.abc import Iterator
from typing import Any

from network.devnet import protos as p
from network.devnet.envelopes import open_envelope
from network.devnet.mvcc import deletes
from network.devnet.snapshot import Snapshot


def changes(state: Snapshot, namespace: str, key: str) -> Iterator[Any]:
    """Yield a KeyModification for each valid transaction that wrote a key, as far as a snapshot goes."""
    for raw, position in state.writers(namespace, key):
        block = p.common.Block.FromString(raw)
        message = open_envelope(p.common.Envelope.FromString(block.data.data[position]))
        for write in _writes(message.data, namespace):
            if write.key == key:
                yield p.queryresult.KeyModification(
                    tx_id=message.channel.tx_id,
                    value=write.value,
                    timestamp=message.channel.timestamp,
                    is_delete=deletes(write),
                )


def _writes(data: bytes, namespace: str) -> list[Any]:
    action = p.transaction.Transaction.FromString(data).actions[0]
    payload = p.transaction.ChaincodeActionPayload.FromString(action.payload).action.proposal_response_payload
    response = p.proposal_response.ProposalResponsePayload.FromString(payload)
    results = p.rwset.TxReadWriteSet.FromString(p.proposal.ChaincodeAction.FromString(response.extension).results)
    for entry in results.ns_rwset:
        if entry.namespace == namespace:
            return list(p.kvrwset.KVRWSet.FromString(entry.rwset).writes)
    return []
