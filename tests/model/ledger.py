"""The real rules of the chaincode behind a pipe: `chaincode/cmd/replay`, and a copy of the state that it keeps."""

import base64
import datetime as dt
import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fabric_protos.msp import identities_pb2

from gateway._messages import Invocation, propose
from gateway.signatures import sign

CHANNEL, CHAINCODE = "fedchannel", "fedledger"
STATE_BROKEN = ("FL0901", "FL0902", "FL0903")
"""Codes of a fault of the program itself: no caller may ever see one."""


@dataclass(frozen=True)
class Caller:
    """A certificate, its key and the organisation that it belongs to."""

    msp_id: str
    pem: str
    key_hash: str
    key: ec.EllipticCurvePrivateKey = field(repr=False, compare=False)

    def word(self, function: str, argument: dict[str, Any]) -> dict[str, str]:
        """Sign a proposal as a gateway makes it, for somebody else to bring."""
        creator = identities_pb2.SerializedIdentity(mspid=self.msp_id, id_bytes=self.pem.encode())
        asked = Invocation(CHANNEL, CHAINCODE, (function.encode(), _canonical(argument)))
        _, proposal = propose(asked, creator.SerializeToString())
        return {"proposal": _text(proposal), "signature": _text(sign(self.key, proposal))}


@lru_cache(maxsize=64)
def caller(msp_id: str, role: str) -> Caller:
    """Make a certificate once a process; the rules look at its organisational unit and at its key's hash."""
    key = ec.derive_private_key(
        int.from_bytes(hashlib.sha256(f"{msp_id}/{role}".encode()).digest()[:31]), ec.SECP256R1()
    )
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, msp_id), x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role)]
    )
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + dt.timedelta(days=9999))
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    return Caller(msp_id, pem, hashlib.sha256(spki).hexdigest(), key)


@dataclass
class Answer:
    """What the rules said to one transaction: `code` is empty where it was accepted."""

    code: str
    text: str
    txid: str
    event: dict[str, Any] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)


class Ledger:
    """One federation's history: each transaction runs on the state that those before it left.

    `state` is the test's own copy, built from nothing but the writes of accepted transactions.
    """

    def __init__(self, binary: Path, blobs: Path, state: dict[str, Any] | None = None) -> None:
        self.binary, self.blobs = binary, blobs
        self.state: dict[str, Any] = dict(state or {})
        self.count = 0 if not state else 1_000_000  # no id of the founding comes again
        self.process = subprocess.Popen([str(binary)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        first = [[key, _text(_canonical(value))] for key, value in self.state.items()]
        self._send({"state": first, "blobs": str(blobs)})

    def submit(self, who: Caller, function: str, argument: dict[str, Any], at_ms: int) -> Answer:
        """Run a transaction; where it is accepted its writes are the new state."""
        self.count += 1
        txid = f"{self.count:064x}"
        args = [_text(function.encode()), _text(_canonical(argument))]
        creator = {"msp_id": who.msp_id, "cert_pem": who.pem}
        self._send(
            {
                "txid": txid,
                "timestamp_ms": at_ms,
                "channel": CHANNEL,
                "chaincode": CHAINCODE,
                "creator": creator,
                "args": args,
                "block": self.count,
                "index": 0,
            }
        )
        answer = self._receive()
        assert not answer["unchecked"], f"a blob is missing for {function}"
        if answer["error"]:
            assert not answer["writes"], f"a refused {function} writes"
            assert not answer["error"].startswith(STATE_BROKEN), answer["error"]
            assert answer["error"][:2] == "FL", f"an error without a code: {answer['error']}"
            return Answer(answer["error"][:6], answer["error"], txid)
        for key, value in answer["writes"]:
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = json.loads(base64.b64decode(value))
        event = json.loads(base64.b64decode(answer["event"][1])) if answer["event"] else {}
        result = json.loads(base64.b64decode(answer["response"]) or "{}")
        return Answer("", "", txid, event, [key for key, _ in answer["writes"]], result)

    def query(self, function: str, argument: dict[str, Any]) -> Any:
        """Evaluate a query of the contract."""
        result, error = self.ask(function, argument)
        assert not error, error
        return result

    def ask(self, function: str, argument: dict[str, Any]) -> tuple[Any, str]:
        """Evaluate a function of the contract; return its answer, or with it the text of the refusal."""
        args = [_text(function.encode()), _text(_canonical(argument))]
        self._send({"evaluate": True, "channel": CHANNEL, "args": args})
        answer = self._receive()
        return json.loads(base64.b64decode(answer["result"]) or "{}"), answer["error"] or ""

    def get(self, kind: str, *parts: object) -> Any:
        """Return a record of the copied state, None where there is none."""
        return self.state.get(_key(kind, *parts))

    def under(self, kind: str, *parts: object) -> Iterator[tuple[list[str], Any]]:
        """Yield the records below a prefix with the parts of their keys, sorted."""
        prefix = _key(kind, *parts)
        for key in sorted(self.state):
            if key.startswith(prefix):
                yield key.strip("\0").split("\0")[1:], self.state[key]

    def put(self, blob: bytes) -> str:
        """Store a blob where every endorser finds it; return its digest."""
        digest = hashlib.sha256(blob).hexdigest()
        folder = self.blobs / digest[:2]
        folder.mkdir(exist_ok=True)
        (folder / digest).write_bytes(blob)
        return digest

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=60)

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message, separators=(",", ":")) + "\n")
        self.process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the rules' process has ended: it panicked"
        return dict(json.loads(line))


def _key(kind: str, *parts: object) -> str:
    text = [f"{part:010d}" if isinstance(part, int) else str(part) for part in parts]
    return "\0" + "\0".join([kind, *text]) + "\0"


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
