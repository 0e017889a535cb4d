"""Signatures over a message: which bytes a peer takes for one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from identity_cases import NAME, ROOT, one
from people import DETERMINISTIC, P256, ed25519_key_of, key_of, low, other_s, pem, serialized

MESSAGE = b"what is signed"
P384 = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
P521 = 0x1FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409  # fmt: skip # noqa: E501
ORDERS = {"secp384r1": P384, "secp521r1": P521}

Make = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Form:
    """A way to sign: `make` returns the signature of any message."""

    name: str
    public_key: Any
    make: Make
    message: bytes = MESSAGE

    @property
    def identity(self) -> bytes:
        """The identity that is said to have signed."""
        return serialized(NAME, pem(ROOT.issue("signer", ["client"], public_key=self.public_key)))

    @property
    def case(self) -> dict[str, Any]:
        """The form as a case."""
        signature = self.make(self.message)
        values = {"identity": self.identity, "message": self.message, "signature": signature, "msp": one().config}
        return {"name": self.name, **{field: value.hex() for field, value in values.items()}}


def signature_cases() -> list[dict[str, Any]]:
    """Return all cases."""
    return [form.case for form in forms()]


def forms() -> list[Form]:
    """Return the ways to sign that the cases show."""
    return [*_p256(), *_other_curves(), *_edwards()]


def _written(genuine: bytes) -> dict[str, bytes]:
    """Return what others make of a genuine signature, by name."""
    r, s = utils.decode_dss_signature(genuine)
    return {
        "low s": genuine,
        "high s": other_s(genuine),
        "bytes behind it": genuine + b"\0\0",
        "bytes inside behind the numbers": _sequence(_integer(r) + _integer(s) + b"\0\0"),
        "a third number": _sequence(_integer(r) + _integer(s) + _integer(1)),
        "one number": _sequence(_integer(r)),
        "a number with a leading zero": _sequence(_integer(r, b"\0") + _integer(s)),
        "a negative number": _sequence(_integer(r) + b"\x02\x01\xff"),
        "r of zero": _sequence(_integer(0) + _integer(s)),
        "s of zero": _sequence(_integer(r) + _integer(0)),
        "r one order higher": _sequence(_integer(r + P256) + _integer(s)),
        "a length in the long form": b"\x30\x81" + genuine[1:],
        "a length of two bytes": b"\x30\x82\x00" + genuine[1:],
        "no definite length": b"\x30\x80" + genuine[2:] + b"\0\0",
        "a set": b"\x31" + genuine[1:],
        "cut short": genuine[:-1],
        "nothing": b"",
        "r and s side by side": r.to_bytes(32, "big") + s.to_bytes(32, "big"),
    }


def _p256() -> Iterator[Form]:
    key = key_of("signer")

    def genuine(message: bytes) -> bytes:
        return low(key.sign(message, DETERMINISTIC))

    def written(name: str) -> Make:
        return lambda message: _written(genuine(message))[name]

    for name in _written(genuine(MESSAGE)):
        yield Form(f"P-256: {name}", key.public_key(), written(name))
    longer = ec.ECDSA(hashes.SHA384(), deterministic_signing=True)
    others: dict[str, Make] = {
        "over the hash of another function": lambda message: low(key.sign(message, longer)),
        "of another key": lambda message: low(key_of("somebody").sign(message, DETERMINISTIC)),
    }
    for name, make in others.items():
        yield Form(f"P-256: {name}", key.public_key(), make)
    yield Form("P-256: over another message", key.public_key(), lambda _: genuine(MESSAGE), b"something else")


def _other_curves() -> Iterator[Form]:
    longer = ec.ECDSA(hashes.SHA384(), deterministic_signing=True)
    for curve in (ec.SECP384R1(), ec.SECP521R1()):
        key = key_of("signer", curve)
        yield Form(f"{curve.name}: low s", key.public_key(), halved(key, DETERMINISTIC, min))
        yield Form(f"{curve.name}: high s", key.public_key(), halved(key, DETERMINISTIC, max))
        yield Form(f"{curve.name}: over the SHA-384", key.public_key(), halved(key, longer, min))


def halved(key: ec.EllipticCurvePrivateKey, algorithm: ec.ECDSA, choose: Callable[[int, int], int]) -> Make:
    """Return what signs with a key of another curve, and takes one of the two valid numbers s."""
    order = ORDERS[key.curve.name]

    def make(message: bytes) -> bytes:
        r, s = utils.decode_dss_signature(key.sign(message, algorithm))
        return utils.encode_dss_signature(r, choose(s, order - s))

    return make


def _edwards() -> Iterator[Form]:
    key = ed25519_key_of("signer")
    others: dict[str, Make] = {
        "genuine": key.sign,
        "bytes behind it": lambda message: key.sign(message) + b"\0",
        "wrong": lambda message: bytes([key.sign(message)[0] ^ 1]) + key.sign(message)[1:],
        "empty": lambda _: b"",
    }
    for name, make in others.items():
        yield Form(f"Ed25519: {name}", key.public_key(), make)


def _integer(number: int, before: bytes = b"") -> bytes:
    content = before + number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes([len(content)]) + content


def _sequence(content: bytes) -> bytes:
    return b"\x30" + bytes([len(content)]) + content
