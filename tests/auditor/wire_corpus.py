"""Ways to tamper below the transactions: how envelopes are cut, and whose certificates and signatures they carry."""

import base64

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from fabric_protos.common import common_pb2

from audit.fabric.envelope import is_config_block, parse_action, parse_transaction
from audit.fabric.wire import COMMIT_HASH, TRANSACTIONS_FILTER
from audit.verify.verdict import Rule
from network.folders import folder_of
from tests.auditor.corpus import KINDS, Expected, Ledger, kind, middle, replace, written
from tests.auditor.forge import P256_ORDER, Chain, Key, Opened, reseal

__all__ = ["KINDS"]


def joined(ledger: Ledger, chain: Chain) -> int:
    """Join two envelopes of a block: the first is gone, while data hash and all signatures still hold."""
    block = next(b for b, _ in written(ledger, chain) if len(chain[b].data.data) > 1)
    entries, flags = chain[block].data.data, chain[block].metadata.metadata[TRANSACTIONS_FILTER]
    whole = [entries[0] + entries[1], *entries[2:]]
    del entries[:]
    entries.extend(whole)
    chain[block].metadata.metadata[TRANSACTIONS_FILTER] = flags[1:]
    for later in chain[block:]:
        later.metadata.metadata[COMMIT_HASH] = b""
    return block


@kind("two envelopes joined, so that the first disappears under the same hash and signatures")
def _joined(ledger: Ledger, chain: Chain) -> Expected:
    return Rule.DATA_HASH, joined(ledger, chain)


@kind("an envelope cut in two under the same hash and signatures")
def _cut(ledger: Ledger, chain: Chain) -> Expected:
    block, _ = middle(ledger, chain)
    entries = chain[block].data.data
    payload = common_pb2.Envelope(payload=common_pb2.Envelope.FromString(entries[0]).payload).SerializeToString()
    parts = [payload, entries[0][len(payload) :], *entries[1:]]
    assert b"".join(parts) == b"".join(entries)
    del entries[:]
    entries.extend(parts)
    return Rule.DATA_HASH, block


@kind("an empty block, sealed and signed")
def _empty(ledger: Ledger, chain: Chain) -> Expected:
    block, _ = middle(ledger, chain)
    del chain[block].data.data[:]
    chain[block].metadata.metadata[TRANSACTIONS_FILTER] = b""
    reseal(chain, block, ledger.orderers)
    return Rule.DATA_HASH, block


@kind("a block number that no database holds")
def _number(_l: Ledger, chain: Chain) -> Expected:
    chain[5].header.number = (1 << 64) - 1
    return Rule.ORDER, (1 << 63) - 1


def certified(ledger: Ledger, key: ec.EllipticCurvePrivateKey, **change: bool) -> bytes:
    """A certificate of a name and unit that hospital-c's authority gives, signed by a key of the forger's own."""
    folder = folder_of(ledger.run, "hospital-c").secrets
    true = x509.load_pem_x509_certificate((folder / "peers" / "peer0" / "msp" / "signcerts" / "cert.pem").read_bytes())
    made = x509.CertificateBuilder(
        true.issuer, true.subject, key.public_key(), 7, true.not_valid_before_utc, true.not_valid_after_utc
    )
    signer: ec.EllipticCurvePrivateKey = key
    if change.get("own_authority"):
        raw = serialization.load_pem_private_key((folder / "ca" / "key.pem").read_bytes(), None)
        assert isinstance(raw, ec.EllipticCurvePrivateKey)
        signer = raw
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _third_endorser(ledger: Ledger, chain: Chain, third: Key) -> Expected:
    place = middle(ledger, chain)
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    opened.endorse([ledger.peer("hospital-a"), ledger.peer("hospital-b"), third])
    replace(ledger, chain, place, opened.close(ledger.creator(opened)))
    return Rule.VALIDATION_CODE, place[0]


@kind("an endorsement by a certificate that names the right authority, which did not sign it")
def _self_made(ledger: Ledger, chain: Chain) -> Expected:
    key = ec.generate_private_key(ec.SECP256R1())
    return _third_endorser(ledger, chain, Key("HospitalCMSP", certified(ledger, key), key))


@kind("an endorsement by an authority's own certificate")
def _authority(ledger: Ledger, chain: Chain) -> Expected:
    key = ec.generate_private_key(ec.SECP256R1())
    return _third_endorser(ledger, chain, Key("HospitalCMSP", certified(ledger, key, own_authority=True), key))


@kind("an endorsement by a certificate of a version that no parser knows")
def _version(ledger: Ledger, chain: Chain) -> Expected:
    true = ledger.peer("hospital-c")
    der = x509.load_pem_x509_certificate(true.certificate).public_bytes(serialization.Encoding.DER)
    raw = base64.encodebytes(der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1))
    pem = b"-----BEGIN CERTIFICATE-----\n" + raw + b"-----END CERTIFICATE-----\n"
    return _third_endorser(ledger, chain, Key(true.msp_id, pem, true.private))


@kind("an endorsement by one organisation's peer in another's name")
def _other_name(ledger: Ledger, chain: Chain) -> Expected:
    true = ledger.peer("hospital-a")
    return _third_endorser(ledger, chain, Key("HospitalCMSP", true.certificate, true.private))


@kind("a signature with a high s")
def _high(ledger: Ledger, chain: Chain) -> Expected:
    place = middle(ledger, chain)
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    opened.close(ledger.creator(opened))
    r, s = utils.decode_dss_signature(opened.envelope.signature)
    opened.envelope.signature = utils.encode_dss_signature(r, P256_ORDER - s)
    replace(ledger, chain, place, opened.envelope.SerializeToString())
    return Rule.VALIDATION_CODE, place[0]


@kind("a chaincode's definition written anew by a minority")
def _definition(ledger: Ledger, chain: Chain) -> Expected:
    def commits(block: common_pb2.Block) -> bool:
        action = parse_action(parse_transaction(0, block.data.data[0]))
        return action.arguments[0] == b"CommitChaincodeDefinition"

    number = next(b.header.number for b in chain[1:] if not is_config_block(b) and commits(b))
    opened = Opened.of(chain[number].data.data[0])
    opened.endorse([ledger.peer("hospital-a"), ledger.peer("hospital-b")])
    replace(ledger, chain, (number, 0), opened.close(ledger.creator(opened)))
    return Rule.VALIDATION_CODE, number
