"""What every stage needs: a transport, an identity, a signer, deadlines."""

from dataclasses import dataclass, field

from ._horizon import Horizon
from ._identity import Identity, Signer
from ._transport import Transport
from .encoding import sha256
from .errors import GatewayError, TransportError

_SERVICE = "/gateway.Gateway/"


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each call may take, in seconds."""

    connect: float = 10.0
    evaluate: float = 5.0
    endorse: float = 15.0
    submit: float = 5.0
    commit_status: float = 60.0


@dataclass(frozen=True, slots=True)
class Client:
    """One identity's way to call a gateway."""

    transport: Transport
    identity: Identity
    signer: Signer | None
    deadlines: Deadlines
    creator: bytes
    horizon: Horizon = field(default_factory=Horizon, repr=False, compare=False)

    def digest(self, message: bytes) -> bytes:
        """Return what is to be signed for a message."""
        return sha256(message) if self.signer is None else self.signer.digest(message)

    def sign(self, digest: bytes) -> bytes:
        """Return the signature of a digest; ValueError where signing happens elsewhere."""
        if self.signer is None:
            raise ValueError(
                "this gateway has no signer: sign the digest elsewhere and rebuild the stage from its bytes and the "
                "signature, for example gateway.new_signed_proposal(proposal.bytes, signature)"
            )
        return self.signer.sign(digest)

    async def call(
        self, method: str, request: bytes, deadline: float, error_type: type[GatewayError], transaction_id: str
    ) -> bytes:
        """Call a method of the gateway service; what the transport raises becomes the stage's error."""
        try:
            return await self.transport.unary(_SERVICE + method, request, deadline)
        except TransportError as error:
            raise error_type(
                error.message, code=error.code, transaction_id=transaction_id, details=error.details
            ) from None
