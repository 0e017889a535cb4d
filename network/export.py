"""The one file in which an organisation hands its public parts to the others: signed by its administrator.

The file is JSON: `content` (who it is, and its public files by path), the administrator's `certificate` and a
`signature` over the content in canonical form. Its fingerprint is for comparing by telephone.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, Final, Self

from cryptography import x509
from cryptography.x509.oid import NameOID

from network import codes
from network.ca.keys import signer_of
from network.ca.lists import read_list, serials
from network.errors import NetworkError
from network.files import write_new
from network.folders import OrganisationFolder, export_path
from network.topology import Organisation

PUBLIC: Final = (
    "msp/cacerts/*.pem",
    "msp/intermediatecerts/*.pem",
    "msp/tlscacerts/*.pem",
    "msp/tlsintermediatecerts/*.pem",
    "msp/crls/*.pem",
    "msp/config.yaml",
    "tlsca/cert.pem",
    "orderers/*/msp/signcerts/cert.pem",
    "orderers/*/tls/server.crt",
)
"""All that is exported and imported; nothing else can be in the file, a private key least of all."""
INNER: Final[Any] = {"listen": True, "peers": {"__all__": {"listen"}}, "orderers": {"__all__": {"listen"}}}
"""What of an entry is nobody else's business: the addresses within the organisation's own network."""
MOST_BYTES: Final = 1 << 20
GROUPS: Final = 10
GROUP: Final = 4


@dataclass(frozen=True)
class Export:
    """An organisation's public parts, and who signed them; files are text by path, entry is that in the definition."""

    organisation: str
    msp_id: str
    role: str
    entry: Mapping[str, Any]
    files: Mapping[str, str]
    certificate: str
    signature: bytes

    @classmethod
    def parse(cls, raw: bytes, where: str) -> Self:
        """Read an export; nothing of it is believed yet. FL1101 if it is none."""
        try:
            value: Any = json.loads(raw) if len(raw) <= MOST_BYTES else None
            content, certificate, signature = value["content"], value["certificate"], bytes.fromhex(value["signature"])
            organisation, msp_id, role = (content[key] for key in ("organisation", "msp_id", "role"))
            entry, files = dict(content["entry"]), content["files"]
            texts = all(isinstance(text, str) for text in (organisation, msp_id, role, certificate, *files.values()))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            texts = False
        if not texts:
            raise _refused("this is no organisation's export", where)
        for path in files:
            if not is_public(path):
                raise _refused(f"it holds a file that no export has: {path[:80]}", where)
        return cls(organisation, msp_id, role, entry, dict(files), certificate, signature)

    @property
    def content(self) -> bytes:
        """Return what is signed, in canonical form."""
        who = {"organisation": self.organisation, "msp_id": self.msp_id, "role": self.role}
        return _canonical({**who, "entry": self.entry, "files": self.files})

    @property
    def fingerprint(self) -> str:
        """Return the first 160 bits of the content's SHA-256, in groups of four digits, to be read out."""
        digest = hashlib.sha256(self.content).hexdigest()
        return " ".join(digest[i : i + GROUP] for i in range(0, GROUPS * GROUP, GROUP))

    def as_json(self) -> dict[str, Any]:
        """Return what the file holds."""
        return {
            "content": json.loads(self.content),
            "certificate": self.certificate,
            "signature": self.signature.hex(),
        }

    def dump(self) -> bytes:
        """Return the file."""
        return json.dumps(self.as_json(), sort_keys=True, indent=1).encode() + b"\n"


def export(folder: OrganisationFolder, organisation: Organisation) -> Export:
    """Return an organisation's export; as long as nothing changes, the same bytes.

    Raises:
        NetworkError: FL1011 if the administrator's identity is not here.
    """
    certificate, key = _administrator(folder)
    files = {path: (folder.secrets / path).read_text() for path in _public_files(folder.secrets)}
    entry = organisation.model_dump(mode="json", exclude_none=True, exclude=INNER)
    unsigned = Export(organisation.name, organisation.msp_id, organisation.role, entry, files, certificate, b"")
    earlier = _earlier(folder)
    if earlier and (earlier.content, earlier.certificate) == (unsigned.content, certificate):
        return earlier
    signer = signer_of(key)
    signature = signer.sign(signer.digest(unsigned.content))
    return replace(unsigned, signature=signature)


def write_files(made: Export, folder: Path) -> None:
    """Write an export's files into a folder; what is not in it any more goes."""
    for path in _public_files(folder):
        if made.files.get(path) != (folder / path).read_text():
            (folder / path).unlink()
    for path, text in made.files.items():
        write_new(folder / path, text)


def is_public(path: str) -> bool:
    """Say whether a path is one that an export may hold."""
    parts = PurePosixPath(path).parts
    if path != "/".join(parts) or any(part.startswith(".") for part in parts):
        return False
    return any(len(parts) == pattern.count("/") + 1 and fnmatchcase(path, pattern) for pattern in PUBLIC)


def _administrator(folder: OrganisationFolder) -> tuple[str, bytes]:
    """Return certificate and key of an administrator who is not revoked; of several the one called admin."""
    revoked = _revoked(folder)
    users = folder.user("admin").parent
    for msp in (folder.user("admin") / "msp", *sorted(users.glob("*/msp"))):
        try:
            certificate = (msp / "signcerts" / "cert.pem").read_text()
            parsed = x509.load_pem_x509_certificate(certificate.encode())
            if is_administrator(parsed) and parsed.serial_number not in revoked:
                return certificate, (msp / "keystore" / "key.pem").read_bytes()
        except (OSError, ValueError):
            continue
    hint = "Begin with `fedledger org init`."
    raise NetworkError(
        codes.UNKNOWN_IDENTITY, "no administrator's identity is here that is not revoked", where=str(users), hint=hint
    )


def is_administrator(certificate: x509.Certificate) -> bool:
    """Say whether a certificate is an administrator's, by its unit."""
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return "admin" in {unit.value for unit in units}


def _revoked(folder: OrganisationFolder) -> frozenset[int]:
    path = folder.own.revocations
    return serials(read_list(path.read_bytes())) if path.exists() else frozenset()


def _public_files(folder: Path) -> list[str]:
    found = {path.relative_to(folder).as_posix() for pattern in PUBLIC for path in folder.glob(pattern)}
    return sorted(path for path in found if is_public(path))


def _earlier(folder: OrganisationFolder) -> Export | None:
    path = export_path(folder.root, folder.name)
    return Export.parse(path.read_bytes(), str(path)) if path.exists() else None


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _refused(message: str, where: str) -> NetworkError:
    hint = "Ask for the file that `fedledger org export` wrote."
    return NetworkError(codes.EXPORT_UNREADABLE, message, where=where, hint=hint)
