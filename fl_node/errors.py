"""What a node and its commands report; fl_node/codes.json explains every code."""

import traceback
from pathlib import Path
from typing import Any

from fl_node import codes
from gateway.errors import GatewayError
from network.errors import FedledgerError


class NodeError(FedledgerError):
    """Something that the operator of a node, or the researcher at its command line, can act on."""


class RefusalError(NodeError):
    """The node refuses by itself to go on with an attempt, whatever the chaincode allowed."""


def reported(error: Exception) -> dict[str, Any]:
    """Return an error for the log; of one that nobody foresaw only type and place, for its text may hold a secret."""
    if isinstance(error, FedledgerError):
        return error.as_json()
    if isinstance(error, GatewayError):
        return {"code": codes.LEDGER_UNREACHABLE, "message": str(error)}
    if isinstance(error, TimeoutError):
        return {"message": "timed out"}
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return {
        "code": codes.UNFORESEEN,
        "message": f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}",
    }
