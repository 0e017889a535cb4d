"""Mutual TLS between the consortium's organisations: contexts, and which organisation a certificate belongs to."""

import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from fl_node import codes
from fl_node.errors import NodeError
from network.ca.msp_folder import tls_pool
from network.chains import ChainError, Pool
from network.folders import folder_of, public_parts
from network.plan import chaincode_process
from network.topology import Consortium, Organisation

MOST_SEEN: Final = 1024
"""Certificates remembered; more than a consortium has, so that one who shows many costs us time and no memory."""
Contexts = Callable[[str], ssl.SSLContext]
"""Organisation → the context in which its services are called: a certificate of any other is refused."""


@dataclass(frozen=True)
class Trust:
    """The TLS authorities of every organisation, what each may do, and whose certificates are revoked."""

    consortium: Consortium
    run: Path
    authorities: dict[str, Pool]
    _seen: dict[bytes, tuple[str, int, x509.Certificate]] = field(default_factory=dict, compare=False, repr=False)
    _lists: dict[x509.Certificate, tuple[int, frozenset[int]]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, consortium: Consortium, run: Path) -> "Trust":
        """Read the authorities of a run folder."""
        return cls(consortium, run, {o.name: authorities_of(run, o.name) for o in consortium.organisations})

    def organisation(self, certificate_der: bytes) -> str:
        """Return the name of the organisation whose user a certificate belongs to.

        Raises:
            NodeError: FL4705, none of the consortium's issued it, it is a server's, it is revoked, or its
                organisation's revocation list is not here.
        """
        if certificate_der not in self._seen:
            if len(self._seen) >= MOST_SEEN:
                self._seen.clear()
            self._seen[certificate_der] = self._issuer(certificate_der)
        name, serial, issuer = self._seen[certificate_der]
        if serial in self._revoked(name, issuer):
            hint = "Issue a new one with `fedledger identity add`."
            raise NodeError(
                codes.CALLER_REFUSED, f"{name} has revoked this certificate", where=f"{serial:x}", hint=hint
            )
        return name

    def role(self, organisation: str) -> str:
        """Return member, regulator or orderer."""
        return self.consortium.organisation(organisation).role

    def _issuer(self, certificate_der: bytes) -> tuple[str, int, x509.Certificate]:
        """Return whose user a certificate belongs to, its serial number, and the authority that issued it."""
        certificate = x509.load_der_x509_certificate(certificate_der)
        found = {}
        for name, pool in self.authorities.items():
            with contextlib.suppress(ChainError):
                found[name] = pool.chain(certificate)[1]
        if not found:
            raise NodeError(codes.CALLER_REFUSED, "no organisation of the consortium issued this certificate")
        if len(found) > 1:
            message = f"{' and '.join(found)} share an authority, so nobody knows whose certificate this is"
            raise NodeError(codes.CALLER_REFUSED, message, hint="Each needs an issuing authority of its own.")
        ((name, issuer),) = found.items()
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if not names or names[0].value in _servers(self.consortium.organisation(name)):
            raise NodeError(codes.CALLER_REFUSED, f"this certificate is a server's of {name}, not a user's")
        return name, certificate.serial_number, issuer

    def _revoked(self, organisation: str, issuer: x509.Certificate) -> frozenset[int]:
        """Return the serial numbers on the list of an organisation's authority, read again when the file changes."""
        path = public_parts(self.run, organisation).tls_revocations
        try:
            changed = path.stat().st_mtime_ns
        except FileNotFoundError:
            hint = f"Bring {organisation}'s list here: {path.name} beside the TLS root that it publishes."
            message = f"the list of certificates that {organisation} has revoked is not here, so none is accepted"
            raise NodeError(codes.CALLER_REFUSED, message, where=str(path), hint=hint) from None
        if self._lists.get(issuer, (0,))[0] != changed:
            self._lists[issuer] = (changed, _listed(path, issuer))
        return self._lists[issuer][1]


def _listed(path: Path, issuer: x509.Certificate) -> frozenset[int]:
    try:
        found = x509.load_pem_x509_crl(path.read_bytes())
        valid = found.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # a CA's key can sign
    except ValueError:
        valid = False
    if not valid:
        raise NodeError(codes.CALLER_REFUSED, "this is not the organisation's revocation list", where=str(path))
    return frozenset(entry.serial_number for entry in found)


def _servers(organisation: Organisation) -> set[str]:
    """Return the common names of an organisation's server certificates (network/identities.py)."""
    orderers = (orderer.name for orderer in organisation.orderers)
    beside = (chaincode_process(organisation.name, number) for number, _ in enumerate(organisation.peers))
    return {*(peer.name for peer in organisation.peers), *orderers, *beside, f"blobs-{organisation.name}"}


def authorities_of(run: Path, organisation: str) -> Pool:
    """Return the authorities of an organisation's TLS certificates."""
    return tls_pool(public_parts(run, organisation))


def serving(run: Path, consortium: Consortium, organisation: str) -> ssl.SSLContext:
    """Return a TLS 1.3 context that shows a blob service's certificate and demands one of the consortium's.

    Raises:
        NodeError: FL4002, the organisation has no such certificate.
    """
    folder = folder_of(run, organisation)
    pair = folder.blob_service / "server.crt", folder.blob_service / "server.key"
    made = _context(folder.root, pair, [o.name for o in consortium.organisations], ssl.PROTOCOL_TLS_SERVER)
    made.verify_mode = ssl.CERT_REQUIRED
    return made


def calling(run: Path, organisation: str, user: str) -> Contexts:
    """Return the contexts in which a user calls others: each accepts only the called organisation's own certificates.

    Raises:
        NodeError: FL4002, the organisation has no such certificate.
    """
    folder = folder_of(run, organisation)
    pair = folder.user(user) / "tls" / "client.crt", folder.user(user) / "tls" / "client.key"

    @cache
    def context(called: str) -> ssl.SSLContext:
        return _context(folder.root, pair, [called], ssl.PROTOCOL_TLS_CLIENT)

    context(organisation)
    return context


def _context(folder: Path, shown: tuple[Path, Path], organisations: list[str], protocol: int) -> ssl.SSLContext:
    made = ssl.SSLContext(protocol)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        made.load_cert_chain(*shown)
        # Two organisations may stand under one root, so each is known by the authority that issues its certificates.
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        for name in organisations:
            for authority in authorities_of(folder, name).issuing:
                made.load_verify_locations(cadata=authority.public_bytes(Encoding.DER))
    except (OSError, ValueError, ssl.SSLError) as error:
        hint = "Users' come with `fedledger identity add`, services' with `fedledger org init`."
        raise NodeError(
            codes.IDENTITY_UNUSABLE, f"no usable TLS certificate: {error}", where=str(shown[0]), hint=hint
        ) from None
    return made
