import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from network.devnet import protos as p
from network.devnet.msp import IdentityError, Msp, MspError, MspManager

NOW = dt.datetime.now(dt.UTC)
PEM = serialization.Encoding.PEM


def named(common_name, *units):
    attributes = [x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)]
    attributes += [x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
    return x509.Name(attributes)


class Authority:
    def __init__(self, name="ca", issuer=None):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = named(name)
        self.certificate = self.build(self.name, self.key.public_key(), issuer or self, authority=True, days=(-30, 365))

    @staticmethod
    def build(subject, key, issuer, *, authority=False, days=(-1, 365), more=()):
        start, end = (NOW + dt.timedelta(days=d) for d in days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )
        for extension in more:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(issuer.key, hashes.SHA256())

    def issue(self, *units, key=None, **options):
        key = key or ec.generate_private_key(ec.SECP256R1()).public_key()
        return self.build(named("someone", *units), key, self, **options)

    def revoke(self, *certificates, signer=None):
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(NOW)
            .next_update(NOW + dt.timedelta(days=1))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        for certificate in certificates:
            entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(NOW)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign((signer or self).key, hashes.SHA256()).public_bytes(PEM)


@pytest.fixture(scope="module")
def root():
    return Authority()


def manager(root, *, intermediates=(), revoked=(), units=("client", "peer", "admin", "orderer")):
    node_units = p.msp_config.FabricNodeOUs(enable=bool(units))
    for unit in units:
        getattr(node_units, f"{unit}_ou_identifier").organizational_unit_identifier = unit
    config = p.msp_config.FabricMSPConfig(
        name="OrgMSP",
        root_certs=[root.certificate.public_bytes(PEM)],
        intermediate_certs=[i.certificate.public_bytes(PEM) for i in intermediates],
        revocation_list=revoked,
        fabric_node_ous=node_units,
    )
    return MspManager([Msp(config)])


def serialized(certificate, msp_id="OrgMSP"):
    message = p.identities.SerializedIdentity(mspid=msp_id, id_bytes=certificate.public_bytes(PEM))
    return message.SerializeToString()


@pytest.mark.parametrize("role", ["client", "peer", "admin", "orderer"])
def test_the_organisational_unit_is_the_role(root, role):
    identity = manager(root).identity(serialized(root.issue(role, "cardiology")))
    assert ({role}, "OrgMSP") == (identity.roles, identity.msp_id)


@pytest.mark.parametrize("units", [(), ("cardiology",), ("client", "peer")])
def test_none_or_two_roles_are_refused(root, units):
    with pytest.raises(IdentityError, match="exactly one of the roles"):
        manager(root).identity(serialized(root.issue(*units)))


def test_a_certificate_of_another_authority_with_the_same_name_is_refused(root):
    with pytest.raises(IdentityError, match="unknown authority"):
        manager(root).identity(serialized(Authority().issue("client")))


def test_a_certificate_under_another_organisations_name_is_refused(root):
    with pytest.raises(IdentityError, match="MSP OtherMSP is not defined"):
        manager(root).identity(serialized(root.issue("client"), "OtherMSP"))


def test_an_authoritys_certificate_is_no_identity(root):
    with pytest.raises(IdentityError, match="Certificate Authority equals true"):
        manager(root).identity(serialized(root.certificate))


def test_an_intermediate_authority_of_the_root_may_issue(root):
    intermediate = Authority("intermediate", issuer=root)
    certificate = serialized(intermediate.issue("client"))
    assert manager(root, intermediates=[intermediate]).identity(certificate).roles == {"client"}
    with pytest.raises(IdentityError, match="unknown authority"):
        manager(root).identity(certificate)


def test_a_revoked_certificate_is_refused_and_its_neighbour_is_not(root):
    bad, good = root.issue("client"), root.issue("client")
    members = manager(root, revoked=[root.revoke(bad)])
    assert members.identity(serialized(good)).roles == {"client"}
    with pytest.raises(IdentityError, match="The certificate has been revoked"):
        members.identity(serialized(bad))


def test_a_revocation_list_signed_by_someone_else_revokes_nothing(root):
    certificate = root.issue("client")
    members = manager(root, revoked=[root.revoke(certificate, signer=Authority())])
    assert members.identity(serialized(certificate)).roles == {"client"}


def test_an_expired_certificate_is_genuine_but_expired(root):
    identity = manager(root).identity(serialized(root.issue("client", days=(-10, -1))))
    assert identity.expired()
    assert not identity.expired(NOW - dt.timedelta(days=5))


def test_rubbish_is_refused(root):
    with pytest.raises(IdentityError, match="error unmarshalling SerializedIdentity"):
        manager(root).identity(b"\xff\xff")
    with pytest.raises(IdentityError, match="could not parse the certificate"):
        manager(root).identity(p.identities.SerializedIdentity(mspid="OrgMSP", id_bytes=b"x").SerializeToString())


def test_a_certificate_with_a_name_that_cannot_be_read_is_refused_like_any_rubbish(root):
    x400 = x509.UnrecognizedExtension(x509.oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes.fromhex("3002a300"))
    odd = root.issue("client", more=[x400])
    with pytest.raises(IdentityError, match="could not parse the certificate"):
        manager(root).identity(serialized(odd))
    config = p.msp_config.FabricMSPConfig(name="OrgMSP", root_certs=[odd.public_bytes(PEM)])
    with pytest.raises(MspError, match="MSP OrgMSP"):
        Msp(config)


def test_signatures_are_checked_and_high_s_is_refused(root):
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

    from gateway.signatures import ORDERS
    from network.devnet.signing import SigningIdentity

    key = ec.generate_private_key(ec.SECP256R1())
    certificate = root.issue("client", key=key.public_key())
    pem = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    signer = SigningIdentity("OrgMSP", certificate.public_bytes(PEM), pem)
    identity = manager(root).identity(signer.serialized)
    signature = signer.sign(b"data")
    identity.verify(signature, b"data")
    r, s = decode_dss_signature(signature)
    high = encode_dss_signature(r, ORDERS["secp256r1"] - s)
    key.public_key().verify(high, b"data", ec.ECDSA(hashes.SHA256()))
    for wrong, data in ((signature, b"other"), (b"", b"data"), (b"\x30\x00", b"data"), (high, b"data")):
        with pytest.raises(IdentityError, match="The signature is invalid"):
            identity.verify(wrong, data)


def test_ed25519_signs_too(root):
    key = ed25519.Ed25519PrivateKey.generate()
    identity = manager(root).identity(serialized(root.issue("client", key=key.public_key())))
    identity.verify(key.sign(b"data"), b"data")
    with pytest.raises(IdentityError):
        identity.verify(key.sign(b"data"), b"other")
