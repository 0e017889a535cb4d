"""The state of a plan of this arithmetic: the model's weights, and what the server keeps from round to round.

Weights keep the type in which the framework trains them; the server's moments are doubles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.plan.arithmetic.averaging import CONTROL, FIRST, KEPT, MOMENTS, ROUNDS, SECOND, TRAINED, Server
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
        control: Its control variate, likewise; what a participant keeps for itself has its own here, and what a local
            step begins with the difference of the two.
        rounds: One number: how many rounds made it, so that no state comes twice; empty where nothing depends on that.
    """

    trained: Arrays
    kept: Arrays
    first: Arrays = ()
    second: Arrays = ()
    control: Arrays = ()
    rounds: Arrays = ()

    def leaves(self) -> list[Leaf]:
        """The state's leaves, in the order of its blob."""
        weights = ((TRAINED, self.trained), (KEPT, self.kept))
        named = (*weights, (FIRST, self.first), (SECOND, self.second), (CONTROL, self.control), (ROUNDS, self.rounds))
        return [Leaf(f"{name}{at}", array) for name, arrays in named for at, array in enumerate(arrays)]


def first_state(
    trained: Arrays, kept: Arrays, server: Server, *, controlled: bool = False, counted: bool = False
) -> ModelState:
    """The state before the first round; second moments begin at floor², as Reddi et al. ask, all else at zero."""
    floor = float(server.floor)
    moments = MOMENTS[server.kind]
    zeros = [np.zeros(array.shape) for array in trained] if FIRST in moments else []
    squares = [np.full(array.shape, floor * floor) for array in trained] if SECOND in moments else []
    control = [np.zeros(array.shape) for array in trained] if controlled else []
    return ModelState(trained, kept, zeros, squares, control, [np.zeros(())] if counted else [])


def read_state(manifest: AveragingManifest, blob: bytes) -> ModelState:
    """Reads a state blob of a plan.

    Raises:
        PlanError: FL3020 where it is none of the plan's, FL3022 where it is not finite.
    """
    leaves = decode_state(blob)
    if [leaf.spec for leaf in leaves] != [(leaf.path, leaf.dtype, leaf.shape) for leaf in manifest.state]:
        raise plan_error(codes.BAD_STATE, "the state has other tensors than the plan's")
    return _read(leaves)


def own_state(manifest: AveragingManifest, base: ModelState, own: bytes) -> ModelState:
    """Reads what a participant kept: weights that are not shared, a control variate; as the first round finds them.

    Args:
        manifest: The plan's.
        base: The state of the round.
        own: The blob; empty before the first round.

    Raises:
        PlanError: FL3020, FL3022 where it is none that the plan leaves a participant.
    """
    averaging = manifest.averaging
    first = ModelState([], base.kept if averaging.local else [], control=[np.zeros_like(one) for one in base.control])
    if not own:
        return first
    leaves = decode_state(own)
    if [leaf.spec for leaf in leaves] != [leaf.spec for leaf in first.leaves()]:
        raise plan_error(codes.BAD_STATE, "what was kept of the last round has other tensors than the plan's")
    return _read(leaves)


def _read(leaves: Sequence[Leaf]) -> ModelState:
    names = (TRAINED, KEPT, FIRST, SECOND, CONTROL, ROUNDS)
    return ModelState(*([leaf.array for leaf in leaves if leaf.path.startswith(name)] for name in names))


def read_model(blob: bytes) -> tuple[Arrays, Arrays]:
    """Reads the trained and the other weights from a blob with a model's leaves alone.

    Raises:
        PlanError: FL3020, FL3022.
    """
    leaves = decode_state(blob)
    trained = [leaf.array for leaf in leaves if leaf.path.startswith(TRAINED)]
    return trained, [leaf.array for leaf in leaves if not leaf.path.startswith(TRAINED)]
