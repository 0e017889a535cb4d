"""The state of a plan of this arithmetic: the model's weights, and what the server keeps from round to round.

Weights keep the type in which the framework trains them; the server's moments are doubles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.plan.arithmetic.averaging import FIRST, KEPT, MOMENTS, SECOND, TRAINED, Server
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.errors import plan_error
from fl_node.plan.state_codec import Leaf, decode_state

Arrays = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class ModelState:
    """A state, taken apart.

    Attributes:
        trained: The trained weights.
        kept: The other weights, such as BatchNorm's moments.
        first: The server's first moments, float64 in the shapes of `trained`; empty where it keeps none.
        second: Its second moments, likewise.
    """

    trained: Arrays
    kept: Arrays
    first: Arrays = ()
    second: Arrays = ()

    def leaves(self) -> list[Leaf]:
        """The state's leaves, in the order of its blob."""
        named = ((TRAINED, self.trained), (KEPT, self.kept), (FIRST, self.first), (SECOND, self.second))
        return [Leaf(f"{name}{at}", array) for name, arrays in named for at, array in enumerate(arrays)]


def first_state(trained: Arrays, kept: Arrays, server: Server) -> ModelState:
    """The state before the first round; second moments begin at floor², as Reddi et al. ask."""
    floor = float(server.floor)
    moments = MOMENTS[server.kind]
    zeros = [np.zeros(array.shape) for array in trained] if FIRST in moments else []
    squares = [np.full(array.shape, floor * floor) for array in trained] if SECOND in moments else []
    return ModelState(trained, kept, zeros, squares)


def read_state(manifest: AveragingManifest, blob: bytes) -> ModelState:
    """Reads a state blob of a plan.

    Raises:
        PlanError: FL3020 where it is none of the plan's, FL3022 where it is not finite.
    """
    leaves = decode_state(blob)
    if [leaf.spec for leaf in leaves] != [(leaf.path, leaf.dtype, leaf.shape) for leaf in manifest.state]:
        raise plan_error(codes.BAD_STATE, "the state has other tensors than the plan's")
    trained, kept, first, second = (
        [leaf.array for leaf in leaves if leaf.path.startswith(name)] for name in (TRAINED, KEPT, FIRST, SECOND)
    )
    return ModelState(trained, kept, first, second)


def read_model(blob: bytes) -> tuple[Arrays, Arrays]:
    """Reads the trained and the other weights from a blob with a model's leaves alone.

    Raises:
        PlanError: FL3020, FL3022.
    """
    leaves = decode_state(blob)
    trained = [leaf.array for leaf in leaves if leaf.path.startswith(TRAINED)]
    return trained, [leaf.array for leaf in leaves if not leaf.path.startswith(TRAINED)]
