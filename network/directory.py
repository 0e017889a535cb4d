"""Whose TLS certificates the channel knows: its configuration as the directory of authorities and revocations."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509

from network.ca.lists import authority_of, read_list, serials
from network.ca.msp_folder import tls_pool
from network.chains import UNREADABLE, Pool, whole
from network.config_update import msp_of
from network.folders import PublicParts, public_parts
from network.topology import Consortium, Organisation
from network.update.members import organisations, role_of


@dataclass(frozen=True)
class Known:
    """One organisation as the channel's configuration has it."""

    name: str
    """As in the definition; its MSP id where the definition lacks it."""
    role: str
    """member, regulator or orderer."""
    authorities: Pool
    """Of its TLS certificates."""
    revoked: dict[x509.Certificate, frozenset[int]]
    """Authority → the serial numbers on its list; an authority without a list is not in it."""


Directory = dict[str, Known]
"""Every organisation of the channel, by name."""


class Believed:
    """The newest directory that the own peer has shown; None before the first."""

    def __init__(self, directory: Directory | None = None) -> None:
        self._directory = directory

    @property
    def directory(self) -> Directory | None:
        """Return what is believed now: the same object as long as that is the same."""
        return self._directory

    def learn(self, directory: Directory) -> None:
        """Take in a newer directory: from now on it alone holds."""
        self._directory = directory


class Followed(Believed):
    """The newest configuration that the own peer has shown, under the names that the own definition gives now."""

    def __init__(self, defined: Callable[[], Consortium]) -> None:
        super().__init__()
        self._defined = defined
        self._config: Any = None
        self._by: Consortium | None = None

    @property
    def directory(self) -> Directory | None:
        """Return what is believed now."""
        consortium = self._defined()
        if self._config is not None and consortium is not self._by:
            self.learn(directory_of(self._config, consortium))
            self._by = consortium
        return self._directory

    def read(self, config: Any) -> None:
        """Take in a newer Config: from now on it alone holds."""
        self._config, self._by = config, None


def directory_of(config: Any, consortium: Consortium) -> Directory:
    """Return what a Config says of everybody."""
    names = {organisation.msp_id: organisation.name for organisation in consortium.organisations}
    known = (_known(config, msp_id, names.get(msp_id, msp_id)) for msp_id in organisations(config))
    return {each.name: each for each in known}


def imported(run: Path, consortium: Consortium) -> Directory:
    """Return what the exports that were imported say of everybody, perhaps long ago: no ground to let anybody in."""
    return {o.name: _imported(public_parts(run, o.name), o) for o in consortium.organisations}


def _imported(public: PublicParts, organisation: Organisation) -> Known:
    pool = tls_pool(public)
    lists = [public.tls_revocations.read_bytes()] if public.tls_revocations.exists() else []
    return Known(organisation.name, organisation.role, pool, _revoked(lists, pool))


def _known(config: Any, msp_id: str, name: str) -> Known:
    msp = msp_of(config, msp_id)
    roots, intermediates = list(_certificates(msp.tls_root_certs)), list(_certificates(msp.tls_intermediate_certs))
    pool = Pool.of(roots, intermediates)
    return Known(name, role_of(config, msp_id), pool, _revoked(msp.revocation_list, pool))


def _revoked(lists: Iterable[bytes], pool: Pool) -> dict[x509.Certificate, frozenset[int]]:
    found: dict[x509.Certificate, frozenset[int]] = {}
    for each in _lists(lists):
        if authority := authority_of(each, (*pool.roots, *pool.intermediates)):
            found[authority] = found.get(authority, frozenset()) | serials(each)
    return found


def _certificates(found: Iterable[bytes]) -> Iterator[x509.Certificate]:
    for raw in found:
        try:
            yield whole(x509.load_pem_x509_certificate(raw))
        except UNREADABLE:
            continue  # nobody is known by what cannot be read


def _lists(found: Iterable[bytes]) -> Iterator[x509.CertificateRevocationList]:
    for raw in found:
        try:
            yield read_list(raw)
        except UNREADABLE:
            continue  # its authority is without a list then, and none of its certificates is accepted
