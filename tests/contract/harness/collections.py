"""The collections of private data that the suite's contract has."""

from typing import Any

A, B, C = "HospitalAMSP", "HospitalBMSP", "HospitalCMSP"
BOTH = f"OR('{A}.member', '{B}.member')"
ALL = "OR(" + ", ".join(f"'Hospital{letter}MSP.member'" for letter in "ABCD") + ")"

PAIR = "pair"
"""Of two members, closed to the clients of others; another peer has a value before it is endorsed."""
OPEN = "open"
"""Of two members, open to the clients of others."""
BRIEF = "brief"
"""Of two members; its values live for two blocks."""
SINGLE = "single"
"""Of two members, of which one alone endorses."""
EVERY = "every"
"""Of all members."""

OF_A, OF_C = "of-a", "of-c"
"""Of one member each, which alone endorses and reads; others' clients write."""
SHARED = "shared"
"""Of two members, of which either endorses; closed to the clients of others."""


def _of(name: str, *members: str, closed: bool) -> dict[str, Any]:
    def any_of(role: str) -> str:
        return "OR(" + ", ".join(f"'{member}.{role}'" for member in members) + ")"

    return {
        "name": name,
        "policy": any_of("member"),
        "maxPeerCount": len(members) - 1,
        "memberOnlyRead": True,
        "memberOnlyWrite": closed,
        "endorsementPolicy": {"signaturePolicy": any_of("peer")},
    }


COLLECTIONS: list[dict[str, Any]] = [
    {
        "name": PAIR,
        "policy": BOTH,
        "requiredPeerCount": 1,
        "maxPeerCount": 1,
        "memberOnlyRead": True,
        "memberOnlyWrite": True,
    },
    {"name": OPEN, "policy": BOTH},
    {"name": BRIEF, "policy": BOTH, "blockToLive": 2},
    {"name": SINGLE, "policy": BOTH, "endorsementPolicy": {"signaturePolicy": f"OR('{A}.peer')"}},
    {"name": EVERY, "policy": ALL, "maxPeerCount": 3},
    _of(OF_A, A, closed=False),
    _of(OF_C, C, closed=False),
    _of(SHARED, A, C, closed=True),
]


def implicit(msp_id: str) -> str:
    """The collection that every organisation has of itself."""
    return f"_implicit_org_{msp_id}"
