"""Endpoints from a connection profile, and an identity from an MSP folder: the files that Fabric's tools hand out."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._identity import Identity, Signer
from ._transport import Endpoint

_SCHEMES = {"grpcs": False, "grpc": True}
_NAME_OPTIONS = ("ssl-target-name-override", "hostnameOverride", "grpc.ssl_target_name_override")


@dataclass(frozen=True, slots=True)
class ConnectionProfile:
    """What a connection profile says of one organisation.

    Attributes:
        msp_id: the organisation's.
        endpoints: its peers, in the profile's order, for `connect`.
    """

    msp_id: str
    endpoints: tuple[Endpoint, ...]

    @classmethod
    def load(cls, path: str | os.PathLike[str], organization: str | None = None) -> "ConnectionProfile":
        """Read a profile in JSON or, where pyyaml is installed, in YAML.

        Args:
            path: the file; certificates named in it by path are looked for from its folder.
            organization: whose peers; where None the profile's `client.organization`, or its only organisation.

        Raises:
            ValueError: the file is no profile, or names no such organisation, peer or certificate; it says where.
            OSError: a file cannot be read.
        """
        file = Path(path)
        try:
            return cls.of(_parsed(file), organization, folder=file.parent)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error

    @classmethod
    def of(
        cls, content: Mapping[str, Any], organization: str | None = None, *, folder: Path | None = None
    ) -> "ConnectionProfile":
        """Return what a profile's content says; arguments and errors as for `load`."""
        organizations = _part(content, "organizations")
        name = organization or _part(content, "client", {}).get("organization")
        if name is None and len(organizations) == 1:
            (name,) = organizations
        if name is None or name not in organizations:
            known = ", ".join(map(str, organizations))
            raise ValueError(f"name one of its organizations ({known}): there is no {name!r}")
        entry = _part(organizations, name)
        msp_id, peers = entry.get("mspid"), entry.get("peers")
        if not isinstance(msp_id, str) or not isinstance(peers, list) or not peers:
            raise ValueError(f"organizations.{name} must hold mspid and at least one of peers")
        known_peers = _part(content, "peers")
        return cls(msp_id, tuple(_endpoint(peer, _part(known_peers, peer), folder or Path()) for peer in peers))


def from_msp_folder(
    folder: str | os.PathLike[str], msp_id: str, password: bytes | None = None
) -> tuple[Identity, Signer]:
    """Return the identity of an MSP folder (signcerts, keystore) and the signer of its key.

    Args:
        folder: as cryptogen and fabric-ca-client write it, `users/User1@org1.example.com/msp`.
        msp_id: the organisation's; the folder does not tell.
        password: of the private key, where it has one.

    Raises:
        ValueError: no certificate, several, or no key in the keystore that belongs to it.
        OSError: a file cannot be read.
    """
    home = Path(folder)
    certificates = _files(home / "signcerts")
    if len(certificates) != 1:
        raise ValueError(f"{home / 'signcerts'} must hold one certificate, not {len(certificates)}")
    identity = Identity(msp_id, certificates[0].read_bytes())
    wanted, refused = identity.public_key, []
    for file in _files(home / "keystore"):
        try:
            signer = Signer.from_pem(file.read_bytes(), password)
        except ValueError as error:
            refused.append(f"{file.name}: {error}")
            continue
        if signer.public_key == wanted:
            return identity, signer
        refused.append(f"{file.name}: another key")
    raise ValueError(f"{home / 'keystore'} holds no key of {certificates[0]} ({'; '.join(refused) or 'no file'})")


def _parsed(file: Path) -> Mapping[str, Any]:
    text = file.read_text(encoding="utf-8-sig")
    try:
        content = json.loads(text)
    except ValueError as error:
        content = None if text.lstrip().startswith("{") else _yaml(text)
        if content is None:
            raise ValueError(f"it is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError("it is no connection profile: it must hold organizations and peers")  # noqa: TRY004 a file is wrong, not a call
    return content


def _yaml(text: str) -> Any:
    try:
        import yaml  # noqa: PLC0415 an optional package
    except ModuleNotFoundError:
        raise ValueError("a profile in YAML needs the package pyyaml: install it, or give JSON") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"it is neither JSON nor YAML: {error}") from None


def _part(content: Mapping[str, Any], name: str, default: Any = None) -> Mapping[str, Any]:
    part = content.get(name, default)
    if not isinstance(part, dict):
        raise ValueError(f"it has no {name}")  # noqa: TRY004 likewise
    return part


def _endpoint(name: str, entry: Mapping[str, Any], folder: Path) -> Endpoint:
    url = entry.get("url")
    scheme, separator, address = url.partition("://") if isinstance(url, str) else ("", "", "")
    if not separator or scheme not in _SCHEMES:
        raise ValueError(f"peers.{name}.url must be grpcs://host:port, or grpc:// without TLS, not {url!r}")
    plaintext = _SCHEMES[scheme]
    roots = None if plaintext else _certificates(f"peers.{name}.tlsCACerts", entry.get("tlsCACerts"), folder)
    options = entry.get("grpcOptions") or {}
    server_name = next((options[option] for option in _NAME_OPTIONS if options.get(option)), None)
    return Endpoint(address.rstrip("/"), root_certificates=roots, server_name=server_name, plaintext=plaintext)


def _certificates(where: str, entry: Any, folder: Path) -> bytes | None:
    """Return the PEM of the authorities; None where the profile leaves them to the system."""
    if entry is None:
        return None
    if isinstance(entry, dict):
        pem = entry.get("pem")
        if pem:
            return "\n".join(pem if isinstance(pem, list) else [pem]).encode()
        if isinstance(entry.get("path"), str):
            return Path(folder, entry["path"]).read_bytes()
    raise ValueError(f"{where} must hold pem or path")


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f"{folder} is not there: give the msp folder itself")
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
