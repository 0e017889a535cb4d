"""What is told about a block besides itself: chaincode events and filtered blocks.

Source: core/peer/deliverevents.go, internal/pkg/gateway/event.
"""

from collections.abc import Iterator
from typing import Any

from network.devnet import protos as p
from network.devnet.envelopes import TRANSACTIONS_FILTER, MalformedError, open_envelope, parse

ENDORSER = p.common.ENDORSER_TRANSACTION


def _messages(block: Any) -> Iterator[tuple[Any, int]]:
    codes = block.metadata.metadata[TRANSACTIONS_FILTER]
    for position, raw in enumerate(block.data.data):
        code = codes[position] if position < len(codes) else p.transaction.INVALID_OTHER_REASON
        try:
            yield open_envelope(parse(p.common.Envelope, raw, "Envelope")), code
        except MalformedError:
            continue  # it has neither an id nor an event


def _event(message: Any) -> Any | None:
    """Return an endorser transaction's chaincode event; None if it has none."""
    try:
        transaction = parse(p.transaction.Transaction, message.data, "Transaction")
        if not transaction.actions:
            return None
        content = parse(p.transaction.ChaincodeActionPayload, transaction.actions[0].payload, "ChaincodeActionPayload")
        raw = content.action.proposal_response_payload
        response = parse(p.proposal_response.ProposalResponsePayload, raw, "ProposalResponsePayload")
        action = parse(p.proposal.ChaincodeAction, response.extension, "ChaincodeAction")
        event = parse(p.chaincode_event.ChaincodeEvent, action.events, "ChaincodeEvent")
    except MalformedError:
        return None
    return event if event.chaincode_id else None


def chaincode_events(block: Any) -> Iterator[Any]:
    """Yield the events of a block's valid transactions in their order."""
    for message, code in _messages(block):
        if message.channel.type == ENDORSER and code == p.transaction.VALID:
            event = _event(message)
            if event is not None:
                yield event


def filtered_block(block: Any, channel: str) -> Any:
    """Return a block without contents: ids, types, codes, and events without their payloads."""
    filtered = p.events.FilteredBlock(channel_id=channel, number=block.header.number)
    for message, code in _messages(block):
        entry = filtered.filtered_transactions.add(
            txid=message.channel.tx_id, type=message.channel.type, tx_validation_code=code
        )
        if message.channel.type != ENDORSER:
            continue
        entry.transaction_actions.SetInParent()
        event = _event(message)
        if event is not None:
            shown = p.chaincode_event.ChaincodeEvent(
                chaincode_id=event.chaincode_id, tx_id=event.tx_id, event_name=event.event_name
            )
            entry.transaction_actions.chaincode_actions.add(chaincode_event=shown)
    return filtered
