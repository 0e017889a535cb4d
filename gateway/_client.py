"""What every stage needs: a transport, an identity, a signer, deadlines, metadata."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from ._horizon import Horizon
from ._identity import AsyncSigner, Identity, Signer
from ._transport import Pairs, Transport
from .digests import Digest
from .errors import GatewayError, TransportError

_SERVICE = "/gateway.Gateway/"


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each call may take, in seconds.

    Attributes:
        connect: until a peer has answered, when the gateway is entered.
        evaluate: one query.
        endorse: the endorsement of one proposal, by all who are asked.
        submit: until the orderers have a transaction.
        commit_status: until a transaction is in a block.
    """

    connect: float = 10.0
    evaluate: float = 5.0
    endorse: float = 15.0
    submit: float = 5.0
    commit_status: float = 60.0


@dataclass(frozen=True, slots=True)
class Metadata:
    """What each kind of call carries in its gRPC headers, for a proxy on the way.

    Pairs of a name in lower case and text; a name that ends in "-bin" takes bytes. Fabric itself reads none of it.

    Attributes:
        evaluate: of queries.
        endorse: of proposals to endorse.
        submit: of transactions.
        commit_status: of questions what became of one.
        chaincode_events: of streams of chaincode events.
        block_events: of streams of blocks.
        filtered_block_events: of streams of filtered blocks.
        block_and_private_data_events: of streams of blocks with private data.
    """

    evaluate: Pairs = ()
    endorse: Pairs = ()
    submit: Pairs = ()
    commit_status: Pairs = ()
    chaincode_events: Pairs = ()
    block_events: Pairs = ()
    filtered_block_events: Pairs = ()
    block_and_private_data_events: Pairs = ()

    @classmethod
    def of_all(cls, *pairs: tuple[str, str | bytes]) -> "Metadata":
        """Return the same pairs for every kind of call."""
        return cls(*[pairs] * 8)


_KINDS = {
    "/gateway.Gateway/Evaluate": "evaluate",
    "/gateway.Gateway/Endorse": "endorse",
    "/gateway.Gateway/Submit": "submit",
    "/gateway.Gateway/CommitStatus": "commit_status",
    "/gateway.Gateway/ChaincodeEvents": "chaincode_events",
    "/protos.Deliver/Deliver": "block_events",
    "/protos.Deliver/DeliverFiltered": "filtered_block_events",
    "/protos.Deliver/DeliverWithPrivateData": "block_and_private_data_events",
}


@dataclass(frozen=True, slots=True)
class Client:
    """One identity's way to call a gateway."""

    transport: Transport
    identity: Identity
    signer: Signer | AsyncSigner | None
    deadlines: Deadlines
    creator: bytes
    digest: Digest
    """Message → what is to be signed of it."""
    metadata: Metadata = field(default_factory=Metadata, repr=False, compare=False)
    horizon: Horizon = field(default_factory=Horizon, repr=False, compare=False)

    async def sign(self, digest: bytes) -> bytes:
        """Return the signature of a digest; ValueError where signing happens elsewhere."""
        if self.signer is None:
            raise ValueError(
                "this gateway has no signer: sign the digest elsewhere and rebuild the stage from its bytes and the "
                "signature, for example gateway.new_signed_proposal(proposal.bytes, signature)"
            )
        signature = self.signer.sign(digest)
        return signature if isinstance(signature, bytes) else await signature

    async def call(
        self, method: str, request: bytes, deadline: float, error_type: type[GatewayError], transaction_id: str
    ) -> bytes:
        """Call a method of the gateway service; what the transport raises becomes the stage's error."""
        path = _SERVICE + method
        try:
            return await self.transport.unary(path, request, deadline, self._pairs(path))
        except TransportError as error:
            raise error_type(
                error.message, code=error.code, transaction_id=transaction_id, details=error.details
            ) from None

    def stream(self, path: str, request: bytes) -> AsyncIterator[bytes]:
        """Send one request and yield responses, as the transport does."""
        return self.transport.stream(path, request, self._pairs(path))

    def _pairs(self, path: str) -> Pairs:
        pairs: Pairs = getattr(self.metadata, _KINDS[path])
        return pairs
