"""A model folder's signature as OpenSSF Model Signing 1.0 has it (certificate method), beside the passport.

`model_signing verify certificate MODEL --signature MODEL/model.sig --certificate_chain ROOT` accepts it. It says that
one organisation put these files together; the passport says what a majority vouches for.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fedledger_passport.contents import STATEMENT
from fedledger_passport.envelope import PAYLOAD_TYPE, encoded
from gateway import Signer

NAME: Final = "model.sig"
PREDICATE: Final = "https://model_signing/signature/v1.0"
BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"


def model_signature(name: str, files: Mapping[str, bytes], signer: Signer, chain: Sequence[x509.Certificate]) -> bytes:
    """Return the signature's file.

    Args:
        name: The model folder's name.
        files: All files of the folder but the signature.
        signer: Who signs.
        chain: The signer's certificate, then the authorities between it and a root, without the root.
    """
    digests = {path: sha256(files[path]) for path in sorted(files)}
    resources = [{"name": path, "algorithm": "sha256", "digest": one.hexdigest()} for path, one in digests.items()]
    whole = sha256(b"".join(one.digest() for one in digests.values())).hexdigest()
    how = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": [NAME]}
    statement: dict[str, Any] = {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": whole}}],
        "predicateType": PREDICATE,
        "predicate": {"serialization": how, "resources": resources},
    }
    payload = json.dumps(statement, sort_keys=True).encode()
    signature = signer.sign(sha256(encoded(payload)).digest())
    certificates = [{"rawBytes": _base64(one.public_bytes(Encoding.DER))} for one in chain]
    bundle = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"x509CertificateChain": {"certificates": certificates}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": _base64(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": _base64(signature), "keyid": ""}],
        },
    }
    return json.dumps(bundle, indent=1).encode() + b"\n"


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
