"""Whether this process computes as IEEE-754 says: a library may have switched that off for the whole thread."""

from typing import Final

import numpy as np

from fl_node import codes
from fl_node.plan.errors import plan_error

_SMALLEST: Final = 5e-324
_ABOVE_ONE: Final = 1.0 + 2.0**-52


def require_ieee() -> None:
    """Checks that subnormal numbers are kept and that a product is rounded before it is added to.

    Raises:
        PlanError: FL3049. Libraries built with `-ffast-math` flush subnormals to zero; an emulator may fuse operations.
    """
    small, near = np.array([_SMALLEST, 2.0**-1022]), np.array([_ABOVE_ONE])
    kept = small * np.array([1.0, 0.5])
    if kept[0] != _SMALLEST or kept[1] != 2.0**-1023 or (near * near - (1.0 + 2.0**-51))[0] != 0.0:
        raise plan_error(codes.NOT_IEEE, "this process flushes subnormal numbers, or fuses operations")
