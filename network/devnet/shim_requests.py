"""What a chaincode may ask its peer for while it runs a transaction, one handler per message of the protocol.

Source: core/chaincode/{handler,query_response_generator}.go. Calls of other chaincodes take time and so are the link's.
"""

import itertools
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from network.devnet import protos as p
from network.devnet.envelopes import parse
from network.devnet.history import changes
from network.devnet.invocation import Invocation
from network.devnet.simulator import OpenRange, Result, SimulationError

Message = p.shim.ChaincodeMessage
BATCH = 100  # results per message to the chaincode
QUERY_LIMIT = 100_000  # results per query, core.yaml ledger.state.totalQueryLimit
NO_RICH_QUERIES = "ExecuteQuery not supported for leveldb"  # devnet's state is kept as LevelDB's: by key
NO_RICH_PAGES = "ExecuteQueryWithMetadata not supported for leveldb"


@dataclass
class Cursor:
    """Results that the chaincode reads on from, one of them held back between batches."""

    rows: Iterator[bytes]
    identifier: str = field(default_factory=lambda: secrets.token_hex(16))
    pending: list[bytes] = field(default_factory=list)


def answer(message: Any, invocation: Invocation) -> bytes:
    """Return the payload of the response to a chaincode's request.

    Raises:
        SimulationError: unknown, or not allowed in this transaction.
        MalformedError: the request cannot be read.
    """
    handler = _HANDLERS.get(message.type)
    if handler is None:
        raise SimulationError("unknown request")
    return handler(message.payload, invocation)


def _get_state(payload: bytes, invocation: Invocation) -> bytes:
    request = parse(p.shim.GetState, payload, "GetState")
    if not request.collection:
        return invocation.simulation.get(invocation.namespace, request.key) or b""
    name = invocation.readable(request.collection)
    return invocation.simulation.get_private(invocation.namespace, name, request.key) or b""


def _get_multiple(payload: bytes, invocation: Invocation) -> bytes:
    request = parse(p.shim.GetStateMultiple, payload, "GetStateMultiple")
    if request.collection:
        name = invocation.readable(request.collection)
        found = invocation.simulation.get_private_many(invocation.namespace, name, list(request.keys))
    else:
        found = [invocation.simulation.get(invocation.namespace, key) for key in request.keys]
    result: bytes = p.shim.GetStateMultipleResult(values=[value or b"" for value in found]).SerializeToString()
    return result


def _get_hash(payload: bytes, invocation: Invocation) -> bytes:
    request = parse(p.shim.GetState, payload, "GetState")
    name = invocation.defined(request.collection)
    return invocation.simulation.get_private_hash(invocation.namespace, name, request.key) or b""


def _get_metadata(payload: bytes, invocation: Invocation) -> bytes:
    request = parse(p.shim.GetStateMetadata, payload, "GetStateMetadata")
    if request.collection:
        name = invocation.readable(request.collection)
        found = invocation.simulation.private_metadata(invocation.namespace, name, request.key)
    else:
        found = invocation.simulation.metadata(invocation.namespace, request.key)
    entries = [p.shim.StateMetadata(metakey=name, value=found[name]) for name in sorted(found)]
    result: bytes = p.shim.StateMetadataResult(entries=entries).SerializeToString()
    return result


def _put(request: Any, invocation: Invocation, value: bytes | None, *, purge: bool = False) -> None:
    if request.collection:
        name = invocation.writable(request.collection)
        invocation.simulation.put_private(invocation.namespace, name, request.key, value, purge=purge)
    elif purge:
        raise SimulationError("only applicable for private data")
    else:
        invocation.simulation.put(invocation.namespace, request.key, value)


def _put_entry(request: Any, invocation: Invocation) -> None:
    metadata = {request.metadata.metakey: request.metadata.value}
    if request.collection:
        name = invocation.writable(request.collection)
        invocation.simulation.put_private_metadata(invocation.namespace, name, request.key, metadata)
    else:
        invocation.simulation.put_metadata(invocation.namespace, request.key, metadata)


def _put_state(payload: bytes, invocation: Invocation) -> bytes:
    request = parse(p.shim.PutState, payload, "PutState")
    _put(request, invocation, request.value)
    return b""


def _delete_state(payload: bytes, invocation: Invocation) -> bytes:
    _put(parse(p.shim.DelState, payload, "DelState"), invocation, None)
    return b""


def _purge(payload: bytes, invocation: Invocation) -> bytes:
    _put(parse(p.shim.DelState, payload, "DelState"), invocation, None, purge=True)
    return b""


def _put_metadata(payload: bytes, invocation: Invocation) -> bytes:
    _put_entry(parse(p.shim.PutStateMetadata, payload, "PutStateMetadata"), invocation)
    return b""


def _write_batch(payload: bytes, invocation: Invocation) -> bytes:
    kinds = p.shim.WriteRecord
    for record in parse(p.shim.WriteBatchState, payload, "WriteBatchState").rec:
        if record.type == kinds.PUT_STATE:
            _put(record, invocation, record.value)
        elif record.type in {kinds.DEL_STATE, kinds.PURGE_PRIVATE_DATA}:
            _put(record, invocation, None, purge=record.type == kinds.PURGE_PRIVATE_DATA)
        elif record.type == kinds.PUT_STATE_METADATA:
            _put_entry(record, invocation)
        else:
            raise SimulationError("unknown operation type")
    return b""


def _range(payload: bytes, invocation: Invocation) -> bytes:
    request = parse(p.shim.GetStateByRange, payload, "GetStateByRange")
    namespace = invocation.namespace
    if request.collection:
        name = invocation.readable(request.collection)
        pairs = invocation.simulation.private_range(namespace, name, request.startKey, request.endKey)
        return _opened(_encode(pairs, namespace), invocation)
    metadata = parse(p.shim.QueryMetadata, request.metadata, "QueryMetadata")
    if metadata.pageSize or metadata.bookmark:
        return _page(request, metadata, invocation)
    return _opened(
        _encode(_rest(invocation.simulation.range(namespace, request.startKey, request.endKey)), namespace), invocation
    )


def _rest(query: OpenRange) -> Iterator[Result]:
    while (result := query.next()) is not None:
        yield result


def _page(request: Any, metadata: Any, invocation: Invocation) -> bytes:
    start = metadata.bookmark or request.startKey
    size = min(metadata.pageSize or QUERY_LIMIT, QUERY_LIMIT)
    results, bookmark = invocation.simulation.page(invocation.namespace, start, request.endKey, size)
    about = p.shim.QueryResponseMetadata(fetched_records_count=len(results), bookmark=bookmark)
    return _response(list(_encode(results, invocation.namespace)), metadata=about.SerializeToString())


def _rich(payload: bytes, invocation: Invocation) -> bytes:
    request = parse(p.shim.GetQueryResult, payload, "GetQueryResult")
    metadata = parse(p.shim.QueryMetadata, request.metadata, "QueryMetadata")
    if request.collection:
        invocation.readable(request.collection)
    elif metadata.pageSize or metadata.bookmark:
        raise SimulationError(NO_RICH_PAGES)
    raise SimulationError(NO_RICH_QUERIES)


def _history(payload: bytes, invocation: Invocation) -> bytes:
    key = parse(p.shim.GetHistoryForKey, payload, "GetHistoryForKey").key
    rows = changes(invocation.simulation.snapshot, invocation.namespace, key)
    return _opened((change.SerializeToString() for change in rows), invocation)


def _next(payload: bytes, invocation: Invocation) -> bytes:
    identifier = parse(p.shim.QueryStateNext, payload, "QueryStateNext").id
    cursor = invocation.cursors.get(identifier)
    if cursor is None:
        raise SimulationError("query iterator not found")
    return _batch(cursor, invocation)


def _close(payload: bytes, invocation: Invocation) -> bytes:
    identifier = parse(p.shim.QueryStateClose, payload, "QueryStateClose").id
    invocation.cursors.pop(identifier, None)
    response: bytes = p.shim.QueryResponse(id=identifier).SerializeToString()
    return response


def _opened(rows: Iterator[bytes], invocation: Invocation) -> bytes:
    cursor = Cursor(rows)
    invocation.cursors[cursor.identifier] = cursor
    return _batch(cursor, invocation)


def _batch(cursor: Cursor, invocation: Invocation) -> bytes:
    """Return up to BATCH results; as in Fabric, one more is read to know whether there are more."""
    results = [*cursor.pending, *itertools.islice(cursor.rows, BATCH + 1 - len(cursor.pending))]
    results, cursor.pending = results[:BATCH], results[BATCH:]
    if not cursor.pending:
        invocation.cursors.pop(cursor.identifier, None)
    return _response(results, has_more=bool(cursor.pending), id=cursor.identifier)


def _response(results: list[bytes], **fields: Any) -> bytes:
    found = [p.shim.QueryResultBytes(resultBytes=result) for result in results]
    response: bytes = p.shim.QueryResponse(results=found, **fields).SerializeToString()
    return response


def _encode(results: Iterator[Result] | list[Result], namespace: str) -> Iterator[bytes]:
    for key, value in results:
        yield p.queryresult.KV(namespace=namespace, key=key, value=value).SerializeToString()


_HANDLERS: dict[int, Callable[[bytes, Invocation], bytes]] = {
    Message.GET_STATE: _get_state,
    Message.GET_STATE_MULTIPLE: _get_multiple,
    Message.GET_PRIVATE_DATA_HASH: _get_hash,
    Message.GET_STATE_METADATA: _get_metadata,
    Message.PUT_STATE: _put_state,
    Message.PUT_STATE_METADATA: _put_metadata,
    Message.DEL_STATE: _delete_state,
    Message.PURGE_PRIVATE_DATA: _purge,
    Message.WRITE_BATCH_STATE: _write_batch,
    Message.GET_STATE_BY_RANGE: _range,
    Message.GET_QUERY_RESULT: _rich,
    Message.GET_HISTORY_FOR_KEY: _history,
    Message.QUERY_STATE_NEXT: _next,
    Message.QUERY_STATE_CLOSE: _close,
}
