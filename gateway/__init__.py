"""A client of the Hyperledger Fabric Gateway for asyncio."""

from . import digests, encoding, errors, signatures, tokens
from ._checkpoint import Checkpointer, FileCheckpointer, InMemoryCheckpointer, Position
from ._client import Deadlines, Metadata
from ._codes import ValidationCode
from ._commit import Commit, Status
from ._contract import Contract
from ._events import EventStream
from ._failover import Failover
from ._gateway import Gateway, connect
from ._identity import AsyncSigner, Identity, Signer
from ._mock import MockRefusal, MockTransport
from ._mock_messages import MockCall
from ._network import Network
from ._profiles import ConnectionProfile, from_msp_folder
from ._requests import EventsRequest
from ._retry import RetryPolicy
from ._sources import ChaincodeEvent
from ._stages import Proposal, Transaction
from ._transport import Endpoint, GrpcTransport, Transport

__all__ = [
    "AsyncSigner",
    "ChaincodeEvent",
    "Checkpointer",
    "Commit",
    "ConnectionProfile",
    "Contract",
    "Deadlines",
    "Endpoint",
    "EventStream",
    "EventsRequest",
    "Failover",
    "FileCheckpointer",
    "Gateway",
    "GrpcTransport",
    "Identity",
    "InMemoryCheckpointer",
    "Metadata",
    "MockCall",
    "MockRefusal",
    "MockTransport",
    "Network",
    "Position",
    "Proposal",
    "RetryPolicy",
    "Signer",
    "Status",
    "Transaction",
    "Transport",
    "ValidationCode",
    "connect",
    "digests",
    "encoding",
    "errors",
    "from_msp_folder",
    "signatures",
    "tokens",
]

# Names print as users write them: gateway.Contract, not gateway._contract.Contract.
for _name in __all__:
    if _name not in {"digests", "encoding", "errors", "signatures", "tokens"}:
        globals()[_name].__module__ = __name__
