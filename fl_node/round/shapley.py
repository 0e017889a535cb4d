"""Shapley's value of each player of a game whose every set of players has a known utility. Pure.

Source: Shapley 1953; of groups of participants, Ma, Cao and Xiong 2021 ("Transparent contribution evaluation for secure
federated learning on blockchain").
"""

import math
from collections.abc import Sequence


def shapley(utilities: Sequence[float], players: int) -> list[float]:
    """Returns what each player contributes, over all orders in which they may come.

    Args:
        utilities: Of every set, at the number whose bits are its players; that of nobody at 0. 2^players of them.
        players: How many there are, ≥ 0.

    Returns:
        One value a player; they add up to the utility of all without that of nobody.
    """
    if len(utilities) != 1 << players:
        raise ValueError(f"{len(utilities)} utilities of {players} players")
    values = [0.0] * players
    for members in range(1 << players):
        size = members.bit_count()
        for player in range(players):
            if not members >> player & 1:
                chance = math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players)
                values[player] += chance * (utilities[members | 1 << player] - utilities[members])
    return values
