"""Who is registered with an embedded authority, and which certificates it issued: one JSON file, written whole.

The first one registered, the registrar, may register and revoke; nobody else may.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from network.files import make_folder, write_atomically

MOST_ATTEMPTS = 10
"""Wrong secrets after which a name is locked."""
UNLIMITED = -1
_COST = {"n": 1 << 14, "r": 8, "p": 1, "maxmem": 1 << 26}


class RegistryError(Exception):
    """What was asked may not be done."""


class TakenError(RegistryError):
    """The name is registered already."""


class RightsError(RegistryError):
    """Whoever asks is not who may."""


@dataclass(frozen=True)
class Registered:
    """One who may enrol.

    Attributes:
        unit: its type, which becomes the first organisational unit.
        affiliation: dotted path; each part becomes a further unit.
        salt: in hex, with which the secret was hashed.
        hashed: of the secret, by scrypt, in hex.
        most: enrolments that are permitted; UNLIMITED is -1.
        attempts: wrong secrets since the last right one.
    """

    name: str
    unit: str
    salt: str
    hashed: str
    affiliation: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    registrar: bool = False
    most: int = UNLIMITED
    enrolled: int = 0
    attempts: int = 0
    revoked: bool = False


class Registry:
    """The registry that lies in a file; every change is on the disk before it is answered."""

    def __init__(self, path: Path) -> None:
        self._path = path
        known = json.loads(path.read_text()) if path.exists() else {"registered": [], "issued": {}}
        self._registered = {each["name"]: Registered(**each) for each in known["registered"]}
        self._issued: dict[str, str] = known["issued"]

    def begin(self, name: str, secret: str) -> None:
        """Register the registrar, unless it is."""
        if name not in self._registered:
            self._put(_registered(name, "client", secret, registrar=True))

    def find(self, name: str) -> Registered:
        """Return one who is registered and was not revoked; RightsError if there is none of that name."""
        found = self._registered.get(name)
        if found is None or found.revoked:
            raise RightsError(name)
        return found

    def require_registrar(self, name: str) -> None:
        """Check that somebody may register and revoke; RightsError if not."""
        if not self.find(name).registrar:
            raise RightsError(name)

    def register(
        self, name: str, unit: str, secret: str, affiliation: str, attributes: Mapping[str, str], most: int
    ) -> None:
        """Register somebody; TakenError if the name is taken, RegistryError if it, or an attribute, is none to give."""
        if name in self._registered:
            raise TakenError(name)
        if not name or any(attribute.startswith("hf.") for attribute in attributes):
            raise RegistryError("a name is needed, and attributes that begin with hf. are the registrar's alone")
        made = _registered(name, unit, secret)
        self._put(replace(made, affiliation=affiliation, attributes=dict(attributes), most=most or UNLIMITED))

    def enter(self, name: str, secret: str) -> Registered:
        """Return one who names its secret and may enrol once more; RightsError if not."""
        found = self.find(name)
        if found.attempts >= MOST_ATTEMPTS:
            raise RightsError(name)
        if not hmac.compare_digest(_hashed(secret, found.salt), found.hashed):
            self._put(replace(found, attempts=found.attempts + 1))
            raise RightsError(name)
        if found.most != UNLIMITED and found.enrolled >= found.most:
            raise RightsError(name)
        return found

    def record(self, name: str, serial: int, *, enrolment: bool) -> None:
        """Record a certificate that was issued, as an enrolment or as the renewal of one."""
        self._issued[f"{serial:x}"] = name
        found = self._registered[name]
        self._put(replace(found, enrolled=found.enrolled + enrolment, attempts=0))

    def owner(self, serial: int) -> str | None:
        """Return whose certificate this is, None if none was issued here."""
        return self._issued.get(f"{serial:x}")

    def serials(self, name: str) -> list[int]:
        """Return the serial numbers of somebody's certificates."""
        return [int(serial, 16) for serial, owner in self._issued.items() if owner == name]

    def revoke(self, name: str) -> None:
        """Let somebody enrol no more; RightsError if there is none of that name."""
        self._put(replace(self.find(name), revoked=True))

    def _put(self, registered: Registered) -> None:
        self._registered[registered.name] = registered
        known = {"registered": [asdict(each) for each in self._registered.values()], "issued": self._issued}
        make_folder(self._path.parent, 0o700)
        write_atomically(self._path, json.dumps(known, indent=1) + "\n", mode=0o600)


def _registered(name: str, unit: str, secret: str, *, registrar: bool = False) -> Registered:
    salt = secrets.token_hex(16)
    return Registered(name, unit, salt, _hashed(secret, salt), registrar=registrar)


def _hashed(secret: str, salt: str) -> str:
    return hashlib.scrypt(secret.encode(), salt=bytes.fromhex(salt), **_COST).hex()
