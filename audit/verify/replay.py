"""The same Go rules, run again over the transactions that were committed.

`chaincode/cmd/replay` holds the federation's rules and its state; it takes one JSON line a transaction and answers
with the writes and the event that the rules give. What a chain committed must be exactly that.
"""

import base64
import json
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from audit import codes
from audit.fabric.envelope import Action, Transaction
from audit.fabric.msp import Identity
from audit.verify.verdict import Rule
from network.errors import FedledgerError


class ReplayError(FedledgerError):
    """The replay process ended or answered with something that is not a result."""


class Replayer:
    """A running replay process; use as a context manager."""

    def __init__(self, binary: Path, state: Iterable[tuple[str, bytes]] = (), blobs: Path | None = None) -> None:
        self._binary, self._blobs = binary, blobs
        self._process = self._start(state)

    def _start(self, state: Iterable[tuple[str, bytes]]) -> subprocess.Popen[str]:
        process = subprocess.Popen([str(self._binary)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
        first = {"state": [[k, _text(v)] for k, v in state], "blobs": str(self._blobs) if self._blobs else None}
        assert process.stdin is not None
        process.stdin.write(json.dumps(first, separators=(",", ":")) + "\n")
        return process

    def restart(self, state: Iterable[tuple[str, bytes]]) -> None:
        """Go on from another state, the one that the chain committed after the rules gave something else."""
        self.close()
        self._process = self._start(state)

    def transaction(self, transaction: Transaction, action: Action, creator: Identity, block: int) -> dict[str, Any]:
        """Run one committed transaction and return the rules' {"writes", "event", "error", "checked", "unchecked"}."""
        place = {"block": block, "index": transaction.index}
        return self.run(
            {
                "txid": transaction.txid,
                "timestamp_ms": transaction.timestamp_ms,
                "channel": transaction.channel,
                "chaincode": action.chaincode,
                **place,
            },
            (creator.msp_id, creator.pem),
            action.arguments,
        )

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


def differences(answer: dict[str, Any], action: Action, chaincode: str) -> Iterator[tuple[Rule, str]]:
    """Yield each rule that replay speaks to, with what is wrong or "" where it holds."""
    summed = proposes(action) and "aggregate" in (answer.get("checked") or [])
    if answer.get("error"):
        yield Rule.AGGREGATE if summed else Rule.REPLAY_REFUSED, f"the rules refuse it: {answer['error']}"
        return
    yield Rule.REPLAY_REFUSED, ""
    committed, given = dict(_writes(action, chaincode)), dict(answer["writes"])
    keys = sorted(k for k in committed.keys() | given.keys() if committed.get(k, "") != given.get(k, ""))
    shown = ", ".join(key.strip("\0").replace("\0", "/") for key in keys[:3])
    yield Rule.REPLAY_WRITES, f"the rules write something else at {shown}" if keys else ""
    event = [action.event.event_name, _text(action.event.payload)] if action.event else None
    yield Rule.REPLAY_EVENT, "" if answer.get("event") == event else "the rules give another event"
    if summed:
        yield Rule.AGGREGATE, ""


def proposes(action: Action) -> bool:
    """Whether an action publishes a sum; a report of a fault has a refused one checked again, which is nobody's sum."""
    return action.arguments[:1] == (b"ProposeAggregate",)


def foreign_writes(action: Action, chaincode: str) -> str:
    """Say which writes of an action cross the rules' namespace, "" where none do.

    The rules write their own public keys and nothing else, and nobody but they writes there. Endorsements alone do not
    tell: whoever can satisfy a policy can write into its namespace from a transaction of any other chaincode.
    """
    touched = action.touched
    if action.chaincode != chaincode:
        return f"{action.chaincode!r} writes into {chaincode}" if chaincode in touched.namespaces else ""
    others = sorted(touched.namespaces - {chaincode})
    if others:
        return f"{chaincode} writes into {others[0]!r}"
    special = touched.collections or touched.marked
    return f"{chaincode} writes private data or keys' policies" if special else ""


def _writes(action: Action, chaincode: str) -> Iterator[tuple[str, str | None]]:
    """The public writes that a transaction committed to a chaincode's namespace, as replay prints them."""
    for ns, rwset in action.rwsets:
        if ns == chaincode:
            for write in rwset.writes:
                yield write.key, None if write.is_delete or not write.value else _text(write.value)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
