"""The channel whose configuration the cases change, and which one real orderer orders for the recorder.

Application has the organisations A, B and C of the policy cases; K keeps the only orderer and governs the rest.
"""

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from cryptography import x509
from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.orderer.etcdraft import configuration_pb2 as raft_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2
from people import DETERMINISTIC, Authority, Msp, key_of, low, pem, serialized
from policy_cases import MSPS, Policy, implicit, policy_of

CHANNEL = "vectors"
KEEPER = "K"
HOST, PORT = "127.0.0.1", 7050
"""What the configuration says of the orderer; it listens elsewhere, and a single Raft orderer dials nobody."""
SIZE = {"max_message_count": 10, "absolute_max_bytes": 10 << 20, "preferred_max_bytes": 2 << 20}

ROOT, TLS_ROOT = Authority("root of K"), Authority("TLS root of K")
CERTIFICATES = {who: ROOT.issue(f"K.{who}", [unit]) for who, unit in (("orderer0", "orderer"), ("boss", "admin"))}
_NAMES = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST)), x509.DNSName("localhost")])
TLS = TLS_ROOT.issue("K.tls", extensions=[(_NAMES, False)])
BOSS = serialized(KEEPER, pem(CERTIFICATES["boss"]))

UNITS = """NodeOUs:
  Enable: true
  ClientOUIdentifier: {OrganizationalUnitIdentifier: client}
  PeerOUIdentifier: {OrganizationalUnitIdentifier: peer}
  AdminOUIdentifier: {OrganizationalUnitIdentifier: admin}
  OrdererOUIdentifier: {OrganizationalUnitIdentifier: orderer}
"""

Group: TypeAlias = configtx_pb2.ConfigGroup
Make: TypeAlias = Callable[[bytes], bytes]
Signer = tuple[bytes, Make]
"""An identity, and what makes its signature of a message."""


def makes(key: str) -> Make:
    """Return what signs with the key of a name, as Fabric's own signers do."""
    return lambda message: low(key_of(key).sign(message, DETERMINISTIC))


def put(group: Group, name: str, message: Any, mod_policy: str = "Admins") -> None:
    """Set a value of a group."""
    group.values[name].value = message.SerializeToString(deterministic=True)
    group.values[name].mod_policy = mod_policy


def guard(group: Group, name: str, policy: Policy, mod_policy: str = "Admins") -> None:
    """Set a policy of a group."""
    group.policies[name].policy.CopyFrom(policy)
    group.policies[name].mod_policy = mod_policy


def organisation(name: str, msp: bytes, roles: Sequence[tuple[str, str]]) -> Group:
    """Return the group of an organisation, with a policy for each role given, and its admins to change it."""
    group = Group(mod_policy="Admins")
    put(group, "MSP", msp_config_pb2.MSPConfig(config=msp))
    for policy, role in roles:
        guard(group, policy, policy_of(f"{name}.{role}"))
    return group


def _keeper() -> bytes:
    msp = msp_config_pb2.FabricMSPConfig.FromString(Msp(KEEPER, [ROOT.pem]).config)
    msp.tls_root_certs.append(TLS_ROOT.pem)
    raw: bytes = msp.SerializeToString(deterministic=True)
    return raw


MEMBER = (("Readers", "member"), ("Writers", "member"), ("Admins", "admin"), ("Endorsement", "peer"))


def capability(name: str) -> configuration_pb2.Capabilities:
    """Return the capabilities of one level."""
    return configuration_pb2.Capabilities(capabilities={name: configuration_pb2.Capability()})


def channel_group(application: Group | None = None) -> Group:
    """Return the channel's configuration, with the group Application given or that of A, B and C."""
    root = Group(mod_policy="Admins")
    guard(root, "Readers", policy_of("K.member"))
    guard(root, "Writers", policy_of("K.member"))
    guard(root, "Admins", policy_of("K.admin"))
    put(root, "HashingAlgorithm", configuration_pb2.HashingAlgorithm(name="SHA256"))
    put(root, "BlockDataHashingStructure", configuration_pb2.BlockDataHashingStructure(width=0xFFFFFFFF))
    put(root, "Capabilities", capability("V3_0"))
    root.groups["Orderer"].CopyFrom(_orderer_group())
    root.groups["Application"].CopyFrom(application or application_group())
    return root


def application_group() -> Group:
    """Return the group Application of A, B and C: a majority of their admins governs."""
    group = Group(mod_policy="Admins")
    for name in ("Readers", "Writers"):
        guard(group, name, implicit(0, name))
    for name in ("Admins", "Endorsement"):
        guard(group, name, implicit(2, name))
    put(group, "Capabilities", capability("V2_5"))
    put(group, "ACLs", peer_pb2.ACLs(acls={"peer/Propose": peer_pb2.APIResource(policy_ref="Readers")}))
    for name, msp in MSPS.items():
        group.groups[name].CopyFrom(organisation(name, msp.config, MEMBER))
        anchor = peer_pb2.AnchorPeer(host=f"peer.{name.lower()}", port=7051)
        put(group.groups[name], "AnchorPeers", peer_pb2.AnchorPeers(anchor_peers=[anchor]))
    return group


def _orderer_group() -> Group:
    group = Group(mod_policy="Admins")
    for name in ("Readers", "Writers"):
        guard(group, name, implicit(0, name))
    guard(group, "Admins", implicit(2, "Admins"))
    guard(group, "BlockValidation", implicit(0, "Writers"))
    put(group, "BatchSize", orderer_pb2.BatchSize(**SIZE))
    put(group, "BatchTimeout", orderer_pb2.BatchTimeout(timeout="10ms"))
    put(group, "ChannelRestrictions", orderer_pb2.ChannelRestrictions())
    put(group, "Capabilities", capability("V2_0"))
    put(group, "ConsensusType", orderer_pb2.ConsensusType(type="etcdraft", metadata=_consenters()))
    group.groups[KEEPER].CopyFrom(organisation(KEEPER, _keeper(), MEMBER[:3]))
    put(group.groups[KEEPER], "Endpoints", configuration_pb2.OrdererAddresses(addresses=[f"{HOST}:{PORT}"]))
    return group


def _consenters() -> bytes:
    tls = {"client_tls_cert": pem(TLS), "server_tls_cert": pem(TLS)}
    consenter = raft_pb2.Consenter(host=HOST, port=PORT, **tls)
    options = raft_pb2.Options(
        tick_interval="20ms", election_tick=10, heartbeat_tick=1, max_inflight_blocks=5, snapshot_interval_size=16 << 20
    )
    raw: bytes = raft_pb2.ConfigMetadata(consenters=[consenter], options=options).SerializeToString(deterministic=True)
    return raw


def config_signature(update: bytes, signer: Signer) -> configtx_pb2.ConfigSignature:
    """Return an identity's signature of a ConfigUpdate."""
    identity, make = signer
    header = common_pb2.SignatureHeader(creator=identity, nonce=b"n" * 24).SerializeToString()
    return configtx_pb2.ConfigSignature(signature_header=header, signature=make(header + update))


def update_envelope(update: bytes, signers: Sequence[Signer]) -> configtx_pb2.ConfigUpdateEnvelope:
    """Return a ConfigUpdate with signatures."""
    signatures = [config_signature(update, signer) for signer in signers]
    return configtx_pb2.ConfigUpdateEnvelope(config_update=update, signatures=signatures)
