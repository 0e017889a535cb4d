"""What reaches an authority, and what comes back from one, as targets of the fuzzing."""

import base64
import shutil
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from network.ca import embedded, tokens
from network.ca.by_files import AuthorityByFiles, AwaitedError
from network.ca.importing import Material, import_into
from network.ca.keys import request
from network.ca.subject import Subject
from tests.corporate import Company

SUBJECT = Subject("peer0.hospital-a", hosts=("peer0.hospital-a", "10.0.0.1"))
COMPANY = Company.named("Clinic")
KEY = ec.generate_private_key(ec.SECP256R1())
FOLDER = Path(tempfile.mkdtemp(prefix="fedledger-fuzz-ca-"))
CHAIN = x509.load_pem_x509_certificates(COMPANY.chain)
REQUEST = request(SUBJECT.name, KEY, SUBJECT.wanted)
CERTIFICATE = x509.load_pem_x509_certificate(COMPANY.sign(REQUEST))
ANSWERS = (
    COMPANY.answer([REQUEST]),
    CERTIFICATE.public_bytes(Encoding.DER),
    x509.load_pem_x509_crl(COMPANY.issuing.list()).public_bytes(Encoding.DER),
    pkcs7.serialize_certificates([CERTIFICATE, *CHAIN], Encoding.DER),
)
TOKENS = (tokens.token("POST", "/api/v1/revoke", b"{}", COMPANY.sign(REQUEST), KEY).encode(),)
REQUESTS = (REQUEST, base64.b64decode(b"".join(REQUEST.splitlines()[1:-1])))


def answer(raw: bytes) -> None:
    """Import a file beside the good chain and list, in a folder in which a certificate is awaited."""
    authority = AuthorityByFiles(FOLDER / "authority")
    shutil.rmtree(authority.folder, ignore_errors=True)
    try:
        authority.certify(SUBJECT, KEY)
    except AwaitedError:
        (FOLDER / "answer").write_bytes(raw)
        (FOLDER / "chain").write_bytes(COMPANY.chain + COMPANY.issuing.list())
        import_into(authority, Material.read([FOLDER / "answer", FOLDER / "chain"]))


def token(raw: bytes) -> None:
    """Read who asks."""
    tokens.verified(raw.decode("latin-1"), "POST", "/api/v1/revoke", b"{}")


def wanted(raw: bytes) -> None:
    """Read a request for a certificate, as PEM or as the bytes in it."""
    text = (
        raw
        if raw.startswith(b"-----")
        else (
            b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(raw) + b"-----END CERTIFICATE REQUEST-----\n"
        )
    )
    embedded._request(text.decode("latin-1"))
