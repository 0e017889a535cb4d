"""Whose private keys lie in an organisation's folder: all that its processes act with, and nobody else's."""

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from network import codes
from network.codes import CATALOGUE
from network.errors import NetworkError
from network.folders import folder_of
from network.units.model import Unit

PRIVATE_KEY: Final = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
LARGEST: Final = 1 << 16
"""Bytes; no file with a key is larger, and ledgers and blobs are."""


def require_own_keys(run: Path, organisation: str, units: Sequence[Unit], folder: Path) -> None:
    """Check that an organisation's folder holds every key of its processes and no key of another organisation.

    Args:
        run: The folder, as it lies on this machine.
        organisation: Whose folder it is.
        units: Its processes.
        folder: Where their paths say that the folder lies.

    Raises:
        NetworkError: FL1080 with the other's key, FL1081 with the key that is missing.
    """
    for path, owner in foreign_keys(run, organisation):
        whose = f"of {owner}" if owner else "of none of its own identities"
        text = f"a private key {whose} is in the folder of {organisation}"
        hint = CATALOGUE[codes.FOREIGN_KEY].hint
        raise NetworkError(codes.FOREIGN_KEY, text, where=path, hint=hint)
    for path, unit in missing_keys(run, units, folder):
        hint = CATALOGUE[codes.OWN_KEY_MISSING].hint
        raise NetworkError(codes.OWN_KEY_MISSING, f"{unit} has no private key to act with", where=path, hint=hint)


def foreign_keys(run: Path, organisation: str) -> Iterator[tuple[str, str]]:
    """Yield (file, its organisation or empty) of every private key that is not the organisation's own.

    Its own are those that lie among its secrets where a key belongs, and those whose public half one of its own
    certificates, or requests for one, names: Fabric's connection file holds such a key.
    """
    folder = folder_of(run, organisation)
    own = set(_certified(folder.secrets))
    others = {
        key: path.name
        for path in sorted((folder.root / "consortium" / "orgs").glob("*"))
        if path.name != organisation
        for key in _certified(path)
    }
    for path, content in _files(run):
        for key in _private_keys(content):
            in_place = path.is_relative_to(folder.secrets) and (path.name == "key.pem" or path.suffix == ".key")
            if key in others or not (in_place or (key in own and path.is_relative_to(folder.root))):
                yield str(path), others.get(key) or _owner_by_place(run, path)


def missing_keys(run: Path, units: Sequence[Unit], folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (file, process) of every key that a process acts with and that is not in the folder."""
    for unit in units:
        for key in unit.keys:
            path = run / key.relative_to(folder)
            if not path.is_file():
                yield str(path), unit.name


def _files(run: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield the files that may hold keys, in a fixed order; ledgers, blobs and logs are left out by their size.

    A node that runs removes files and folders meanwhile: what is gone holds no key.
    """
    for path in sorted(Path(base) / name for base, _, names in os.walk(run) for name in names):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_size <= LARGEST:
                yield path, path.read_bytes()


def _certified(folder: Path) -> Iterator[bytes]:
    """Yield the public key of every certificate, and of every request for one, below a folder."""
    for _, text in _files(folder):
        if b"BEGIN CERTIFICATE-----" in text:
            yield from (_encoded(each.public_key()) for each in x509.load_pem_x509_certificates(text))
        elif b"BEGIN CERTIFICATE REQUEST-----" in text:
            yield _encoded(x509.load_pem_x509_csr(text).public_key())


def _private_keys(text: bytes) -> Iterator[bytes]:
    """Yield the public half of every private key in a file; of one that cannot be read, its own bytes."""
    for found in PRIVATE_KEY.findall(text.replace(rb"\n", b"\n")):  # Fabric's connection file is JSON with PEM in it
        try:
            yield _encoded(load_pem_private_key(found + b"\n", None).public_key())
        except (ValueError, TypeError):
            yield found


def _encoded(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined,no-any-return]


def _owner_by_place(run: Path, path: Path) -> str:
    parts = path.relative_to(run).parts
    return parts[1] if parts[0] == "orgs" and len(parts) > 1 else ""
