"""Founding: what each founder's admin does once, so that nobody chose the first beacon."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any, Final

from fl_node import codes
from fl_node.canonical import LABEL_BEACON_COMMITMENT, tagged_hash
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger, LedgerError
from network import contract_codes
from network.files import write_new
from network.folders import folder_of

POLL_S: Final = 0.3
DONE: Final = {contract_codes.ALREADY_FOUNDED, contract_codes.BEACON_DONE}
"""Somebody, or we ourselves before a crash, have done this step."""
NOT_YET: Final = {contract_codes.NOT_FOUNDED, contract_codes.BEACON_NOT_READY}


async def found(ledger: Ledger, *, patience_s: float = 120.0) -> None:
    """Found the federation as one founder: agree to the definition, commit to a random value, reveal it.

    Safe to repeat; the value is kept under the run folder until the federation has its beacon.

    Raises:
        LedgerError: the chaincode refused; FL0114 if the other founders did not act in time.
    """
    definition = definition_of(ledger.profile.run, ledger.profile.organisation)
    value = _value(ledger.profile.run, ledger.profile.organisation)
    commitment = tagged_hash(LABEL_BEACON_COMMITMENT, ledger.profile.channel, ledger.profile.msp_id, value)
    terms = {key: definition[key] for key in ("members", "regulators", "parameters", "rules")}
    await _until(ledger, "Found", terms, patience_s)
    await _until(ledger, "CommitBeacon", {"commitment": commitment.hex()}, patience_s)
    await _until(ledger, "RevealBeacon", {"value": value.hex()}, patience_s)


def definition_of(run: Path, organisation: str) -> dict[str, Any]:
    """Return the definition that an organisation's chaincode process expects.

    Raises:
        NodeError: FL4001, there is none.
    """
    path = folder_of(run, organisation).terms
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise NodeError(codes.INPUT_UNUSABLE, f"no definition of the federation: {error}", where=str(path)) from None


async def _until(ledger: Ledger, function: str, arguments: dict[str, Any], patience_s: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + patience_s
    while True:
        try:
            await ledger.submit(function, **arguments)
        except LedgerError as error:
            if error.code in DONE:
                return
            if error.code not in NOT_YET or loop.time() > end:
                raise
            await asyncio.sleep(POLL_S)
        else:
            return


def _value(run: Path, organisation: str) -> bytes:
    path = folder_of(run, organisation).node(organisation) / "beacon.value"
    write_new(path, secrets.token_hex(32), mode=0o600)
    return bytes.fromhex(path.read_text())
