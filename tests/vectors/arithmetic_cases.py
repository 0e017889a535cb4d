"""Cases of the exact arithmetic, computed here with Python's own doubles, one number after the other.

A second reading of fl_node/plan/arithmetic: it shares no line with it, and no numpy.
"""

import math
from random import Random
from typing import Any

SERVERS: list[dict[str, str]] = [
    {"kind": "fedavg", "rate": "1"},
    {"kind": "fedavg", "rate": "0.3"},
    {"kind": "fedavgm", "rate": "0.7", "momentum": "0.9"},
    {"kind": "fedadam", "rate": "0.1", "momentum": "0.9", "decay": "0.99", "floor": "0.001"},
    {"kind": "fedyogi", "rate": "0.1", "momentum": "0.9", "decay": "0.99", "floor": "0.001"},
]
SIZE = 6


def doubles(values: list[float]) -> list[str]:
    """Numbers so that no bit is lost."""
    return [value.hex() for value in values]


def step_cases() -> list[dict[str, Any]]:
    """A mean update and moments → how far the weights move, and the moments after it."""
    random, cases = Random(17), []
    for server in SERVERS:
        for scale in (1.0, 1e-12, 1e150):
            delta = [random.uniform(-scale, scale) for _ in range(SIZE)]
            first = [random.uniform(-scale, scale) for _ in range(SIZE)]
            second = [random.uniform(0, scale * scale) for _ in range(SIZE)]
            after = [stepped(server, *numbers) for numbers in zip(delta, first, second, strict=True)]
            cases.append(
                {
                    "name": f"{server['kind']} of rate {server['rate']} at {scale:g}",
                    "expect": "success",
                    "server": server,
                    "delta": doubles(delta),
                    "first": doubles(first),
                    "second": doubles(second),
                    "moved": doubles([one[0] for one in after]),
                    "first_after": doubles([one[1] for one in after]),
                    "second_after": doubles([one[2] for one in after]),
                }
            )
    return cases


def stepped(server: dict[str, str], delta: float, first: float, second: float) -> tuple[float, float, float]:
    """One element: how far it moves, its first and its second moment."""
    rate = float(server["rate"])
    if server["kind"] == "fedavg":
        return delta * rate, first, second
    momentum = float(server["momentum"])
    if server["kind"] == "fedavgm":
        first = first * momentum + delta
        return first * rate, first, second
    first = first * momentum + delta * (1 - momentum)
    square = delta * delta
    share = square * (1 - float(server["decay"]))
    if server["kind"] == "fedadam":
        second = second * float(server["decay"]) + share
    elif second > square:
        second = second - share
    elif second < square:
        second = second + share
    return first * rate / (math.sqrt(second) + float(server["floor"])), first, second


def quantise_cases() -> list[dict[str, Any]]:
    """Two parts of an update → integers, at several widths, norms and weights."""
    random, cases = Random(18), []
    for bits, clip, cap, weight in ((8, 1.0, 1, 1), (18, 4.0, 1024, 100), (24, 0.5, 64, 64), (18, 1e-3, 1024, 0)):
        for size in (clip / 100, clip, clip * 1000):
            parts = [[random.uniform(-size, size) for _ in range(count)] for count in (3, 2)]
            whole, clipped = quantised(parts, bits, clip, cap, weight)
            cases.append(
                {
                    "name": f"{bits} bits, norm {clip:g}, weight {weight} of {cap}, coordinates up to {size:g}",
                    "expect": "success",
                    "bits": bits,
                    "clip": repr(clip),
                    "weight_cap": cap,
                    "weight": weight,
                    "parts": [doubles(part) for part in parts],
                    "values": whole,
                    "clipped": clipped,
                }
            )
    return cases


def quantised(parts: list[list[float]], bits: int, clip: float, cap: int, weight: int) -> tuple[list[list[int]], bool]:
    """The integers of an update, and whether it was longer than its norm."""
    half = 2 ** (bits - 1) - 1
    norm = math.sqrt(math.fsum(x * x for part in parts for x in part))
    factor = half / clip * weight / cap
    if norm > clip:
        factor = factor * (clip / norm)
    return [[min(max(round(x * factor), -half), half) + half for x in part] for part in parts], norm > clip


def measure_cases() -> list[dict[str, Any]]:
    """Participants' measures of any sign → the slots' sum → the mean over rows."""
    cases = []
    for name, values, rows in (
        ("of both signs", [1.5, -2.25, 0.0], 7),
        ("all below zero", [-100.125, -0.5], 3),
        ("rounded to a slot", [1 / 3, 2 / 3], 2),
        ("beyond the slot on both sides", [1e12, -1e12, 5.0], 10),
        ("no row", [0.0, 0.0], 0),
    ):
        slots = [fixed(value) for value in values]
        mean = (sum(slots) - len(slots) * 2**47) / (rows * 2**16) if rows else 0.0
        case = {"name": name, "expect": "success", "values": doubles(values), "rows": rows, "slots": slots}
        cases.append(case | {"mean": mean.hex()})
    return cases


def fixed(value: float) -> int:
    """A measure as its slot holds it."""
    return round(min(max(value * 65536.0, -(2.0**47 - 1)), 2.0**47 - 1)) + 2**47
