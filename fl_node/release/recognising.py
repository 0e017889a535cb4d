"""Another consortium as the members vote to trust it: the folder of its organisations as a proposal's body."""

import base64
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from fedledger_passport.trust import Organisation, Trust


def recognition(trust: Trust, name: str) -> dict[str, Any]:
    """Return the body of `trust_consortium`.

    Args:
        trust: The folder that a member of the other consortium wrote (`passport trust`), read.
        name: What the members call it.
    """
    organisations = sorted(trust.organisations, key=lambda one: one.msp_id)
    return {
        "name": name,
        "channel": trust.channel,
        "genesis": trust.genesis,
        "organisations": [_organisation(one) for one in organisations],
    }


def _organisation(one: Organisation) -> dict[str, Any]:
    parts: dict[str, Sequence[Any]] = {
        "roots": one.roots,
        "intermediates": one.intermediates,
        "revocations": one.revocations,
    }
    texts = {
        name: [base64.b64encode(item.public_bytes(Encoding.DER)).decode() for item in items]
        for name, items in parts.items()
    }
    return {"msp_id": one.msp_id, **texts}
