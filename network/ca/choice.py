"""Which authorities an organisation chose, for its signing certificates and, perhaps another, for its TLS certificates.

The choice lies in the organisation's folder as authorities.json; where there is none, both are built in.
"""

import importlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import parse_qs, urlsplit

from network import codes
from network.ca.builtin import Authority
from network.ca.by_files import AuthorityByFiles
from network.ca.interface import CertificateAuthority
from network.errors import NetworkError
from network.files import write_atomically

Kind = Literal["builtin", "fabric-ca", "csr"]
FILE: Final = "authorities.json"


@dataclass(frozen=True)
class Choice:
    """One authority.

    Attributes:
        kind: builtin; fabric-ca, a server of that interface; csr, an authority that answers by files.
        url: of a Fabric CA, https unless it is on this machine.
        ca_name: of the CA, where the server has several.
        tls_root: a file with the root of the server's TLS certificate; the system's roots where it is empty.
        registrar: the name by which the organisation registers and revokes.
        secret: a file with the registrar's secret; needed once.
    """

    kind: Kind = "builtin"
    url: str = ""
    ca_name: str = ""
    tls_root: str = ""
    registrar: str = "admin"
    secret: str = ""

    @classmethod
    def parse(
        cls, text: str, *, registrar: str = "admin", secret: Path | None = None, root: Path | None = None
    ) -> "Choice":
        """Return the authority that a word or a URL means: builtin, csr, or a Fabric CA's address with ?ca=NAME.

        Raises:
            NetworkError: FL1015 if it means none.
        """
        parts = urlsplit(text)
        if text in {"builtin", "csr"}:
            return cls(text)  # type: ignore[arg-type]  # one of the two
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            hint = "It is builtin, csr, or the URL of a Fabric CA."
            raise NetworkError(codes.IDENTITY_REFUSED, f"{text} is no certificate authority", hint=hint)
        name = "".join(parse_qs(parts.query).get("ca", []))
        files = {"tls_root": str(root or ""), "secret": str(secret or "")}
        return cls("fabric-ca", f"{parts.scheme}://{parts.netloc}{parts.path}", name, registrar=registrar, **files)


@dataclass(frozen=True)
class Choices:
    """An organisation's two authorities."""

    signing: Choice = field(default_factory=Choice)
    tls: Choice = field(default_factory=Choice)

    @classmethod
    def read(cls, folder: Path) -> "Choices":
        """Return what the organisation of a folder chose; FL1013 if the file is damaged."""
        path = folder / FILE
        if not path.exists():
            return cls()
        try:
            value: Mapping[str, Any] = json.loads(path.read_bytes())
            return cls(Choice(**value["signing"]), Choice(**value["tls"]))
        except (ValueError, TypeError, KeyError):
            raise NetworkError(codes.KEY_DAMAGED, "the choice of authorities is damaged", where=str(path)) from None

    @classmethod
    def parse(
        cls, signing: str, tls: str | None, *, registrar: str, secret: Path | None, root: Path | None
    ) -> "Choices":
        """Return the authorities that words or URLs mean, the same for TLS where none is named; FL1015 as `Choice`."""
        first, second = (
            Choice.parse(each, registrar=registrar, secret=secret, root=root) for each in (signing, tls or signing)
        )
        return cls(first, second)

    def write(self, folder: Path) -> None:
        """Keep the choice; FL1015 if the folder holds another one: certificates of two authorities do not mix."""
        if folder.exists() and (folder / "msp").exists() and self.read(folder) != self:
            message = "this organisation has certificates of another authority already"
            raise NetworkError(codes.IDENTITY_REFUSED, message, where=str(folder), hint="Begin a new folder.")
        write_atomically(folder / FILE, json.dumps(asdict(self), indent=1) + "\n")

    @property
    def builtin(self) -> bool:
        """Return whether both authorities are built in."""
        return self.signing.kind == self.tls.kind == "builtin"


def open_authority(choice: Choice, folder: Path, private: Path) -> CertificateAuthority:
    """Return an authority.

    Args:
        choice: which.
        folder: where its own files lie.
        private: where what only the organisation may read lies.

    Raises:
        NetworkError: FL1096 without the package that reaches a Fabric CA, FL1092 if its address has no TLS.
    """
    if choice.kind == "csr":
        return AuthorityByFiles(folder)
    if choice.kind == "builtin":
        return Authority(folder)
    try:
        client = importlib.import_module("network.ca.fabric_ca_client").FabricCaClient
        module = importlib.import_module("network.ca.fabric_ca")
    except ModuleNotFoundError:
        hint = "Install fedledger[ca]."
        raise NetworkError(codes.PACKAGE_MISSING, "a Fabric CA is reached through fabric-sdk-py", hint=hint) from None
    registrar = module.Registrar(choice.registrar, Path(choice.secret))
    made: CertificateAuthority = module.FabricCa(
        client(choice.url, choice.tls_root or None, choice.ca_name), private, registrar
    )
    return made
