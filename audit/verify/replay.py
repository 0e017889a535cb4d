"""The same Go rules, run again over the transactions that were committed.

`chaincode/cmd/replay` holds the federation's rules and its state; it takes one JSON line a transaction and answers with
what the rules give: writes, event and response. `compare` holds the ledger against that.
"""

import base64
import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from audit import codes
from audit.fabric.envelope import Action, Transaction
from audit.fabric.msp import Identity
from audit.fabric.state import State
from network.errors import FedledgerError


class ReplayError(FedledgerError):
    """The replay process ended or answered with something that is not a result."""


@final
class ComparedState:
    """A chaincode's state of which every write was compared with what the rules give.

    The rules may start from nothing else: a state that was not compared may hold what nobody's rules wrote, and what
    follows from it would look right. `nothing` and `of` are the only ways to one.
    """

    def __init__(self, entries: Iterable[tuple[str, bytes]], made_by: object) -> None:
        if made_by is not ComparedState:
            raise TypeError("take ComparedState.nothing() or ComparedState.of()")
        self.entries = entries

    @classmethod
    def nothing(cls) -> Self:
        """Return the state before the first block."""
        return cls((), ComparedState)

    @classmethod
    def of(cls, state: State, chaincode: str) -> Self:
        """Return the state that an audit has reached; raises UncomparedError where it did not run the rules."""
        if not state.compared:
            raise UncomparedError("this state holds writes that were not compared with the rules")
        return cls(state.entries(chaincode), ComparedState)


class UncomparedError(ValueError):
    """A state holds writes that were not compared with what the rules give."""


class Replayer:
    """A running replay process; use as a context manager."""

    def __init__(self, binary: Path, state: ComparedState, blobs: Path | None = None) -> None:
        self._process = subprocess.Popen([str(binary)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
        self.blobs = blobs
        """The folder of blobs that are at hand, None where there is none."""
        entries = [[key, _text(value)] for key, value in state.entries]
        self._send({"state": entries, "blobs": str(blobs) if blobs else None})

    def correct(self, values: Iterable[tuple[str, bytes | None]]) -> None:
        """Let the rules go on from what the ledger holds at some keys, None for nothing.

        So each breach is found at its own place. Only keys whose difference stands as a failure may be given.
        """
        self._send({"correct": [[key, None if value is None else _text(value)] for key, value in values]})
        answer = self._receive()
        if answer.get("error"):
            raise ReplayError(codes.REPLAY_FAILED, f"the replay process does not take a correction: {answer['error']}")

    def transaction(
        self, transaction: Transaction, action: Action, creator: Identity, block: int, refusal: str = ""
    ) -> dict[str, Any]:
        """Run one committed transaction.

        Args:
            transaction: The transaction's headers.
            action: What it asks for.
            creator: Who signed it.
            block: The number of its block.
            refusal: Why endorsers refused the sum that it reports, as the ledger says; taken only where that cannot be
                made again.

        Returns:
            The rules' "writes", "event", "response", "error", "checked" and "unchecked".
        """
        facts = {
            "txid": transaction.txid,
            "timestamp_ms": transaction.timestamp_ms,
            "channel": transaction.channel,
            "chaincode": action.chaincode,
            "block": block,
            "index": transaction.index,
            "refusal": refusal,
        }
        return self.run(facts, (creator.msp_id, creator.pem), action.arguments)

    def run(self, facts: dict[str, Any], creator: tuple[str, bytes], arguments: Sequence[bytes]) -> dict[str, Any]:
        """Run a transaction with the given id, time and channel for a creator (MSP id, certificate)."""
        who = {"msp_id": creator[0], "cert_pem": creator[1].decode(errors="replace")}
        self._send({**facts, "creator": who, "args": [_text(a) for a in arguments]})
        return self._receive()

    def query(self, channel: str, function: str, argument: dict[str, Any], creator: Identity | None = None) -> Any:
        """Evaluate one of the contract's queries on the replayed state and return its JSON."""
        arguments = [function.encode(), json.dumps(argument, sort_keys=True, separators=(",", ":")).encode()]
        self._send(
            {
                "evaluate": True,
                "channel": channel,
                "args": [_text(a) for a in arguments],
                "creator": {"msp_id": creator.msp_id, "cert_pem": creator.pem.decode(errors="replace")}
                if creator
                else None,
            }
        )
        answer = self._receive()
        if answer.get("error"):
            raise ReplayError(codes.REPLAY_FAILED, f"query {function} failed: {answer['error']}")
        return json.loads(base64.b64decode(answer["result"]))

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message, separators=(",", ":")) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise ReplayError(
                codes.REPLAY_FAILED, "the replay process has ended", hint="see its messages above"
            ) from error

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ReplayError(codes.REPLAY_FAILED, "the replay process has ended", hint="see its messages above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
