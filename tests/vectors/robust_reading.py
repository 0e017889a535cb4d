"""What the robust rules are said to make of groups' sums, in Python's own integers, one slot after the other.

A second reading of docs/decisions/0028-plain.md, which shares no line with fl_node/secagg/modes: where that takes the
distances between points, this goes through the vectors themselves.
"""

import hashlib
from collections.abc import Sequence
from math import isqrt
from typing import Any

ONE = 1 << 32
Vector = list[int]


def reading(
    sums: Sequence[Vector], sizes: Sequence[int], maximum: int, settings: dict[str, Any], draw: bytes
) -> tuple[Vector, list[int]]:
    """The slots of the aggregate, and the places of the groups that are left out."""
    order = list(range(len(sums)))
    if settings["bucket"] > 1:
        order.sort(key=lambda place: _hash(draw, place.to_bytes(8, "big")))
    buckets = [order[start : start + settings["bucket"]] for start in range(0, len(order), settings["bucket"])]
    means = []
    for bucket in buckets:
        size = sum(sizes[place] for place in bucket)
        totals = [sum(sums[place][slot] for place in bucket) for slot in range(len(sums[0]))]
        means.append([(2**16 * total + size // 2) // size for total in totals])
    kept, robust = _made(means, max(0, maximum.bit_length() - 16), settings)
    slots = [(slot * sum(sizes) + 2**15) // 2**16 for slot in robust]
    return slots, sorted(place for number, bucket in enumerate(buckets) if number not in kept for place in bucket)


def _hash(*parts: bytes) -> bytes:
    label = b"fedledger/v1/buckets"
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in (label, *parts))).digest()


def _made(means: list[Vector], low: int, settings: dict[str, Any]) -> tuple[list[int], Vector]:
    kind, faulty = settings["rule"], settings["faulty"]
    points = [[mean >> low for mean in vector] for vector in means]
    centre = [_median(slot) for slot in zip(*points, strict=True)]
    away = [_square(point, centre) for point in points]
    half = sorted(away)[(len(away) - 1) // 2]
    kept = [number for number, square in enumerate(away) if square <= 9 * half or not settings["bound"]]
    if kind == "centred_clipping":
        return kept, _clipped(means, [centre, *points], isqrt(half * ONE))
    if kind == "multi_krum":
        count = len(points) - faulty
        scores = [sum(sorted(_square(one, other) for other in points)[:count]) for one in points]
        kept = sorted(sorted(range(len(points)), key=scores.__getitem__)[:count])
    ends = {"multi_krum": 0, "trimmed_mean": min(faulty, (len(kept) - 1) // 2), "median": (len(kept) - 1) // 2}[kind]
    robust = []
    for slot in zip(*means, strict=True):
        left = sorted(slot[number] for number in kept)[ends : len(kept) - ends]
        robust.append(sum(left) // len(left))
    return kept, robust


def _clipped(means: list[Vector], points: list[Vector], radius: int) -> Vector:
    count, weights = len(means), [ONE] + [0] * len(means)
    for _ in range(3):
        centre = [sum(w * p for w, p in zip(weights, slot, strict=True)) for slot in zip(*points, strict=True)]
        moved = []
        for point in points[1:]:
            distance = isqrt(_square([coordinate * ONE for coordinate in point], centre) // ONE)
            moved.append((ONE if distance <= radius else radius * ONE // distance) // count)
        rest = [w * (ONE - sum(moved)) // ONE + more for w, more in zip(weights[1:], moved, strict=True)]
        weights = [ONE - sum(rest), *rest]
    slots = zip(*means, strict=True)
    return [sum(w * m for w, m in zip(weights, (_median(slot), *slot), strict=True)) // ONE for slot in slots]


def _median(slot: Sequence[int]) -> int:
    ordered = sorted(slot)
    return (ordered[(len(slot) - 1) // 2] + ordered[len(slot) // 2]) // 2


def _square(one: Vector, other: Vector) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
