"""One organisation's signature for a registry, as a file that whoever sends the transaction collects."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from fl_node import codes
from fl_node.errors import NodeError
from fl_node.evm.messages import Pair, holds, key_of
from gateway import Signer


def endorsement(signer: Signer, certificate: bytes, digest: bytes) -> dict[str, Any]:
    """Return a signature of a digest with the certificate (PEM) of its key."""
    return {
        "digest": digest.hex(),
        "cert": certificate.decode(),
        "sig": base64.b64encode(signer.sign(digest)).decode(),
    }


def collected(files: Sequence[Path], digest: bytes, keys: Sequence[Pair]) -> dict[int, Pair]:
    """Return the signatures of endorsements by the places of their keys in a registry.

    Raises:
        NodeError: FL4522, one is of something else, of an unknown key, or wrong; or they are no majority.
    """
    found: dict[int, Pair] = {}
    for path in files:
        try:
            said = json.loads(path.read_bytes())
            key = key_of(x509.load_pem_x509_certificate(said["cert"].encode()))
            signature = decode_dss_signature(base64.b64decode(said["sig"], validate=True))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NodeError(codes.EVM_REFUSED, f"this is no endorsement: {error}", where=str(path)) from None
        if said.get("digest") != digest.hex():
            hint = "It is for another passport, chain, registry or set of keys: let it be made again."
            raise NodeError(codes.EVM_REFUSED, "it endorses something else", where=str(path), hint=hint)
        if key not in keys or not holds(digest, [key], [0], [signature]):
            raise NodeError(codes.EVM_REFUSED, "the registry does not know its key, or it is wrong", where=str(path))
        found[list(keys).index(key)] = signature
    if len(found) <= len(keys) // 2:
        raise NodeError(codes.EVM_REFUSED, f"{len(found)} of {len(keys)} organisations endorse it: no majority")
    return found
