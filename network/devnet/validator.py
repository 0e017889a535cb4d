"""Decides what each transaction of a block is worth, before its reads are checked against the state.

Source: core/common/validation/msgvalidation.go, core/committer/txvalidator/v20.
"""

import functools
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.encoding import transaction_id
from network.devnet import protos as p
from network.devnet.channel import CHANNEL_WRITERS, LIFECYCLE_ENDORSEMENT, Channel
from network.devnet.collection_rules import application_policy
from network.devnet.envelopes import MalformedError, open_envelope, parse, proposal_hash
from network.devnet.keylevel import Changed, KeyPolicies, check_chaincode
from network.devnet.lifecycle import NAMESPACE as LIFECYCLE
from network.devnet.msp import IdentityError
from network.devnet.policy import Policy, PolicyError, SignedData, valid_identities
from network.devnet.private_sets import hashes_as_state, hashes_of, split_hashes

Codes = p.transaction
ENDORSER = p.common.ENDORSER_TRANSACTION
CONFIG = p.common.CONFIG


class Definitions(KeyPolicies, Protocol):
    """What the ledger knows when a block arrives."""

    def known(self, txid: str) -> bool:
        """Say whether a transaction id stands in an earlier block."""

    def validation_parameter(self, chaincode: str) -> bytes | None:
        """Return a defined chaincode's serialized ApplicationPolicy; None if it is not defined."""


class InvalidError(Exception):
    """Ends the checks of a transaction with a validation code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checks before MVCC found.

    Attributes:
        code: the validation code.
        txid: the transaction's id.
        sets: of a transaction still valid its KVRWSets by namespace, those of private hashes among them.
        private: SHA-256 of the values written to collections, by the namespace of their hashes.
        purged: the namespaces of hashes and the keys in them of which earlier values go too.
        reason: why it is invalid.
    """

    code: int
    txid: str
    sets: dict[str, Any]
    private: dict[str, bytes] = field(default_factory=dict)
    purged: list[tuple[str, str]] = field(default_factory=list)
    reason: str = ""


def check_transaction(
    raw: bytes, channel: Channel, definitions: Definitions, changed: Changed | None = None
) -> Verdict:
    """Check one envelope of a block; `changed` are the keys whose policy earlier ones of the block changed."""
    try:
        message = open_envelope(parse(p.common.Envelope, raw, "Envelope"))
    except MalformedError as error:
        return Verdict(Codes.BAD_PAYLOAD, "", {}, reason=str(error))
    try:
        results = _check(message, channel, definitions, Changed() if changed is None else changed)
    except InvalidError as error:
        return Verdict(error.code, message.channel.tx_id, {}, reason=str(error))
    return Verdict(Codes.VALID, message.channel.tx_id, results.sets, results.private, results.purged)


@dataclass
class _Results:
    """What a transaction leaves: see Verdict."""

    sets: dict[str, Any] = field(default_factory=dict)
    private: dict[str, bytes] = field(default_factory=dict)
    purged: list[tuple[str, str]] = field(default_factory=list)

    def of(self, chaincode: str) -> list[tuple[str, Any]]:
        """Return the namespaces of a chaincode with their KVRWSets."""
        return [(space, kv_set) for space, kv_set in self.sets.items() if split_hashes(space)[0] == chaincode]

    def written(self) -> list[str]:
        """Return the chaincodes of which something is written."""
        spaces = [space for space, kv_set in self.sets.items() if kv_set.writes or kv_set.metadata_writes]
        return list(dict.fromkeys(split_hashes(space)[0] for space in spaces))


def _check(message: Any, channel: Channel, definitions: Definitions, changed: Changed) -> _Results:
    _check_headers(message)
    _check_creator(message, channel)
    if message.channel.type == CONFIG:
        return _Results()
    txid = message.channel.tx_id
    if transaction_id(message.signature.nonce, message.signature.creator) != txid:
        raise InvalidError(Codes.BAD_PROPOSAL_TXID, "the transaction id does not match nonce and creator")
    payload, response = _open_action(message)
    if definitions.known(txid):
        raise InvalidError(Codes.DUPLICATE_TXID, "the transaction id was used before")
    return _check_endorsed(message, (payload, response), channel, definitions, changed)


def _check_headers(message: Any) -> None:
    header, signature = message.channel, message.signature
    if header.type not in {ENDORSER, CONFIG, p.common.CONFIG_UPDATE} or header.epoch:
        raise InvalidError(Codes.BAD_COMMON_HEADER, f"invalid header type {header.type} or epoch")
    if not signature.nonce or not signature.creator:
        raise InvalidError(Codes.BAD_COMMON_HEADER, "nonce or creator is empty")
    if header.type == p.common.CONFIG_UPDATE:
        raise InvalidError(Codes.UNSUPPORTED_TX_PAYLOAD, "a config update is no transaction")


def _check_creator(message: Any, channel: Channel) -> None:
    try:
        identity = channel.members.identity(message.signature.creator)
        identity.verify(message.envelope.signature, message.envelope.payload)
    except IdentityError as error:
        raise InvalidError(Codes.BAD_CREATOR_SIGNATURE, str(error)) from None
    if message.channel.type == CONFIG and not channel.policies.policy(CHANNEL_WRITERS).satisfied([identity]):
        raise InvalidError(Codes.BAD_CREATOR_SIGNATURE, "a config transaction comes from the ordering service")


def _open_action(message: Any) -> tuple[Any, Any]:
    """Return the action's payload and its proposal response, whose hash must match the proposal."""
    try:
        action = _only_action(message.data)
        payload = parse(p.transaction.ChaincodeActionPayload, action.payload, "ChaincodeActionPayload")
        raw = payload.action.proposal_response_payload
        response = parse(p.proposal_response.ProposalResponsePayload, raw, "ProposalResponsePayload")
    except MalformedError as error:
        raise InvalidError(Codes.INVALID_ENDORSER_TRANSACTION, str(error)) from None
    header = p.common.Header(channel_header=message.header.channel_header, signature_header=action.header)
    if response.proposal_hash != proposal_hash(header, payload.chaincode_proposal_payload):
        raise InvalidError(Codes.INVALID_ENDORSER_TRANSACTION, "proposal hash does not match")
    return payload, response


def _only_action(data: bytes) -> Any:
    actions = parse(p.transaction.Transaction, data, "Transaction").actions
    if len(actions) != 1:
        raise MalformedError(f"only one action per transaction is supported, tx contains {len(actions)}")
    signature = parse(p.common.SignatureHeader, actions[0].header, "SignatureHeader")
    if not signature.nonce or not signature.creator:
        raise MalformedError("nonce or creator is empty")
    return actions[0]


def _check_endorsed(
    message: Any, opened: tuple[Any, Any], channel: Channel, definitions: Definitions, changed: Changed
) -> _Results:
    """Return the results if the endorsements satisfy the policies of all that is written."""
    payload, response = opened
    action, results = _open_results(response)
    name = _invoked_chaincode(message, action)
    written = list(dict.fromkeys([name, *results.written()]))
    raw = payload.action.proposal_response_payload
    endorsements = [SignedData(e.endorser, raw + e.endorser, e.signature) for e in payload.action.endorsements]
    endorsers = valid_identities(endorsements, channel.members)
    for namespace in written:
        policy = functools.partial(endorsement_policy, namespace, channel, definitions)
        policy()  # a chaincode that is not defined writes nothing, whatever its keys ask for
        try:
            check_chaincode(results.of(namespace), endorsers, policy, definitions, changed)
        except (PolicyError, MalformedError) as error:
            message_text = f"validation of endorsement policy for chaincode {namespace} failed: {error}"
            raise InvalidError(Codes.ENDORSEMENT_POLICY_FAILURE, message_text) from None
        changed.note(results.of(namespace))
    if name != LIFECYCLE and LIFECYCLE in written:
        raise InvalidError(Codes.ILLEGAL_WRITESET, f"chaincode {name} attempted to write to {LIFECYCLE}")
    return results


def _open_results(response: Any) -> tuple[Any, _Results]:
    try:
        action = parse(p.proposal.ChaincodeAction, response.extension, "ChaincodeAction")
    except MalformedError as error:
        raise InvalidError(Codes.BAD_RESPONSE_PAYLOAD, str(error)) from None
    results = _Results()
    try:
        for entry in parse(p.rwset.TxReadWriteSet, action.results, "TxReadWriteSet").ns_rwset:
            if entry.namespace in results.sets:
                raise InvalidError(Codes.ILLEGAL_WRITESET, f"duplicate namespace '{entry.namespace}' in txRWSet")
            if "$" in entry.namespace:  # collections are kept under such names
                raise InvalidError(Codes.INVALID_CHAINCODE, f"chaincode {entry.namespace} is not defined")
            results.sets[entry.namespace] = parse(p.kvrwset.KVRWSet, entry.rwset, "KVRWSet")
            for held in entry.collection_hashed_rwset:
                space = hashes_of(entry.namespace, held.collection_name)
                hashed = parse(p.kvrwset.HashedRWSet, held.hashed_rwset, "HashedRWSet")
                results.sets[space] = hashes_as_state(hashed)
                results.private[space] = held.pvt_rwset_hash
                results.purged += [(space, write.key_hash.hex()) for write in hashed.hashed_writes if write.is_purge]
    except MalformedError as error:
        raise InvalidError(Codes.BAD_RWSET, str(error)) from None
    return action, results


def _invoked_chaincode(message: Any, action: Any) -> str:
    try:
        extension = parse(p.proposal.ChaincodeHeaderExtension, message.channel.extension, "ChaincodeHeaderExtension")
    except MalformedError as error:
        raise InvalidError(Codes.BAD_HEADER_EXTENSION, str(error)) from None
    name: str = extension.chaincode_id.name
    if not extension.HasField("chaincode_id") or not action.HasField("chaincode_id"):
        raise InvalidError(Codes.INVALID_OTHER_REASON, "nil ChaincodeId")
    if not name or name != action.chaincode_id.name or not action.chaincode_id.version:
        raise InvalidError(Codes.INVALID_CHAINCODE, f"inconsistent ccid info ({name}/{action.chaincode_id.name})")
    if action.events:
        try:
            event = parse(p.chaincode_event.ChaincodeEvent, action.events, "ChaincodeEvent")
        except MalformedError as error:
            raise InvalidError(Codes.INVALID_OTHER_REASON, str(error)) from None
        if event.chaincode_id != name:
            raise InvalidError(Codes.INVALID_OTHER_REASON, "the event names another chaincode")
    return name


def endorsement_policy(namespace: str, channel: Channel, definitions: Definitions) -> Policy:
    """Return the policy that endorsements of writes to a namespace must satisfy; InvalidError if it is not defined."""
    if namespace == LIFECYCLE:
        return channel.policies.policy(LIFECYCLE_ENDORSEMENT)
    parameter = definitions.validation_parameter(namespace)
    if parameter is None:
        raise InvalidError(Codes.INVALID_CHAINCODE, f"chaincode {namespace} is not defined")
    return application_policy(parse(p.policies.ApplicationPolicy, parameter, "ApplicationPolicy"), channel)
