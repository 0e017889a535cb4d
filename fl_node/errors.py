"""What a node and its commands report: every code, once, with the sentence that explains it."""

import traceback
from pathlib import Path
from typing import Any, Final

from gateway.errors import GatewayError
from network.errors import FedledgerError

CATALOGUE: Final[dict[str, str]] = {
    "FL4001": "the command's input is not usable",
    "FL4002": "the organisation's identity is missing or does not fit",
    "FL4003": "the organisation's certificate has expired or is revoked",
    "FL4004": "this machine's clock differs too much from the network's",
    "FL4005": "the ledger cannot be reached",
    "FL4006": "the participant is not admitted, or under another key",
    "FL4007": "the disk is full or not writable",
    "FL4008": "the blob service cannot be reached or started",
    "FL4009": "another daemon already runs for this organisation",
    "FL4010": "something that nobody foresaw; the node goes on, please report it",
    "FL4011": "the federation's terms let a sender with a clock that is off cut a phase short",
    "FL4012": "the organisation's certificate ends soon",
    "FL4701": "a blob's bytes do not have the digest that names them",
    "FL4702": "a blob is larger than the service takes",
    "FL4703": "the organisation's quota or the disk's reserve is used up",
    "FL4704": "a blob is nowhere to be had",
    "FL4705": "the caller's organisation may not do this",
    "FL4706": "a chunk does not continue what has arrived",
    "FL4707": "too few blob services took a blob",
    "FL4201": "the journal is damaged or was written under another key",
    "FL4202": "the journal holds a different record of the same kind",
    "FL4203": "ledger or blob service know of deeds that the journal does not: it was restored from a backup",
    "FL4301": "the round trains another plan or base state than the ledger's own history says",
    "FL4302": "the round's layout is not the plan's",
    "FL4303": "the round names participants whom nobody vetted",
    "FL4304": "one survivor's declared share of the examples is too large",
    "FL4305": "members' peers disagree about the round",
    "FL4306": "the survivors differ from those of an earlier reveal in the same attempt",
    "FL4401": "the node's transaction was not committed in time",
    "FL4402": "the proposed aggregate or state does not follow from the survivors' updates",
    "FL4501": "a command was refused by the ledger",
    "FL4502": "a model cannot be exported in this form",
    "FL4601": "the demonstration did not go as it should",
    "FL4602": "another demonstration is under way in the folder",
}
"""Code → meaning. Codes are never reused for another meaning."""


class NodeError(FedledgerError):
    """Something that the operator of a node, or the researcher at its command line, can act on."""


class RefusalError(NodeError):
    """The node refuses by itself to go on with an attempt, whatever the chaincode allowed."""


def reported(error: Exception) -> dict[str, Any]:
    """Return an error for the log; of one that nobody foresaw only type and place, for its text may hold a secret."""
    if isinstance(error, FedledgerError):
        return error.as_json()
    if isinstance(error, GatewayError):
        return {"code": "FL4005", "message": str(error)}
    if isinstance(error, TimeoutError):
        return {"message": "timed out"}
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return {"code": "FL4010", "message": f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"}
