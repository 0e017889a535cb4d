"""The change that gives an orderer of the channel new certificates: its place and number stay."""

from typing import Any, Literal

from cryptography import x509

from gateway.encoding import serialized_identity
from network.chains import ChainError, Pool
from network.devnet.channel import Channel
from network.devnet.msp import IdentityError
from network.orderer_update import organisation_at, with_certificates
from network.update.authorities import FIELDS, known_msp, read_certificate
from network.update.base import Base, in_force, unfit


class RotateOrderer(Base):
    """An orderer's new certificates, of the organisation that it is of; the channel takes the old ones no more."""

    kind: Literal["rotate-orderer"] = "rotate-orderer"
    address: str
    """host:port"""
    certificate: str
    """With which it signs blocks, PEM."""
    tls_certificate: str
    """Which it shows to those who dial it and whom it dials, PEM."""

    def apply(self, config: Any) -> Any:
        """Return a copy with the certificates; those that its own organisation did not issue are unfit."""
        try:
            msp_id = organisation_at(config, self.address)
            self._require_issued(config, msp_id)
            changed = with_certificates(config, self.address, self.certificate.encode(), self.tls_certificate.encode())
        except ValueError as error:
            raise unfit(str(error)) from None
        if changed == config:
            raise in_force(f"the orderer at {self.address} has these certificates")
        return changed

    def _require_issued(self, config: Any, msp_id: str) -> None:
        signing = serialized_identity(msp_id, self.certificate.encode())
        try:
            roles = Channel.of("", config).members.identity(signing).roles
        except IdentityError as error:
            raise unfit(f"its certificate is none of {msp_id}: {error}") from None
        if "orderer" not in roles:
            raise unfit(f"its certificate is no orderer's of {msp_id}")
        try:
            self._tls_pool(config, msp_id).chain(read_certificate(self.tls_certificate.encode()))
        except ChainError as error:
            raise unfit(f"its TLS certificate is none of {msp_id}: {error}") from None

    @staticmethod
    def _tls_pool(config: Any, msp_id: str) -> Pool:
        msp = known_msp(config, msp_id)
        roots, intermediates = (getattr(msp, FIELDS["tls", root]) for root in (True, False))
        return Pool.of([*map(read_certificate, roots)], [*map(read_certificate, intermediates)])

    @property
    def ends(self) -> str:
        """Return the day on which the first of the two certificates ends."""
        both: list[x509.Certificate] = [
            read_certificate(each.encode()) for each in (self.certificate, self.tls_certificate)
        ]
        return min(each.not_valid_after_utc for each in both).date().isoformat()

    @property
    def subject(self) -> str:
        """Return its address, fit for a file's name."""
        return self.address.replace(":", "-")
