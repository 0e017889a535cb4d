"""A registry over JSON-RPC. The node behind the URL, or a signer such as Clef, signs: no key of it comes here."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fl_node import codes
from fl_node.errors import NodeError
from fl_node.evm.messages import WORD, Anchored, Pair, Place, words

ARTEFACT: Final = Path(__file__).with_name("PassportRegistry.json")
"""What the Vyper compiler made of PassportRegistry.vy: code, selectors, and the digest of the source."""
ANSWER_S: Final = 30.0
MINED_S: Final = 600.0
PAUSE_S: Final = 0.1
Argument = int | bytes | Sequence[int] | Sequence[Pair]
STATUS: Final = ("unknown", "anchored", "withdrawn")


@dataclass(frozen=True)
class Rpc:
    """A node of an EVM chain."""

    url: str

    def call(self, method: str, *parameters: Any) -> Any:
        """Ask the node.

        Raises:
            NodeError: FL4521, it does not answer; FL4522, it refuses.
        """
        if not self.url.startswith(("http://", "https://")):
            raise NodeError(codes.EVM_UNREACHABLE, "a node is named by an http or https URL", where=self.url)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})  # noqa: S310 checked
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310 checked
                found = json.load(answer)
        except (OSError, ValueError, urllib.error.URLError) as error:
            raise NodeError(codes.EVM_UNREACHABLE, f"the node does not answer: {error}", where=self.url) from None
        if "error" in found:
            raise NodeError(codes.EVM_REFUSED, str(found["error"].get("message", "")), where=method)
        return found["result"]

    def send(self, sender: str, data: bytes, to: str | None = None) -> dict[str, Any]:
        """Send a transaction and wait until it is in a block; return its receipt.

        Raises:
            NodeError: FL4522, the contract refuses; FL4521, no block holds it in time.
        """
        transaction = {"from": sender, "data": "0x" + data.hex()} | ({"to": to} if to else {})
        self.call("eth_call", transaction, "latest")  # says why, where it would be refused
        name = self.call("eth_sendTransaction", transaction)
        until = time.monotonic() + MINED_S
        while (receipt := self.call("eth_getTransactionReceipt", name)) is None:
            if time.monotonic() > until:
                raise NodeError(codes.EVM_UNREACHABLE, f"no block holds it after {MINED_S:.0f} s", where=name)
            time.sleep(PAUSE_S)
        if int(receipt["status"], 16) != 1:
            raise NodeError(codes.EVM_REFUSED, "the transaction was undone", where=name)
        return dict(receipt)


@dataclass(frozen=True)
class Registry:
    """One consortium's registry on a chain; `address` is 20 bytes in hex with 0x."""

    rpc: Rpc
    address: str

    @classmethod
    def deploy(cls, rpc: Rpc, sender: str, keys: Sequence[Pair]) -> "Registry":
        """Put a registry with these keys, in any order, on a chain; raises NodeError as `Rpc.send`."""
        code = bytes.fromhex(_artefact()["bytecode"]) + encode(sorted(keys))
        return cls(rpc, rpc.send(sender, code)["contractAddress"])

    @property
    def place(self) -> Place:
        """Where signatures for this registry count now."""
        chain, address = int(self.rpc.call("eth_chainId"), 16), bytes.fromhex(self.address.removeprefix("0x"))
        return Place(chain, address, self._number("epoch()"))

    @property
    def keys(self) -> list[Pair]:
        """The organisations' keys, in their places."""
        count = self._number("count()")
        x_y = "keys(uint256,uint256)"
        return [(self._number(x_y, at, 0), self._number(x_y, at, 1)) for at in range(count)]

    def status(self, anchored: Anchored) -> str:
        """Return one of STATUS."""
        return STATUS[self._number("status(bytes32,bytes32,bytes32,uint256)", *anchored.words)]

    def anchor(self, sender: str, anchored: Anchored, signatures: dict[int, Pair]) -> dict[str, Any]:
        """Anchor a passport with signatures by their keys' places; return the receipt."""
        function = "anchor(bytes32,bytes32,bytes32,uint256,uint256[],bytes32[2][])"
        return self._send(sender, function, *anchored.words, *_listed(signatures))

    def withdraw(self, sender: str, passport: bytes, signatures: dict[int, Pair]) -> dict[str, Any]:
        """Withdraw an anchored passport; return the receipt."""
        return self._send(sender, "withdraw(bytes32,uint256[],bytes32[2][])", passport, *_listed(signatures))

    def rotate(self, sender: str, keys: Sequence[Pair], signatures: dict[int, Pair]) -> dict[str, Any]:
        """Replace the keys, in ascending order, by signatures of the old ones; return the receipt."""
        return self._send(sender, "rotate(bytes32[2][],uint256[],bytes32[2][])", list(keys), *_listed(signatures))

    def _send(self, sender: str, function: str, *arguments: Argument) -> dict[str, Any]:
        return self.rpc.send(sender, selector(function) + encode(*arguments), self.address)

    def _number(self, function: str, *arguments: Argument) -> int:
        data = "0x" + (selector(function) + encode(*arguments)).hex()
        answer = self.rpc.call("eth_call", {"to": self.address, "data": data}, "latest")
        if len(answer) != 2 + 2 * WORD:
            raise NodeError(codes.EVM_REFUSED, "there is no registry at this address", where=self.address)
        return int(answer, 16)


def _listed(signatures: dict[int, Pair]) -> tuple[list[int], list[Pair]]:
    places = sorted(signatures)
    return places, [signatures[at] for at in places]


def selector(function: str) -> bytes:
    """Return the four bytes by which the registry knows a function."""
    return bytes.fromhex(_artefact()["selectors"][function])


def encode(*arguments: Argument) -> bytes:
    """Return arguments as the contract ABI lays them: words, and lists behind them at the offsets that words give."""
    head, tail = b"", b""
    for argument in arguments:
        if isinstance(argument, int | bytes):
            head += words(argument)
            continue
        head += words(WORD * len(arguments) + len(tail))
        flat = [value for item in argument for value in (item if isinstance(item, tuple) else (item,))]
        tail += words(len(argument), *flat)
    return head + tail


def _artefact() -> dict[str, Any]:
    return dict(json.loads(ARTEFACT.read_bytes()))
