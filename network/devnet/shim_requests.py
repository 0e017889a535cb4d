"""What a chaincode may ask its peer for while it runs a transaction, one handler per message of the protocol.

Source: core/chaincode/{handler,query_response_generator}.go. Private data, history, rich queries, key-level
endorsement and calls of other chaincodes are not provided; the chaincode gets an error that says so.
"""

from collections.abc import Callable
from typing import Any

from network.devnet import protos as p
from network.devnet.envelopes import parse
from network.devnet.simulator import OpenRange, Result, SimulationError

Message = p.shim.ChaincodeMessage
BATCH = 100  # results per message to the chaincode
QUERY_LIMIT = 100_000  # results per query, core.yaml ledger.state.totalQueryLimit

NOT_PROVIDED = {
    Message.INVOKE_CHAINCODE: "calls of other chaincodes",
    Message.GET_QUERY_RESULT: "rich queries",
    Message.GET_HISTORY_FOR_KEY: "the history of keys",
    Message.GET_STATE_METADATA: "key-level endorsement",
    Message.PUT_STATE_METADATA: "key-level endorsement",
    Message.GET_PRIVATE_DATA_HASH: "private data",
    Message.PURGE_PRIVATE_DATA: "private data",
}


def answer(message: Any, invocation: Any) -> bytes:
    """Return the payload of the response to a chaincode's request.

    Raises:
        SimulationError: not provided, or not allowed in this transaction.
        MalformedError: the request cannot be read.
    """
    handler = _HANDLERS.get(message.type)
    if handler is None:
        missing = NOT_PROVIDED.get(message.type)
        raise SimulationError(f"devnet does not provide {missing}" if missing else "unknown request")
    return handler(message.payload, invocation)


def _public(request: Any) -> Any:
    if request.collection:
        raise SimulationError("devnet does not provide private data")
    return request


def _get_state(payload: bytes, invocation: Any) -> bytes:
    request = _public(parse(p.shim.GetState, payload, "GetState"))
    return invocation.simulation.get(invocation.namespace, request.key) or b""


def _get_multiple(payload: bytes, invocation: Any) -> bytes:
    request = _public(parse(p.shim.GetStateMultiple, payload, "GetStateMultiple"))
    values = [invocation.simulation.get(invocation.namespace, key) or b"" for key in request.keys]
    result: bytes = p.shim.GetStateMultipleResult(values=values).SerializeToString()
    return result


def _put_state(payload: bytes, invocation: Any) -> bytes:
    request = _public(parse(p.shim.PutState, payload, "PutState"))
    invocation.simulation.put(invocation.namespace, request.key, request.value)
    return b""


def _delete_state(payload: bytes, invocation: Any) -> bytes:
    request = _public(parse(p.shim.DelState, payload, "DelState"))
    invocation.simulation.put(invocation.namespace, request.key, None)
    return b""


def _write_batch(payload: bytes, invocation: Any) -> bytes:
    kinds = p.shim.WriteRecord
    for record in parse(p.shim.WriteBatchState, payload, "WriteBatchState").rec:
        _public(record)
        if record.type == kinds.PUT_STATE:
            invocation.simulation.put(invocation.namespace, record.key, record.value)
        elif record.type == kinds.DEL_STATE:
            invocation.simulation.put(invocation.namespace, record.key, None)
        else:
            raise SimulationError("devnet does not provide private data and key-level endorsement")
    return b""


def _range(payload: bytes, invocation: Any) -> bytes:
    request = _public(parse(p.shim.GetStateByRange, payload, "GetStateByRange"))
    metadata = parse(p.shim.QueryMetadata, request.metadata, "QueryMetadata")
    if metadata.pageSize or metadata.bookmark:
        return _page(request, metadata, invocation)
    query = invocation.simulation.range(invocation.namespace, request.startKey, request.endKey)
    invocation.ranges[query.identifier] = query
    return _batch(query, invocation)


def _page(request: Any, metadata: Any, invocation: Any) -> bytes:
    start = metadata.bookmark or request.startKey
    size = min(metadata.pageSize or QUERY_LIMIT, QUERY_LIMIT)
    results, bookmark = invocation.simulation.page(invocation.namespace, start, request.endKey, size)
    about = p.shim.QueryResponseMetadata(fetched_records_count=len(results), bookmark=bookmark)
    response: bytes = p.shim.QueryResponse(
        results=_encode(results, invocation.namespace), metadata=about.SerializeToString()
    ).SerializeToString()
    return response


def _next(payload: bytes, invocation: Any) -> bytes:
    identifier = parse(p.shim.QueryStateNext, payload, "QueryStateNext").id
    query = invocation.ranges.get(identifier)
    if query is None:
        raise SimulationError("query iterator not found")
    return _batch(query, invocation)


def _close(payload: bytes, invocation: Any) -> bytes:
    identifier = parse(p.shim.QueryStateClose, payload, "QueryStateClose").id
    invocation.ranges.pop(identifier, None)
    response: bytes = p.shim.QueryResponse(id=identifier).SerializeToString()
    return response


def _batch(query: OpenRange, invocation: Any) -> bytes:
    """Return up to BATCH results; as in Fabric, one more is read to know whether there are more."""
    results, query.pending = query.pending, []
    more = False
    while (result := query.next()) is not None:
        if len(results) == BATCH:
            query.pending, more = [result], True
            break
        results.append(result)
    if not more:
        invocation.ranges.pop(query.identifier, None)
    response: bytes = p.shim.QueryResponse(
        results=_encode(results, invocation.namespace), has_more=more, id=query.identifier
    ).SerializeToString()
    return response


def _encode(results: list[Result], namespace: str) -> list[Any]:
    return [
        p.shim.QueryResultBytes(
            resultBytes=p.queryresult.KV(namespace=namespace, key=key, value=value).SerializeToString()
        )
        for key, value in results
    ]


_HANDLERS: dict[int, Callable[[bytes, Any], bytes]] = {
    Message.GET_STATE: _get_state,
    Message.GET_STATE_MULTIPLE: _get_multiple,
    Message.PUT_STATE: _put_state,
    Message.DEL_STATE: _delete_state,
    Message.WRITE_BATCH_STATE: _write_batch,
    Message.GET_STATE_BY_RANGE: _range,
    Message.QUERY_STATE_NEXT: _next,
    Message.QUERY_STATE_CLOSE: _close,
}
