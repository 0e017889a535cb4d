"""Mutual TLS between the consortium's organisations: contexts, and which organisation a certificate belongs to.

Whom to believe is said by the channel's configuration, as the own peer shows it, and by nothing else.
"""

import contextlib
import re
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from fl_node import codes
from fl_node.errors import NodeError
from network.ca.msp_folder import tls_pool
from network.chains import ChainError, Pool
from network.defined import Defined
from network.directory import Believed, Directory, Known
from network.folders import folder_of, public_parts
from network.plan import chaincode_process
from network.topology import Organisation

MOST_SEEN: Final = 1024
"""Certificates remembered; more than a consortium has, so that one who shows many costs us time and no memory."""
SERVERS: Final = re.compile(r"(peer|orderer)\d*\..*|(chaincode|blobs)\d*-.*")
"""Common names of servers of an organisation that the definition does not know yet (network/identities.py)."""
Contexts = Callable[[str], ssl.SSLContext]
"""Organisation → the context in which its services are called: a certificate of any other is refused."""


class Trust:
    """Whose user a certificate belongs to, by the channel's newest configuration."""

    def __init__(self, defined: Defined, believed: Believed) -> None:
        self.defined = defined
        self.believed = believed
        self._seen: dict[bytes, str] = {}
        self._by: Directory | None = None

    def organisation(self, certificate_der: bytes) -> str:
        """Return the name of the organisation whose user a certificate belongs to.

        Raises:
            NodeError: FL4705, none of the channel's issued it, it is a server's, it is revoked, its authority's
                revocation list is not in the channel's configuration, or that was not read yet.
        """
        directory = self.believed.directory
        if self._by is not directory or len(self._seen) >= MOST_SEEN:
            self._seen.clear()
            self._by = directory
        if certificate_der not in self._seen:
            self._seen[certificate_der] = self._user(_known(directory), certificate_der)
        return self._seen[certificate_der]

    def role(self, organisation: str) -> str:
        """Return member, regulator or orderer; FL4705 if the channel does not have it any more."""
        found = _known(self.believed.directory).get(organisation)
        if found is None:
            raise NodeError(codes.CALLER_REFUSED, f"{organisation} is not in the channel any more")
        return found.role

    def _user(self, directory: Directory, certificate_der: bytes) -> str:
        certificate = x509.load_der_x509_certificate(certificate_der)
        known = issuer_of(directory, certificate)
        require_not_revoked(known, certificate)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if not names or self._is_server(known.name, str(names[0].value)):
            raise NodeError(codes.CALLER_REFUSED, f"this certificate is a server's of {known.name}, not a user's")
        return known.name

    def _is_server(self, organisation: str, common_name: str) -> bool:
        for each in self.defined().organisations:
            if each.name == organisation:
                return common_name in _servers(each)
        return SERVERS.fullmatch(common_name) is not None


def issuer_of(directory: Directory, certificate: x509.Certificate) -> Known:
    """Return the organisation that issued a TLS certificate; FL4705 where it is none of the channel's, or several."""
    found = []
    for known in directory.values():
        with contextlib.suppress(ChainError):
            known.authorities.chain(certificate)
            found.append(known)
    if not found:
        raise NodeError(codes.CALLER_REFUSED, "no organisation of the channel issued this certificate")
    if len(found) > 1:
        message = f"{' and '.join(known.name for known in found)} share an authority"
        hint = "Each needs an issuing authority of its own."
        raise NodeError(codes.CALLER_REFUSED, f"{message}, so nobody knows whose certificate this is", hint=hint)
    return found[0]


def require_not_revoked(known: Known, certificate: x509.Certificate) -> None:
    """Check a certificate against its authority's list in the channel's configuration; FL4705 where there is none."""
    issuer = known.authorities.chain(certificate)[1]
    if issuer not in known.revoked:
        hint = f"Let {known.name} bring its lists into the channel: `fedledger network update propose revoke`."
        message = f"the channel has no list of the TLS certificates that {known.name} has revoked, so none is accepted"
        raise NodeError(codes.CALLER_REFUSED, message, where=issuer.subject.rfc4514_string(), hint=hint)
    if certificate.serial_number in known.revoked[issuer]:
        hint = "Renew it: `fedledger identity rotate --new-key`, for a node `fedledger node rotate-key`."
        where = f"{certificate.serial_number:x}"
        raise NodeError(codes.CALLER_REFUSED, f"{known.name} has revoked this certificate", where=where, hint=hint)


def _known(directory: Directory | None) -> Directory:
    if directory is None:
        hint = "It is read as soon as the organisation's own peer answers."
        raise NodeError(
            codes.CALLER_REFUSED, "the channel's configuration was not read yet, so nobody is known", hint=hint
        )
    return directory


def _servers(organisation: Organisation) -> set[str]:
    """Return the common names of an organisation's server certificates (network/identities.py)."""
    orderers = (orderer.name for orderer in organisation.orderers)
    beside = (chaincode_process(organisation.name, number) for number, _ in enumerate(organisation.peers))
    return {*(peer.name for peer in organisation.peers), *orderers, *beside, f"blobs-{organisation.name}"}


def authorities_of(run: Path, organisation: str) -> Pool:
    """Return the authorities of an organisation's TLS certificates."""
    return tls_pool(public_parts(run, organisation))


def serving(run: Path, organisation: str, believed: Believed) -> Callable[[], ssl.SSLContext]:
    """Return what gives the TLS 1.3 context of a new connection to a blob service.

    It shows the service's certificate and demands one of the channel's organisations, as they are then.

    Raises:
        NodeError: FL4002, the organisation has no such certificate.
    """
    folder = folder_of(run, organisation)
    pair = folder.blob_service / "server.crt", folder.blob_service / "server.key"

    def made(directory: Directory) -> ssl.SSLContext:
        found = _context(pair, directory.values(), ssl.PROTOCOL_TLS_SERVER)
        found.verify_mode = ssl.CERT_REQUIRED
        return found

    made({})
    newest = _Newest(believed, made)
    return lambda: newest.of("")


def calling(run: Path, organisation: str, user: str, believed: Believed) -> Contexts:
    """Return the contexts in which a user calls others: each accepts only the called organisation's own certificates.

    A context raises ConnectionError where the channel does not have the organisation.

    Raises:
        NodeError: FL4002, the organisation has no such certificate.
    """
    folder = folder_of(run, organisation)
    pair = folder.user(user) / "tls" / "client.crt", folder.user(user) / "tls" / "client.key"
    _context(pair, (), ssl.PROTOCOL_TLS_CLIENT)
    newest: dict[str, _Newest] = {}

    def context(called: str) -> ssl.SSLContext:
        def made(directory: Directory) -> ssl.SSLContext:
            if called not in directory:
                raise ConnectionError(f"the channel, as it was read, has no organisation {called}")
            found = _context(pair, [directory[called]], ssl.PROTOCOL_TLS_CLIENT)
            found.sslobject_class = _checking(directory[called])
            return found

        return newest.setdefault(called, _Newest(believed, made)).of(called)

    return context


class _Newest:
    """A context, made anew whenever something else is believed."""

    def __init__(self, believed: Believed, made: Callable[[Directory], ssl.SSLContext]) -> None:
        self._believed = believed
        self._made = made
        self._context: ssl.SSLContext | None = None
        self._by: Directory | None = None

    def of(self, called: str) -> ssl.SSLContext:
        directory = self._believed.directory
        if self._context is None or self._by is not directory:
            if directory is None and called:
                raise ConnectionError("the channel's configuration was not read yet")
            self._context, self._by = self._made(directory or {}), directory
        return self._context


def _checking(called: Known) -> type[ssl.SSLObject]:
    """Return a side of TLS that ends where the other shows a certificate that its organisation has revoked."""

    class Checking(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            shown = self.getpeercert(binary_form=True)
            assert shown, "a server shows a certificate"
            try:
                require_not_revoked(called, x509.load_der_x509_certificate(shown))
            except (NodeError, ChainError) as error:
                raise ssl.SSLCertVerificationError(str(error)) from None

    return Checking


def _context(shown: tuple[Path, Path], organisations: Iterable[Known], protocol: Any) -> ssl.SSLContext:
    made = ssl.SSLContext(protocol)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        made.load_cert_chain(*shown)
        # Two organisations may stand under one root, so each is known by the authority that issues its certificates.
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        for known in organisations:
            for authority in known.authorities.issuing:
                made.load_verify_locations(cadata=authority.public_bytes(Encoding.DER))
    except (OSError, ValueError, ssl.SSLError) as error:
        hint = "Users' come with `fedledger identity add`, services' with `fedledger org init`."
        raise NodeError(
            codes.IDENTITY_UNUSABLE, f"no usable TLS certificate: {error}", where=str(shown[0]), hint=hint
        ) from None
    return made
