"""A folder of trusted organisations from the body of a vote."""

import base64
import json
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

FOLDERS: Final = {"roots": "cacerts", "intermediates": "intermediatecerts", "revocations": "crls"}


def written(body: dict[str, Any], folder: Path) -> Path:
    """Write the folder and return it."""
    folder.mkdir(parents=True)
    members = [one["msp_id"] for one in body["organisations"]]
    said = {"channel": body["channel"], "genesis": body["genesis"], "members": members}
    (folder / "consortium.json").write_text(json.dumps(said))
    for one in body["organisations"]:
        for name, place in FOLDERS.items():
            target = folder / one["msp_id"] / place
            target.mkdir(parents=True)
            read = x509.load_der_x509_crl if name == "revocations" else x509.load_der_x509_certificate
            for at, text in enumerate(one[name]):
                found: Any = read(base64.b64decode(text))
                (target / f"{at}.pem").write_bytes(found.public_bytes(Encoding.PEM))
    return folder
