"""An organisation's roots and intermediates in the folder layout that Fabric reads (msp/configbuilder.go)."""

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from network.ca.keys import pem
from network.chains import Pool
from network.files import write_new
from network.folders import PublicParts

ROLES = ("client", "peer", "admin", "orderer")


def write_roots(msp: Path, signing: Pool, tls: Pool) -> None:
    """Write the authorities of an MSP and how their certificates name roles; what is there stays."""
    folders = {
        "cacerts": signing.roots,
        "intermediatecerts": signing.intermediates,
        "tlscacerts": tls.roots,
        "tlsintermediatecerts": tls.intermediates,
    }
    for folder, certificates in folders.items():
        _write_all(msp / folder, certificates)
    write_new(msp / "config.yaml", node_units(signing))


def tls_pool(public: PublicParts) -> Pool:
    """Return the authorities of an organisation's TLS certificates."""
    below = sorted(public.tls_intermediates.glob("*.pem"))
    root = x509.load_pem_x509_certificate(public.tls_root.read_bytes())
    return Pool.of([root], [x509.load_pem_x509_certificate(path.read_bytes()) for path in below])


def node_units(signing: Pool) -> str:
    """Return the NodeOUs of an MSP.

    Where there are intermediates no authority is named for a unit: only one that issued no other gives identities, so
    the root gives none.
    """
    given = "" if signing.intermediates else "Certificate: cacerts/ca.pem, "
    units = [f"  {role.capitalize()}OUIdentifier: {{{given}OrganizationalUnitIdentifier: {role}}}" for role in ROLES]
    return "\n".join(["NodeOUs:", "  Enable: true", *units, ""])


def _write_all(folder: Path, certificates: Sequence[x509.Certificate]) -> None:
    for number, certificate in enumerate(certificates):
        write_new(folder / (f"ca-{number + 1}.pem" if number else "ca.pem"), pem(certificate))
