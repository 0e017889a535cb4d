"""Policies as the auditor evaluates them, on identities from the project's own authorities."""

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from fabric_protos.common import policies_pb2
from fabric_protos.msp import identities_pb2, msp_config_pb2, msp_principal_pb2

from audit.fabric.msp import IdentityError, Msp, MspSet
from audit.fabric.policy import SignedBytes, signature_policy_holds, valid_signers
from audit.fabric.signature import ORDERS
from network.ca.builtin import Authority
from network.ca.interface import issue
from network.ca.subject import Subject

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Organisation:
    """An authority with members to sign for it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.folder = name, folder / name
        self.authority = Authority.create(self.folder / "ca", name, f"ca.{name}")

    def member(self, name: str, unit: str) -> "Member":
        key, cert = self.folder / f"{name}.key", self.folder / f"{name}.pem"
        issue(self.authority, Subject(name, unit=unit), key, cert)  # type: ignore[arg-type]
        return Member(self.name, cert.read_bytes(), key.read_bytes())

    def msp(self, *crls: bytes) -> Msp:
        config = msp_config_pb2.FabricMSPConfig(name=self.name, revocation_list=crls)
        config.root_certs.append((self.folder / "ca" / "cert.pem").read_bytes())
        config.fabric_node_ous.enable = True
        for unit in ("client", "peer", "admin", "orderer"):
            identifier = getattr(config.fabric_node_ous, f"{unit}_ou_identifier")
            identifier.organizational_unit_identifier = unit
        return Msp.from_config(config.SerializeToString())

    def revoke(self, member: "Member") -> bytes:
        now = dt.datetime.now(dt.UTC)
        authority = x509.load_pem_x509_certificate((self.folder / "ca" / "cert.pem").read_bytes())
        key = serialization.load_pem_private_key((self.folder / "ca" / "key.pem").read_bytes(), None)
        entry = x509.RevokedCertificateBuilder().serial_number(member.serial).revocation_date(now).build()
        builder = x509.CertificateRevocationListBuilder().issuer_name(authority.subject).last_update(now)
        builder = builder.next_update(now + dt.timedelta(days=1)).add_revoked_certificate(entry)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())  # type: ignore[arg-type]
        builder = builder.add_extension(identifier, critical=False)
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)  # type: ignore[arg-type]


class Member:
    """A certificate with its key."""

    def __init__(self, msp_id: str, pem: bytes, key: bytes) -> None:
        self.identity = identities_pb2.SerializedIdentity(mspid=msp_id, id_bytes=pem).SerializeToString()
        self.pem, self.key = pem, serialization.load_pem_private_key(key, None)
        self.serial = x509.load_pem_x509_certificate(pem).serial_number

    def sign(self, message: bytes, *, high: bool = False) -> SignedBytes:
        assert isinstance(self.key, ec.EllipticCurvePrivateKey)
        r, s = utils.decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
        low = min(s, P256_ORDER - s)
        signature = utils.encode_dss_signature(r, P256_ORDER - low if high else low)
        return SignedBytes(self.identity, message, signature)


@pytest.fixture
def organisations(tmp_path: Path) -> tuple[Organisation, Organisation, Organisation]:
    one, two, three = (Organisation(tmp_path, name) for name in ("OneMSP", "TwoMSP", "ThreeMSP"))
    return one, two, three


def out_of(n: int, *roles: tuple[str, int]) -> policies_pb2.SignaturePolicyEnvelope:
    envelope = policies_pb2.SignaturePolicyEnvelope()
    envelope.rule.n_out_of.n = n
    for index, (msp_id, role) in enumerate(roles):
        principal = msp_principal_pb2.MSPRole(msp_identifier=msp_id, role=role)
        envelope.identities.add(principal=principal.SerializeToString())
        envelope.rule.n_out_of.rules.add(signed_by=index)
    return envelope


PEER, ADMIN, MEMBER = msp_principal_pb2.MSPRole.PEER, msp_principal_pb2.MSPRole.ADMIN, msp_principal_pb2.MSPRole.MEMBER


def test_orders_are_those_of_the_curves() -> None:
    curves = (ec.SECP224R1(), ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())
    assert {curve.name: curve.group_order for curve in curves} == ORDERS


def test_two_of_three_organisations_peers_satisfy_two_out_of_three(
    organisations: tuple[Organisation, Organisation, Organisation],
) -> None:
    msps = MspSet({o.name: o.msp() for o in organisations})
    policy = out_of(2, *((o.name, PEER) for o in organisations))
    signed = [o.member("peer0", "peer").sign(b"m") for o in organisations]
    assert signature_policy_holds(policy, valid_signers(msps, signed[:2]))
    assert not signature_policy_holds(policy, valid_signers(msps, signed[:1]))


def test_one_identity_does_not_count_twice(organisations: tuple[Organisation, Organisation, Organisation]) -> None:
    one = organisations[0]
    msps = MspSet({one.name: one.msp()})
    peer = one.member("peer0", "peer")
    policy = out_of(2, (one.name, PEER), (one.name, MEMBER))
    assert not signature_policy_holds(policy, valid_signers(msps, [peer.sign(b"m"), peer.sign(b"m")]))
    assert signature_policy_holds(
        policy, valid_signers(msps, [peer.sign(b"m"), one.member("peer1", "peer").sign(b"m")])
    )


def test_a_client_does_not_count_as_a_peer(organisations: tuple[Organisation, Organisation, Organisation]) -> None:
    one = organisations[0]
    msps = MspSet({one.name: one.msp()})
    signers = valid_signers(msps, [one.member("client", "client").sign(b"m")])
    assert not signature_policy_holds(out_of(1, (one.name, PEER)), signers)
    assert signature_policy_holds(out_of(1, (one.name, MEMBER)), signers)


def test_a_signature_over_other_bytes_does_not_count(
    organisations: tuple[Organisation, Organisation, Organisation],
) -> None:
    one = organisations[0]
    msps = MspSet({one.name: one.msp()})
    signed = one.member("peer0", "peer").sign(b"m")
    assert valid_signers(msps, [SignedBytes(signed.identity, b"n", signed.signature)]) == []


def test_a_signature_that_is_not_low_s_does_not_count(
    organisations: tuple[Organisation, Organisation, Organisation],
) -> None:
    one = organisations[0]
    msps = MspSet({one.name: one.msp()})
    assert valid_signers(msps, [one.member("peer0", "peer").sign(b"m", high=True)]) == []


def test_a_revoked_certificate_does_not_count(organisations: tuple[Organisation, Organisation, Organisation]) -> None:
    one = organisations[0]
    peer, other = one.member("peer0", "peer"), one.member("peer1", "peer")
    msps = MspSet({one.name: one.msp(one.revoke(peer))})
    with pytest.raises(IdentityError, match="revoked"):
        msps.identity(peer.identity)
    assert [other.pem] == [i.pem for i in valid_signers(msps, [peer.sign(b"m"), other.sign(b"m")])]


def test_a_list_signed_by_another_authority_revokes_nothing(
    organisations: tuple[Organisation, Organisation, Organisation],
) -> None:
    one, two, _ = organisations
    peer = one.member("peer0", "peer")
    assert MspSet({one.name: one.msp(two.revoke(peer))}).identity(peer.identity).roles == {"peer"}


def test_a_certificate_of_another_authority_is_refused(
    organisations: tuple[Organisation, Organisation, Organisation],
) -> None:
    one, two, _ = organisations
    stranger = two.member("peer0", "peer")
    claimed = identities_pb2.SerializedIdentity(mspid=one.name, id_bytes=stranger.pem).SerializeToString()
    with pytest.raises(IdentityError, match="none of the organisation's authorities"):
        MspSet({one.name: one.msp()}).identity(claimed)
