"""The chaincode definition on the ledger: the keys and values that Fabric's _lifecycle writes, and who committed them.

Source: core/chaincode/lifecycle/{lifecycle,serializer}.go. On devnet an organisation approves a definition by running
its peer with it: the peer endorses the commit of exactly the definition in its own folder. A majority of members must.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

from gateway.encoding import transaction_id
from network.devnet import protos as p
from network.devnet.channel import ENDORSEMENT
from network.devnet.envelopes import channel_header, proposal_hash, strip_transient
from network.devnet.rwset import NamespaceSet, transaction_set
from network.devnet.signing import SigningIdentity
from network.devnet.simulator import Simulation
from network.devnet.snapshot import Snapshot

NAMESPACE = "_lifecycle"
SYSTEM_VERSION = "syscc"
COMMIT = "CommitChaincodeDefinition"
FIELDS = ("Sequence", "EndorsementInfo", "ValidationInfo", "Collections")


class Definition(Protocol):
    """What organisations approve: a chaincode, its version, and which definition of the channel it is."""

    @property
    def name(self) -> str:
        """Return the chaincode's name."""

    @property
    def version(self) -> str:
        """Return its version."""

    @property
    def sequence(self) -> int:
        """Return the number of the definition, from 1."""

    def collections_package(self) -> Any:
        """Return the CollectionConfigPackage of its private data."""


def field_key(chaincode: str, field: str) -> str:
    """Return the key of a definition's field."""
    return f"namespaces/fields/{chaincode}/{field}"


def metadata_key(chaincode: str) -> str:
    """Return the key that says which fields a definition has."""
    return f"namespaces/metadata/{chaincode}"


def definition(chaincode: Definition) -> dict[str, bytes]:
    """Return key and value of everything that a definition writes."""
    policy = p.policies.ApplicationPolicy(channel_config_policy_reference=ENDORSEMENT)
    endorsement = p.lifecycle_definition.ChaincodeEndorsementInfo(version=chaincode.version, endorsement_plugin="escc")
    validation = p.lifecycle_definition.ChaincodeValidationInfo(
        validation_plugin="vscc", validation_parameter=policy.SerializeToString()
    )
    data = p.lifecycle_db.StateData
    values = {
        "Sequence": data(Int64=chaincode.sequence),
        "EndorsementInfo": data(Bytes=endorsement.SerializeToString()),
        "ValidationInfo": data(Bytes=validation.SerializeToString()),
        "Collections": data(Bytes=chaincode.collections_package().SerializeToString()),
    }
    entries = {field_key(chaincode.name, field): values[field].SerializeToString() for field in FIELDS}
    metadata = p.lifecycle_db.StateMetadata(datatype="ChaincodeDefinition", fields=FIELDS)
    return {**entries, metadata_key(chaincode.name): metadata.SerializeToString()}


def read_sequence(value: bytes | None) -> int:
    """Return the sequence in a definition's Sequence value; 0 if the chaincode is not defined."""
    return 0 if value is None else int(p.lifecycle_db.StateData.FromString(value).Int64)


def defined(state: Snapshot, chaincode: str) -> Any | None:
    """Return the definition on the ledger as a QueryChaincodeDefinitionResult; None if there is none."""
    found = {field: state.get(NAMESPACE, field_key(chaincode, field)) for field in FIELDS}
    sequence = read_sequence(found["Sequence"][0] if found["Sequence"] else None)
    if not sequence:
        return None
    endorsement = p.lifecycle_definition.ChaincodeEndorsementInfo.FromString(_bytes(found["EndorsementInfo"]))
    validation = p.lifecycle_definition.ChaincodeValidationInfo.FromString(_bytes(found["ValidationInfo"]))
    return p.lifecycle.QueryChaincodeDefinitionResult(
        sequence=sequence,
        version=endorsement.version,
        endorsement_plugin=endorsement.endorsement_plugin,
        validation_plugin=validation.validation_plugin,
        validation_parameter=validation.validation_parameter,
        init_required=endorsement.init_required,
        collections=_collections_of(found["Collections"]),
    )


def version(state: Snapshot, chaincode: str) -> str:
    """Return the version of a defined chaincode."""
    found = state.get(NAMESPACE, field_key(chaincode, "EndorsementInfo"))
    return str(p.lifecycle_definition.ChaincodeEndorsementInfo.FromString(_bytes(found)).version)


def validation_parameter(state: Snapshot, chaincode: str) -> bytes | None:
    """Return a defined chaincode's serialized ApplicationPolicy; None if it is not defined."""
    found = state.get(NAMESPACE, field_key(chaincode, "ValidationInfo"))
    if found is None:
        return None
    return bytes(p.lifecycle_definition.ChaincodeValidationInfo.FromString(_bytes(found)).validation_parameter)


def collections(state: Snapshot, chaincode: str) -> bytes:
    """Return the serialized CollectionConfigPackage of a chaincode; empty if it has no collections."""
    return _bytes(state.get(NAMESPACE, field_key(chaincode, "Collections")))


def fingerprint(state: Snapshot, chaincode: str) -> bytes:
    """Return what tells one definition of a chaincode from another; empty if there is none."""
    version = state.version(NAMESPACE, field_key(chaincode, "Sequence"))
    return b"" if version is None else repr(version).encode()


def note_definition(simulation: Simulation, chaincode: str) -> None:
    """Note that a transaction depends on all of a chaincode's definition."""
    for key in (metadata_key(chaincode), *(field_key(chaincode, name) for name in FIELDS)):
        simulation.get(NAMESPACE, key)


def arguments(chaincode: Definition) -> Any:
    """Return the arguments with which a definition is committed."""
    asked = p.lifecycle.CommitChaincodeDefinitionArgs(
        sequence=chaincode.sequence,
        name=chaincode.name,
        version=chaincode.version,
        endorsement_plugin="escc",
        validation_plugin="vscc",
        validation_parameter=p.policies.ApplicationPolicy(
            channel_config_policy_reference=ENDORSEMENT
        ).SerializeToString(),
    )
    collections = chaincode.collections_package()
    if collections.config:
        asked.collections.CopyFrom(collections)
    return asked


def commit(simulation: Simulation, chaincode: Definition) -> None:
    """Write a definition, on condition that what it replaces stays as it was read."""
    for key, value in definition(chaincode).items():
        simulation.get(NAMESPACE, key)
        simulation.put(NAMESPACE, key, value)


def commit_transaction(
    channel: str, chaincode: Definition, admin: SigningIdentity, endorsers: Sequence[SigningIdentity]
) -> Any:
    """Return the transaction that commits a definition, signed by an administrator and by these peers."""
    name = p.chaincode.ChaincodeID(name=NAMESPACE)
    call = p.chaincode.ChaincodeInput(args=[COMMIT.encode(), arguments(chaincode).SerializeToString()])
    spec = p.chaincode.ChaincodeSpec(type=p.chaincode.ChaincodeSpec.GOLANG, chaincode_id=name, input=call)
    payload = p.proposal.ChaincodeProposalPayload(
        input=p.chaincode.ChaincodeInvocationSpec(chaincode_spec=spec).SerializeToString()
    )
    nonce = os.urandom(24)
    header = channel_header(
        p.common.ENDORSER_TRANSACTION,
        channel,
        tx_id=transaction_id(nonce, admin.serialized),
        extension=p.proposal.ChaincodeHeaderExtension(chaincode_id=name).SerializeToString(),
    )
    return _endorse(header, nonce, payload, definition(chaincode), admin, endorsers)


def _endorse(
    header: Any,
    nonce: bytes,
    payload: Any,
    entries: dict[str, bytes],
    admin: SigningIdentity,
    endorsers: Sequence[SigningIdentity],
) -> Any:
    namespace = NamespaceSet(reads=dict.fromkeys(entries), writes=dict(entries))
    signature = p.common.SignatureHeader(creator=admin.serialized, nonce=nonce)
    outer = p.common.Header(channel_header=header.SerializeToString(), signature_header=signature.SerializeToString())
    stripped = strip_transient(payload)
    action = p.proposal.ChaincodeAction(
        results=transaction_set({NAMESPACE: namespace}),
        response=p.proposal_response.Response(status=200),
        chaincode_id=p.chaincode.ChaincodeID(name=NAMESPACE, version=SYSTEM_VERSION),
    )
    response = p.proposal_response.ProposalResponsePayload(
        proposal_hash=proposal_hash(outer, stripped), extension=action.SerializeToString()
    ).SerializeToString()
    endorsements = [
        p.proposal_response.Endorsement(endorser=e.serialized, signature=e.sign(response + e.serialized))
        for e in endorsers
    ]
    endorsed = p.transaction.ChaincodeEndorsedAction(proposal_response_payload=response, endorsements=endorsements)
    content = p.transaction.ChaincodeActionPayload(chaincode_proposal_payload=stripped, action=endorsed)
    action_message = p.transaction.TransactionAction(header=outer.signature_header, payload=content.SerializeToString())
    data = p.transaction.Transaction(actions=[action_message]).SerializeToString()
    envelope = p.common.Payload(header=outer, data=data).SerializeToString()
    return p.common.Envelope(payload=envelope, signature=admin.sign(envelope))


def _bytes(found: tuple[bytes, Any] | None) -> bytes:
    return b"" if found is None else bytes(p.lifecycle_db.StateData.FromString(found[0]).Bytes)


def _collections_of(found: tuple[bytes, Any] | None) -> Any:
    raw = _bytes(found)
    return p.collection.CollectionConfigPackage.FromString(raw) if raw else None
