"""Cases of what the ledger adds up for plans with noise: computed with fractions, apart from both implementations."""

from fractions import Fraction
from math import ceil
from typing import Any

MOST = 1 << 63
PROMISE = {"unit": "record", "delta": "0.00001", "survivors": 3, "colluders": 1}


def privacy_cases() -> list[dict[str, Any]]:
    """Returns promises, how many survived in each round, and the account that follows."""
    made = [
        ("nothing yet", (10**12, 3), 1, []),
        ("one round, divided evenly", (9 * 10**12, 3), 1, [4]),
        ("rounded up in every round", (10**12, 1), 1, [4, 4, 4]),
        ("dropouts add to what is told of the others", (10**14 + 7, 0), 1, [9, 8, 7, 3]),
        ("fewer survivors than colluders count as one contributor", (10**12 + 1, 5), 2, [2, 1, 3]),
        ("nobody colludes", (10**12, 0), 0, [3, 100]),
        ("the smallest promise", (1, 0), 1, [100] * 5),
        ("the largest promise, until the account stops to grow", (10**18, 10**18), 1, [2] * 12),
    ]
    return [_case(*one) for one in made]


def _case(name: str, promised: tuple[int, int], colluders: int, survivors: list[int]) -> dict[str, Any]:
    squared, slack = promised
    told = sum(ceil(Fraction(squared, max(1, n - colluders))) for n in survivors)
    promise = PROMISE | {"colluders": colluders, "squared_e15": squared, "slack_e15": slack}
    spent = {"squared_e15": min(told, MOST), "slack_e15": min(slack * len(survivors), MOST)}
    return {"name": name, "promise": promise, "survivors": survivors, "spent": spent}
