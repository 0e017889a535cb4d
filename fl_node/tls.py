"""Mutual TLS between the consortium's organisations: contexts, and which organisation a certificate belongs to."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from fl_node.errors import NodeError
from network.topology import Consortium


@dataclass(frozen=True)
class Trust:
    """The TLS roots of every organisation, and what each organisation may do."""

    consortium: Consortium
    roots: dict[str, x509.Certificate]
    _seen: dict[bytes, str] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, consortium: Consortium, run: Path) -> "Trust":
        """Read the roots of a run folder."""
        return cls(
            consortium,
            {
                o.name: x509.load_pem_x509_certificate(root_path(run, o.name).read_bytes())
                for o in consortium.organisations
            },
        )

    def organisation(self, certificate_der: bytes) -> str:
        """Return the name of the organisation that issued a certificate.

        Raises:
            NodeError: FL4705, none of the consortium's did.
        """
        known = self._seen.get(certificate_der)
        if known:
            return known
        certificate = x509.load_der_x509_certificate(certificate_der)
        for name, root in self.roots.items():
            try:
                certificate.verify_directly_issued_by(root)
            except (ValueError, TypeError, InvalidSignature):
                continue
            self._seen[certificate_der] = name
            return name
        raise NodeError("FL4705", "no organisation of the consortium issued this certificate")

    def role(self, organisation: str) -> str:
        """Return member, regulator or orderer."""
        return self.consortium.organisation(organisation).role


def root_path(run: Path, organisation: str) -> Path:
    """Return where an organisation's TLS root lies."""
    return run / "identities" / organisation / "tlsca" / "cert.pem"


def context(run: Path, consortium: Consortium, organisation: str, user: str, *, server: bool) -> ssl.SSLContext:
    """Return a TLS 1.3 context that shows an organisation's certificate and demands one of the consortium's.

    Raises:
        NodeError: FL4002, the organisation has no such certificate.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.verify_mode = ssl.CERT_REQUIRED
    folder = run / "identities" / organisation / "users" / user / "tls"
    try:
        made.load_cert_chain(folder / "client.crt", folder / "client.key")
        for other in consortium.organisations:
            made.load_verify_locations(root_path(run, other.name))
    except (OSError, ssl.SSLError) as error:
        hint = f"Create it with `fedledger identity add {organisation} {user}`."
        raise NodeError("FL4002", f"no usable TLS certificate: {error}", where=str(folder), hint=hint) from None
    return made
