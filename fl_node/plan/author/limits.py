"""What a first plan says about batches and quantisation, from how many rows there are."""

from typing import Final

from fl_node.plan.author.draft import Draft

SIZES: Final = ((2_000, 16, 3), (20_000, 32, 2))
"""Up to how many rows: a batch's rows, passes a round."""

LARGE: Final = (64, 1)

MEMBERS: Final = 4
"""How many times more rows another member may have until they no longer weigh more."""

MOST: Final = 1 << 20


def batching(draft: Draft) -> str:
    """The source of a `Batching`."""
    batch, epochs = next((found for rows, *found in SIZES if draft.rows <= rows), LARGE)
    return f"Batching(batch={batch}, epochs={epochs}, holdout_percent={draft.holdout_percent})"


def quantisation(draft: Draft) -> str:
    """The source of a `Quantisation`: a weight cap above most members' rows."""
    cap = min(MOST, 1 << (MEMBERS * draft.rows - 1).bit_length())
    return f'Quantisation(bits=18, clip="4", zero_above="20", weight_cap={cap})'
