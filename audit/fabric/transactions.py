"""The validation code that a transaction must have, recomputed in the order in which Fabric checks.

Sources: core/common/validation, core/committer/txvalidator/v20 and core/common/validation/statebased of Hyperledger
Fabric 3.1. The first check that fails decides. Conflicts of reads are looked at last, in the order of the block.
"""

from dataclasses import dataclass, field

from fabric_protos.common import common_pb2
from fabric_protos.peer import transaction_pb2 as codes

from audit.fabric.channel import ChannelConfig
from audit.fabric.endorsement import EndorsementError, Unsettled, check_endorsements
from audit.fabric.envelope import ENDORSER_TRANSACTION, Action, Transaction, parse_action, parse_transaction
from audit.fabric.lifecycle import UndefinedError, header_chaincode
from audit.fabric.msp import Identity, IdentityError
from audit.fabric.policy import SignedBytes, valid_signers
from audit.fabric.state import State
from audit.fabric.wire import WireError


@dataclass
class Checked:
    """What the checks before the read conflicts gave for one envelope."""

    code: int
    transaction: Transaction | None = None
    action: Action | None = None
    creator: Identity | None = None
    endorsers: list[Identity] = field(default_factory=list)
    reason: str = ""

    @property
    def txid(self) -> str:
        """The transaction id, "" where the envelope names none."""
        return self.transaction.txid if self.transaction else ""


def check_transaction(
    state: State, config: ChannelConfig, index: int, raw: bytes, unsettled: Unsettled | None = None
) -> Checked:
    """Return the code of an envelope as far as it does not depend on the block's other transactions' reads.

    `unsettled` are the keys whose policies earlier transactions of the block change; this one's are added.
    """
    checked, failure = _headers(index, raw)
    if failure is None and checked.transaction is not None:
        for step in (_creator, _body, _duplicate):
            failure = step(state, config, checked)
            if failure is not None:
                break
        else:
            failure = _dispatch(state, config, checked, Unsettled() if unsettled is None else unsettled)
    if failure is not None:
        checked.code, checked.reason = failure
    return checked


Failure = tuple[int, str] | None


def _headers(index: int, raw: bytes) -> tuple[Checked, Failure]:
    checked = Checked(codes.VALID)
    try:
        checked.transaction = transaction = parse_transaction(index, raw)
    except WireError as error:
        code = codes.INVALID_OTHER_REASON if "envelope" in str(error) else codes.BAD_PAYLOAD
        return checked, (codes.BAD_COMMON_HEADER if "header" in str(error) else code, str(error))
    if transaction.kind not in (ENDORSER_TRANSACTION, common_pb2.CONFIG, common_pb2.CONFIG_UPDATE):
        return checked, (codes.BAD_COMMON_HEADER, f"header type {transaction.kind} is not one that a block holds")
    if transaction.epoch or not transaction.nonce or not transaction.creator:
        return checked, (codes.BAD_COMMON_HEADER, "the header has an epoch, or lacks its nonce or creator")
    return checked, None


def _creator(_state: State, config: ChannelConfig, checked: Checked) -> Failure:
    transaction = checked.transaction
    assert transaction is not None
    try:
        checked.creator = config.msps.identity(transaction.creator)
        checked.creator.verify(transaction.envelope.signature, transaction.envelope.payload)
    except IdentityError as error:
        return codes.BAD_CREATOR_SIGNATURE, str(error)
    return None


def _body(_state: State, config: ChannelConfig, checked: Checked) -> Failure:
    transaction = checked.transaction
    assert transaction is not None
    if transaction.kind != ENDORSER_TRANSACTION:
        return codes.UNSUPPORTED_TX_PAYLOAD, "a config transaction stands alone in its block"
    if not transaction.id_holds:
        return codes.BAD_PROPOSAL_TXID, "the transaction id is not the hash of nonce and creator"
    try:
        checked.action = parse_action(transaction)
    except WireError as error:
        return codes.INVALID_ENDORSER_TRANSACTION, str(error)
    if not checked.action.proposal_hash_holds:
        return codes.INVALID_ENDORSER_TRANSACTION, "the endorsed response answers another proposal"
    if transaction.channel != config.channel:
        return codes.TARGET_CHAIN_NOT_FOUND, f"the transaction is for channel {transaction.channel!r}"
    return None


def _duplicate(state: State, _config: ChannelConfig, checked: Checked) -> Failure:
    if state.seen(checked.txid):
        return codes.DUPLICATE_TXID, "an earlier block holds a transaction with this id"
    return None


def _dispatch(state: State, config: ChannelConfig, checked: Checked, unsettled: Unsettled) -> Failure:
    action, transaction = checked.action, checked.transaction
    assert action is not None
    assert transaction is not None
    for check in (_names, _namespaces):
        failure = check(checked)
        if failure is not None:
            return failure
    signed = [SignedBytes(e.endorser, action.response_payload + e.endorser, e.signature) for e in action.endorsements]
    checked.endorsers = valid_signers(config.msps, signed)
    for ns in sorted(action.touched.namespaces | {action.chaincode}):
        try:
            check_endorsements(state, config, action, ns, checked.endorsers, unsettled)
        except (UndefinedError, WireError) as error:
            return codes.INVALID_CHAINCODE, str(error)
        except EndorsementError as error:
            return codes.ENDORSEMENT_POLICY_FAILURE, str(error)
    return None


def _names(checked: Checked) -> Failure:
    action, transaction = checked.action, checked.transaction
    assert action is not None
    assert transaction is not None
    try:
        named = header_chaincode(transaction.extension)
    except WireError as error:
        return codes.BAD_HEADER_EXTENSION, str(error)
    if named is None:
        return codes.INVALID_OTHER_REASON, "the header names no chaincode"
    if not named or named != action.chaincode or not action.version:
        return codes.INVALID_CHAINCODE, "header and action name different chaincodes, or no version"
    if action.event is not None and action.event.chaincode_id != action.chaincode:
        return codes.INVALID_OTHER_REASON, "the event names another chaincode"
    return None


def _namespaces(checked: Checked) -> Failure:
    assert checked.action is not None
    try:
        names = [ns for ns, _ in checked.action.rwsets]
        collections = [collection for _, collection, _ in checked.action.hashed_rwsets]
    except WireError as error:
        return codes.BAD_RWSET, str(error)
    if "" in collections:
        return codes.INVALID_CHAINCODE, "a collection has no name"
    if len(set(names)) != len(names):
        return codes.ILLEGAL_WRITESET, "a namespace appears twice"
    return None
