"""Shapley's value of each player of a game: from the utility of every set, or of those in some orders. Pure.

Sources: Shapley 1953; of groups of participants, Ma, Cao and Xiong 2021 ("Transparent contribution evaluation for
secure federated learning on blockchain"); by drawn orders, each with its reverse, Castro, Gómez and Tejada 2009 and
Mitchell, Cooper, Frank and Holmes 2022.
"""

import math
import random
from collections.abc import Iterator, Mapping, Sequence

Order = tuple[int, ...]


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


def drawn_orders(players: int, most: int, draw: random.Random) -> list[Order]:
    """Draws orders in which players may come, in pairs of one and its reverse, as long as their sets are few enough.

    Args:
        players: How many there are, ≥ 2.
        most: How many sets of players, nobody and all of them included, may be met; at least one pair is drawn.
        draw: Where orders come from.
    """
    orders: list[Order] = []
    while True:
        order = tuple(draw.sample(range(players), players))
        pair = [*orders, order, order[::-1]]
        if orders and len(set(sets_of(pair))) > most:
            return orders
        orders = pair


def sets_of(orders: Sequence[Order]) -> Iterator[int]:
    """Yields the sets that come about in orders, as numbers whose bits are the players; each as often as it does."""
    for order in orders:
        members = 0
        yield members
        for player in order:
            members |= 1 << player
            yield members


def by_orders(utilities: Mapping[int, float], orders: Sequence[Order]) -> list[float]:
    """Returns what each player adds to those before it, the mean over some orders.

    Shapley's value is the mean over all orders; of drawn ones its expectation is the same. The values add up to the
    utility of all without that of nobody, whichever orders there are.

    Args:
        utilities: Of every set that comes about.
        orders: At least one.
    """
    values = [0.0] * len(orders[0])
    for order in orders:
        members = 0
        for player in order:
            values[player] += (utilities[members | 1 << player] - utilities[members]) / len(orders)
            members |= 1 << player
    return values
