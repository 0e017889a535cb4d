"""Who a certificate is for, and how a certificate or a request says so."""

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

# Where Fabric's attribute-based access control looks for {"attrs": {...}} (Fabric CA, attrmgr).
ATTRIBUTES_OID = ObjectIdentifier("1.2.3.4.5.6.7.8.1")

Unit = Literal["peer", "orderer", "admin", "client"]


@dataclass(frozen=True)
class Subject:
    """Who a certificate is for: an organisational unit for a signing certificate, hosts for a TLS certificate."""

    common_name: str
    unit: Unit | None = None
    hosts: Sequence[str] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> x509.Name:
        """Return the subject's name, with the unit that Fabric takes for its role."""
        units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, self.unit)] if self.unit else []
        return x509.Name([*units, x509.NameAttribute(NameOID.COMMON_NAME, self.common_name)])

    @property
    def wanted(self) -> list[x509.ExtensionType]:
        """Return the extensions that say what else the certificate is for; none of them is critical."""
        found: list[x509.ExtensionType] = []
        if self.hosts:
            found.append(x509.SubjectAlternativeName(alternative_names(self.hosts)))
        if self.attributes:
            value = json.dumps({"attrs": dict(self.attributes)}, separators=(",", ":")).encode()
            found.append(x509.UnrecognizedExtension(ATTRIBUTES_OID, value))
        return found


def attributes_of(certificate: x509.Certificate) -> dict[str, str]:
    """Return the attributes that a certificate gives its owner; none where it has no such extension."""
    for extension in certificate.extensions:
        if extension.oid == ATTRIBUTES_OID and isinstance(extension.value, x509.UnrecognizedExtension):
            return dict(json.loads(extension.value.value)["attrs"])
    return {}


def units_of(certificate: x509.Certificate) -> list[str]:
    """Return the organisational units of a certificate."""
    return [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)]


def alternative_names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    """Return addresses and names of hosts as a certificate names them, each once."""
    names: list[x509.GeneralName] = []
    for host in dict.fromkeys(hosts):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return names
