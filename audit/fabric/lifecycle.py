"""Which endorsement policy guards a namespace, read from the `_lifecycle` writes that are in force."""

from hashlib import sha256

from fabric_protos.peer import collection_pb2, policy_pb2, proposal_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2

from audit.fabric.channel import ChannelConfig
from audit.fabric.envelope import Action
from audit.fabric.policy import LIFECYCLE_ENDORSEMENT
from audit.fabric.state import State
from audit.fabric.wire import WireError, decode

LIFECYCLE = "_lifecycle"
IMPLICIT_PREFIX = "_implicit_org_"
DEFINITION = "ChaincodeDefinition"
PARAMETERS = ("EndorsementInfo", "ValidationInfo", "Collections")
"""The fields of a definition that an organisation approves."""


class UndefinedError(ValueError):
    """A namespace has no chaincode definition in force, or none that the audit can evaluate."""


def _data(state: State, chaincode: str, name: str) -> db_pb2.StateData:
    cell = state.get((LIFECYCLE, "", f"namespaces/fields/{chaincode}/{name}".encode()))
    if cell is None:
        raise UndefinedError(f"chaincode {chaincode} lacks the field {name}")
    return decode(db_pb2.StateData, cell[0], "lifecycle field")


def _field(state: State, chaincode: str, name: str) -> bytes:
    return bytes(_data(state, chaincode, name).Bytes)


def policy_for(state: State, config: ChannelConfig, chaincode: str) -> bytes:
    """Return the ApplicationPolicy bytes in force for a chaincode's public state; raises UndefinedError."""
    if chaincode == LIFECYCLE:
        if not config.policies.exists(LIFECYCLE_ENDORSEMENT):
            raise UndefinedError("the channel has no LifecycleEndorsement policy")
        return _reference(LIFECYCLE_ENDORSEMENT)
    cell = state.get((LIFECYCLE, "", f"namespaces/metadata/{chaincode}".encode()))
    if cell is None:
        raise UndefinedError(f"no chaincode {chaincode} is defined")
    if decode(db_pb2.StateMetadata, cell[0], "lifecycle metadata").datatype != DEFINITION:
        raise UndefinedError(f"{chaincode} is not a chaincode")
    return _validation_parameter(state, chaincode)


def _validation_parameter(state: State, chaincode: str) -> bytes:
    info = _field(state, chaincode, "ValidationInfo")
    validation = decode(chaincode_definition_pb2.ChaincodeValidationInfo, info, "validation info")
    if validation.validation_plugin != "vscc":
        raise UndefinedError(f"{chaincode} is validated by the plugin {validation.validation_plugin!r}")
    return bytes(validation.validation_parameter)


def approved_by(state: State, config: ChannelConfig, chaincode: str) -> list[str]:
    """Return the organisations that approved the definition in force as it stands; raises UndefinedError.

    An approval lies in the organisation's own collection, of which the ledger holds hashes: they must be those of the
    committed fields (Fabric: core/chaincode/lifecycle, CheckCommitReadiness).
    """
    sequence = _data(state, chaincode, "Sequence").Int64
    agreed = []
    for msp_id in sorted(config.application_organisations):
        for name in PARAMETERS:
            public = state.get((LIFECYCLE, "", f"namespaces/fields/{chaincode}/{name}".encode()))
            key = sha256(f"namespaces/fields/{chaincode}#{sequence}/{name}".encode()).digest()
            private = state.get((LIFECYCLE, IMPLICIT_PREFIX + msp_id, key))
            if public is None or private is None or private[0] != sha256(public[0]).digest():
                break
        else:
            agreed.append(msp_id)
    return agreed


def defines(action: Action, chaincode: str) -> bool:
    """Whether an action commits a definition of a chaincode."""
    key = f"namespaces/fields/{chaincode}/Sequence"
    return any(ns == LIFECYCLE and any(w.key == key for w in rwset.writes) for ns, rwset in action.rwsets)


def definition(state: State, chaincode: str) -> dict[str, str]:
    """Return a definition's sequence, version and endorsement policy as in force; empty where there is none."""
    try:
        policy = decode(policy_pb2.ApplicationPolicy, _validation_parameter(state, chaincode), "endorsement policy")
        info = _field(state, chaincode, "EndorsementInfo")
        version = decode(chaincode_definition_pb2.ChaincodeEndorsementInfo, info, "endorsement info").version
        sequence = _data(state, chaincode, "Sequence").Int64
    except (UndefinedError, WireError):
        return {}
    named = policy.channel_config_policy_reference or "a signature policy of its own"
    return {"name": chaincode, "sequence": str(sequence), "version": version, "policy": named}


def collection_policy(state: State, config: ChannelConfig, chaincode: str, collection: str) -> bytes:
    """Return the policy that guards a collection's hashes; raises UndefinedError where there is no such collection."""
    if collection.startswith(IMPLICIT_PREFIX):
        msp_id = collection.removeprefix(IMPLICIT_PREFIX)
        group = config.application_organisations.get(msp_id)
        if group is None:
            raise UndefinedError(f"no organisation has the MSP id {msp_id}")
        path = f"/Channel/Application/{group}/Endorsement"
        if not config.policies.exists(path):
            raise UndefinedError(f"the channel has no policy {path}")
        return _reference(path)
    static = _collection(state, chaincode, collection)
    if static is None:
        raise UndefinedError(f"chaincode {chaincode} has no collection {collection}")
    if static.HasField("endorsement_policy"):
        return bytes(static.endorsement_policy.SerializeToString())
    return policy_for(state, config, chaincode)


def blocks_to_live(state: State, chaincode: str, collection: str) -> int:
    """Return for how many blocks a collection's values live after the one that wrote them, 0: for ever."""
    try:
        static = _collection(state, chaincode, collection)
    except (UndefinedError, WireError):
        return 0
    return int(static.block_to_live) if static else 0


def _collection(state: State, chaincode: str, name: str) -> collection_pb2.StaticCollectionConfig | None:
    """Return the definition of a collection, None where the chaincode has none of that name."""
    package = decode(collection_pb2.CollectionConfigPackage, _field(state, chaincode, "Collections"), "collections")
    return next((e.static_collection_config for e in package.config if e.static_collection_config.name == name), None)


def _reference(path: str) -> bytes:
    return bytes(policy_pb2.ApplicationPolicy(channel_config_policy_reference=path).SerializeToString())


def header_chaincode(extension: bytes) -> str | None:
    """Return the chaincode that a channel header's extension names, None where it names none; raises WireError."""
    message = decode(proposal_pb2.ChaincodeHeaderExtension, extension, "header extension")
    return message.chaincode_id.name if message.HasField("chaincode_id") else None
