"""Signatures over a message: which bytes a peer takes for one."""

from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from identity_cases import NAME, ROOT, one
from people import DETERMINISTIC, P256, ed25519_key_of, key_of, low, other_s, pem, serialized

MESSAGE = b"what is signed"
P384 = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
P521 = 0x1FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409  # fmt: skip # noqa: E501


def signature_cases() -> list[dict[str, Any]]:
    """Return all cases."""
    return [*_p256(), *_other_curves(), *_edwards()]


def _case(name: str, public_key: Any, signature: bytes, message: bytes = MESSAGE) -> dict[str, Any]:
    identity = serialized(NAME, pem(ROOT.issue("signer", ["client"], public_key=public_key)))
    values = {"identity": identity, "message": message, "signature": signature, "msp": one().config}
    return {"name": name, **{field: value.hex() for field, value in values.items()}}


def _p256() -> Iterator[dict[str, Any]]:
    key = key_of("signer")
    genuine = low(key.sign(MESSAGE, DETERMINISTIC))
    r, s = utils.decode_dss_signature(genuine)
    for name, signature in {
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
        "over the hash of another function": low(
            key.sign(MESSAGE, ec.ECDSA(hashes.SHA384(), deterministic_signing=True))
        ),
        "of another key": low(key_of("somebody").sign(MESSAGE, DETERMINISTIC)),
    }.items():
        yield _case(f"P-256: {name}", key.public_key(), signature)
    yield _case("P-256: over another message", key.public_key(), genuine, b"something else")


def _other_curves() -> Iterator[dict[str, Any]]:
    for curve, order in ((ec.SECP384R1(), P384), (ec.SECP521R1(), P521)):
        key = key_of("signer", curve)
        r, s = utils.decode_dss_signature(key.sign(MESSAGE, DETERMINISTIC))
        small, large = sorted((s, order - s))
        yield _case(f"{curve.name}: low s", key.public_key(), utils.encode_dss_signature(r, small))
        yield _case(f"{curve.name}: high s", key.public_key(), utils.encode_dss_signature(r, large))
        longer = key.sign(MESSAGE, ec.ECDSA(hashes.SHA384(), deterministic_signing=True))
        r, s = utils.decode_dss_signature(longer)
        name = f"{curve.name}: over the SHA-384"
        yield _case(name, key.public_key(), utils.encode_dss_signature(r, min(s, order - s)))


def _edwards() -> Iterator[dict[str, Any]]:
    key = ed25519_key_of("signer")
    genuine = key.sign(MESSAGE)
    yield _case("Ed25519: genuine", key.public_key(), genuine)
    yield _case("Ed25519: bytes behind it", key.public_key(), genuine + b"\0")
    yield _case("Ed25519: wrong", key.public_key(), bytes([genuine[0] ^ 1]) + genuine[1:])
    yield _case("Ed25519: empty", key.public_key(), b"")


def _integer(number: int, before: bytes = b"") -> bytes:
    content = before + number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes([len(content)]) + content


def _sequence(content: bytes) -> bytes:
    return b"\x30" + bytes([len(content)]) + content
