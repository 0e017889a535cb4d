"""Certificates that an organisation's membership service accepts or refuses, and the roles that they carry."""

import base64
from collections.abc import Iterator
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from people import (
    START,
    YEAR,
    Authority,
    Listed,
    Msp,
    ed25519_key_of,
    key_of,
    number_of,
    other_s,
    pem,
    serialized,
    with_signature_of,
)

NAME = "OneMSP"
ROOT, OTHER = Authority("root"), Authority("other root")
MIDDLE = Authority("middle", ROOT)
LOWER = Authority("lower", MIDDLE)
USER = ROOT.issue("user", ["client"])
SERIAL = number_of("user")


def one(**changes: Any) -> Msp:
    """Return the organisation of most cases, with changes."""
    return Msp(**{"name": NAME, "roots": [ROOT.pem], **changes})


def case(name: str, msp: Msp, certificate: x509.Certificate | bytes) -> dict[str, Any]:
    """Return one case."""
    raw = certificate if isinstance(certificate, bytes) else pem(certificate)
    return {"name": name, "msp": msp.config.hex(), "identity": serialized(msp.name, raw).hex()}


def identity_cases() -> list[dict[str, Any]]:
    """Return all cases."""
    return [*_lists(), *_lists_of_intermediates(), *_chains(), *_constraints(), *_roles(), *_kinds(), *_pem()]


def _lists() -> Iterator[dict[str, Any]]:
    matching, without = ROOT.list([SERIAL]), ROOT.list([1], identifier=None)
    lists = {
        "no list": [],
        "a list with the authority's key identifier": [matching],
        "a list of another serial number": [ROOT.list([1])],
        "an empty list": [ROOT.list([])],
        "a list with another key identifier": [ROOT.list([SERIAL], identifier=b"x" * 20)],
        "a list without key identifier": [ROOT.list([SERIAL], identifier=None)],
        "a list without key identifier that names somebody else": [without],
        "a list without key identifier before the matching one": [without, matching],
        "a list without key identifier after the matching one": [matching, without],
        "a list that another key signed": [ROOT.list([SERIAL], signed_by="somebody")],
        "a list that names another issuer": [ROOT.list([SERIAL], issuer="somebody")],
        "a list whose key identifier also names issuer and serial number": [ROOT.list([SERIAL], names_issuer=True)],
        "a list that names issuer and serial number, of somebody else": [ROOT.list([1], names_issuer=True)],
        "a list that has ended": [ROOT.list([SERIAL], start=START - 2 * YEAR, lasts=YEAR)],
        "a list that begins later": [ROOT.list([SERIAL], start=START + 30 * YEAR)],
        "the second of two lists": [ROOT.list([1]), matching],
        "a forged list before the genuine one": [ROOT.list([SERIAL], signed_by="somebody"), matching],
        "a list in DER": [Listed(ROOT, [SERIAL]).content.public_bytes(serialization.Encoding.DER)],
    }
    for name, content in lists.items():
        yield case(f"revocation: {name}", one(lists=content), USER)


def _lists_of_intermediates() -> Iterator[dict[str, Any]]:
    below = MIDDLE.issue("below", ["client"])
    serial = number_of("below")
    for name, content in {
        "the intermediate's own list": MIDDLE.list([serial]),
        "the root's list of the same serial number": ROOT.list([serial]),
        "the root's list of the intermediate": ROOT.list([number_of("middle")]),
        "the root's list without key identifier": ROOT.list([], identifier=None),
    }.items():
        msp = one(intermediates=[MIDDLE.pem], lists=[content])
        yield case(f"revocation below an intermediate: {name}", msp, below)


def _chains() -> Iterator[dict[str, Any]]:
    three = one(intermediates=[MIDDLE.pem, LOWER.pem])
    yield case("chain: from an intermediate", one(intermediates=[MIDDLE.pem]), MIDDLE.issue("u", ["client"]))
    yield case("chain: from the lower of two intermediates", three, LOWER.issue("u", ["client"]))
    yield case("chain: from the upper of two intermediates", three, MIDDLE.issue("u", ["client"]))
    yield case("chain: from the root of two intermediates", three, ROOT.issue("u", ["client"]))
    yield case("chain: from a root that has an intermediate", one(intermediates=[MIDDLE.pem]), USER)
    yield case("chain: from one root beside another's intermediate", _two_roots(), OTHER.issue("u", ["client"]))
    yield case("chain: the intermediate is missing", one(), MIDDLE.issue("u", ["client"]))
    yield case("chain: the upper intermediate is missing", one(intermediates=[LOWER.pem]), LOWER.issue("u", ["client"]))
    yield case("chain: the intermediate is of another root", _foreign(), MIDDLE.issue("u", ["client"]))
    yield case("chain: from an unknown authority", one(), OTHER.issue("u", ["client"]))
    forged = with_signature_of(ROOT.issue("u", ["client"]), Authority("impostor").issue("u", ["client"]).signature)
    yield case("chain: from an authority of the same name", one(), forged)
    yield case("chain: the root itself", one(), ROOT.certificate)
    yield case("chain: the intermediate itself", one(intermediates=[MIDDLE.pem]), MIDDLE.certificate)
    crossed = Authority("middle", OTHER)
    two = one(roots=[ROOT.pem, OTHER.pem], intermediates=[MIDDLE.pem, crossed.pem])
    yield case("chain: an intermediate that two roots signed", two, MIDDLE.issue("u", ["client"]))
    yield case("chain: the same root twice", one(roots=[ROOT.pem, ROOT.pem]), USER)
    yield case("chain: the same intermediate twice", one(intermediates=[MIDDLE.pem] * 2), MIDDLE.issue("u", ["client"]))


def _two_roots() -> Msp:
    return one(roots=[ROOT.pem, OTHER.pem], intermediates=[MIDDLE.pem])


def _foreign() -> Msp:
    return one(roots=[OTHER.pem], intermediates=[MIDDLE.pem])


def _constraints() -> Iterator[dict[str, Any]]:
    barred = Authority("root", cert_sign=False)
    yield case("authority: it may not sign certificates", one(roots=[barred.pem]), barred.issue("u", ["client"]))
    unnamed = Authority("root", identifier=False)
    yield case("authority: without key identifier", one(roots=[unnamed.pem]), USER)
    short = Authority("root", path_length=0)
    yield case(
        "authority: a path length of 0 with an intermediate",
        one(roots=[short.pem], intermediates=[MIDDLE.pem]),
        MIDDLE.issue("u", ["client"]),
    )
    yield case("authority: a path length of 0 without", one(roots=[short.pem]), USER)
    later = Authority("root", start=START + YEAR)
    yield case("authority: begins after the certificate", one(roots=[later.pem]), USER)
    ended = Authority("root", start=START - 30 * YEAR)
    yield case("authority: ended before the certificate began", one(roots=[ended.pem]), USER)
    yield case("authority: none", one(roots=[]), USER)
    yield case("authority: a root that is none", one(roots=[pem(USER)]), USER)
    yield case("certificate: ended", one(), ROOT.issue("u", ["client"], lasts=YEAR / 2))
    yield case("certificate: begins later", one(), ROOT.issue("u", ["client"], start=START + 5 * YEAR))
    raw = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    for name, extension, critical in (
        ("an unknown extension", raw, False),
        ("an unknown critical extension", raw, True),
        ("usable by servers", x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        ("usable by clients", x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        ("usable for anything", x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False),
        (
            "usable by clients and servers",
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]),
            True,
        ),
    ):
        yield case(f"certificate: {name}", one(), ROOT.issue("u", ["client"], extensions=[(extension, critical)]))


def _roles() -> Iterator[dict[str, Any]]:
    for units in (
        ["client"],
        ["peer"],
        ["admin"],
        ["orderer"],
        [],
        ["research"],
        ["research", "peer"],
        ["client", "peer"],
        ["client", "client"],
        ["peer", "research", "admin"],
        ["Client"],
        [" client"],
        ["member"],
    ):
        yield case(f"roles: {units}", one(), ROOT.issue("u", units))
    yield from _other_roles()
    yield from _named_admins()
    yield from _needed_units()


def _other_roles() -> Iterator[dict[str, Any]]:
    for units in (["admin"], ["client"], []):
        yield case(f"roles off: {units}", one(roles=None, admins=[pem(USER)]), ROOT.issue("u", units))
        yield case(f"no unit defined: {units}", one(roles={}, admins=[pem(USER)]), ROOT.issue("u", units))
    few = {"client": ("client", b""), "peer": ("peer", b"")}
    for units in (["admin"], ["client"], ["admin", "client"]):
        yield case(f"only clients and peers: {units}", one(roles=few, admins=[pem(USER)]), ROOT.issue("u", units))
    same = {**{role: (role, b"") for role in ("admin", "orderer")}, "client": ("both", b""), "peer": ("both", b"")}
    yield case("one unit for two roles", one(roles=same), ROOT.issue("u", ["both"]))
    two = [ROOT.pem, OTHER.pem]
    given = {role: (role, ROOT.pem) for role in ("client", "peer", "admin", "orderer")}
    yield case("a unit from the authority that gives it", one(roots=two, roles=given), ROOT.issue("u", ["client"]))
    yield case("a unit from another authority", one(roots=two, roles=given), OTHER.issue("u", ["client"]))
    foreign = {**given, "peer": ("peer", OTHER.pem)}
    yield case("a unit of an authority that is not there", one(roles=foreign), ROOT.issue("u", ["client"]))
    middle = {role: (role, MIDDLE.pem) for role in given}
    msp = one(roles=middle, intermediates=[MIDDLE.pem])
    yield case("a unit from the intermediate that gives it", msp, MIDDLE.issue("u", ["client"]))
    above = {role: (role, ROOT.pem) for role in given}
    msp = one(roles=above, intermediates=[MIDDLE.pem])
    yield case("a unit from an intermediate of the root that gives it", msp, MIDDLE.issue("u", ["client"]))


def _named_admins() -> Iterator[dict[str, Any]]:
    for units in (["client"], ["admin"], ["peer"], []):
        named = ROOT.issue("u", units)
        yield case(f"named as admin: {units}", one(admins=[pem(named)]), named)
        yield case(f"named as admin, roles off: {units}", one(roles=None, admins=[pem(named)]), named)
    yield case("no admin named, roles off", one(roles=None), USER)
    yield case("named as admin and revoked", one(admins=[pem(USER)], lists=[ROOT.list([SERIAL])]), USER)
    foreign = OTHER.issue("u", ["client"])
    yield case("named as admin, of another authority", one(admins=[pem(foreign)]), foreign)
    again = ROOT.issue("user", ["client"], lasts=9 * YEAR)
    yield case("named as admin, with another certificate of the same key", one(admins=[pem(USER)]), again)


def _needed_units() -> Iterator[dict[str, Any]]:
    needed = one(needed=[("ward", ROOT.pem)])
    for units in (["client", "ward"], ["client"], ["ward"]):
        yield case(f"a unit that everybody needs: {units}", needed, ROOT.issue("u", units))
    two = one(roots=[ROOT.pem, OTHER.pem], needed=[("ward", ROOT.pem)])
    yield case("a needed unit from another authority", two, OTHER.issue("u", ["client", "ward"]))
    either = one(roots=[ROOT.pem, OTHER.pem], needed=[("ward", ROOT.pem), ("ward", OTHER.pem)])
    yield case("a needed unit from either authority", either, OTHER.issue("u", ["client", "ward"]))
    yield case("a needed unit without authority", one(needed=[("ward", b"")]), ROOT.issue("u", ["client", "ward"]))


def _kinds() -> Iterator[dict[str, Any]]:
    for curve in (ec.SECP224R1(), ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1()):
        public = key_of("u", curve).public_key()
        yield case(f"key: {curve.name}", one(), ROOT.issue("u", ["client"], public_key=public))
    edwards = ed25519_key_of("u").public_key()
    yield case("key: ed25519", one(), ROOT.issue("u", ["client"], public_key=edwards))
    modulus = (1 << 2047) + 12345 * 2 + 1
    public = rsa.RSAPublicNumbers(65537, modulus).public_key()
    yield case("key: rsa", one(), ROOT.issue("u", ["client"], public_key=public))
    yield case("certificate: with a high s", one(), with_signature_of(USER, other_s(USER.signature)))
    high = pem(with_signature_of(ROOT.certificate, other_s(ROOT.certificate.signature)))
    yield case("authority: with a high s", one(roots=[high]), USER)
    broken = bytearray(USER.signature)
    broken[-1] ^= 1
    yield case("certificate: with a wrong signature", one(), with_signature_of(USER, bytes(broken)))


def _pem() -> Iterator[dict[str, Any]]:
    text, admin = pem(USER), pem(ROOT.issue("boss", ["admin"]))
    lines = text.split(b"\n")
    der = USER.public_bytes(serialization.Encoding.DER)
    spaced = b"\n".join([lines[0], *(b" " + line for line in lines[1:-2]), *lines[-2:]])
    for name, raw in {
        "text before it": b"a certificate\n" + text,
        "text right before it": b"a certificate" + text,
        "text after it": text + b"more",
        "another one after it": text + admin,
        "another one before it": admin + text,
        "another label": text.replace(b"CERTIFICATE", b"THING"),
        "labels that differ": text.replace(b"END CERTIFICATE", b"END THING"),
        "lines that end as on Windows": text.replace(b"\n", b"\r\n"),
        "one long line": b"\n".join([lines[0], b"".join(lines[1:-2]), *lines[-2:]]),
        "blanks in it": spaced,
        "a header": text.replace(b"-----\n", b"-----\nOwner: user\n\n", 1),
        "no line at its end": text.rstrip(b"\n"),
        "no end": b"\n".join(lines[:-2]),
        "no PEM": der,
        "nothing": b"",
        "bytes behind the certificate": _encoded(der + b"\0"),
        "base64 that is none": text.replace(lines[1], b"*" + lines[1][1:]),
        "a broken block before it": text.replace(lines[1], b"*" + lines[1][1:]) + text,
    }.items():
        yield case(f"pem: {name}", one(), raw)


def _encoded(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
