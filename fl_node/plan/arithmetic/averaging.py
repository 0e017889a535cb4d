"""The constants of this arithmetic: how updates become a sum, and what the server does with it."""

import math
from decimal import Decimal as Exact
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from fl_node.data.schema import Decimal, Model
from fl_node.plan.arithmetic.private import Privacy, faults
from fl_node.plan.manifest import Quantisation

TRAINED: Final = "global_model_weights/trainable/"
KEPT: Final = "global_model_weights/non_trainable/"
FIRST: Final = "server/first/"
SECOND: Final = "server/second/"
CONTROL: Final = "server/control/"
ROUNDS: Final = "server/rounds/"
"""How the leaves of a state are named: trained and other weights, the server's first and second moments, its control
variate, and how many rounds made it."""
MOMENTS: Final = {"fedavg": (), "fedavgm": (FIRST,), "fedadam": (FIRST, SECOND), "fedyogi": (FIRST, SECOND)}
"""What each kind of server keeps: the mean update's running mean, and that of its squares."""

MOST_GROUPS: Final = 32
"""How many groups' contributions are told at most."""
WORD: Final = r"^[a-z0-9_]{1,40}$"


class Server(Model):
    """How the server moves the model by the mean update (Reddi et al., Adaptive Federated Optimization, ICLR 2021).

    Attributes:
        kind: `fedavg` (the mean itself), `fedavgm` (momentum), `fedadam` or `fedyogi` (algorithm 2).
        rate: η, the length of a step.
        momentum: β of `fedavgm`, β₁ of the adaptive ones.
        decay: β₂ of the adaptive ones.
        floor: τ of the adaptive ones: added to the root of the second moment, which begins at τ².
    """

    kind: Literal["fedavg", "fedavgm", "fedadam", "fedyogi"] = "fedavg"
    rate: Decimal = "1"
    momentum: Decimal = "0.9"
    decay: Decimal = "0.99"
    floor: Decimal = "0.001"

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if not (float(self.rate) > 0 and float(self.floor) > 0):
            raise ValueError("rate and floor are above zero")
        if not (0 <= float(self.momentum) < 1 and 0 <= float(self.decay) < 1):
            raise ValueError("momentum and decay lie in 0 … below 1")
        return self


class Scaffold(Model):
    """Control variates (`scaffold`): what holds the steps of participants with unlike rows together.

    Attributes:
        participants: N: how many share in the training, survivors of a round or not. Each has a control variate.
        clip: Largest L2 norm of the change of a participant's control variate, which is a mean gradient.
        rate: η, the length of a local step. The compiler writes it, from the optimiser.
    """

    participants: int = Field(ge=2, le=100_000)
    clip: Decimal = "10"
    rate: Decimal = "0"

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if not (float(self.clip) > 0 and float(self.rate) >= 0):
            raise ValueError("clip is above zero, rate not below")
        return self


class Compression(Model):
    """A part of each update travels (`chosen`): what it holds is public, and another part in every round.

    Attributes:
        keep: The share of the trained numbers that travels, above 0 and below 1; their number is rounded up.
    """

    keep: Decimal

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if not 0 < Exact(self.keep) < 1:
            raise ValueError("keep lies above 0 and below 1")
        return self

    def count(self, numbers: int) -> int:
        """How many of so many trained numbers travel."""
        return math.ceil(Exact(self.keep) * numbers)


class Averaging(Model):
    """How updates become a sum, and a sum the next state.

    Attributes:
        quantisation: Of the trained weights' update; `bits` and `weight_cap` hold for the moments too.
        moments_clip: Largest L2 norm of the change of weights that are not trained, such as BatchNorm's moments; they
            are averaged. None: there are none.
        local: Whether weights that are not trained stay with each participant, for its own rows (as FedBN does, Li et
            al., ICLR 2021): the state then holds what they begin with, for ever.
        server: What the server does with the mean.
        measured: The names of what is measured of every row, the loss first: on training rows and on the hold-out.
        proximal: μ of FedProx (Li et al., MLSys 2020), which the local step holds already; for people to read.
        privacy: The noise that each participant adds; None: none, the sum is exact.
        contribution: For how many groups of a round there are slots in which each participant says what they
            contributed (`fl_node.round.contribution`); 0: none, and the manifest does not speak of it.
        scaffold: Control variates; None: there are none.
        compression: Which part of an update travels; None: the whole.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"contribution", "scaffold", "compression"})

    quantisation: Quantisation
    moments_clip: Decimal | None = None
    local: bool = False
    server: Server = Server()
    measured: tuple[Annotated[str, Field(pattern=WORD)], ...] = Field(min_length=1, max_length=64, strict=False)
    proximal: Decimal = "0"
    privacy: Privacy | None = None
    contribution: int = Field(default=0, ge=0, le=MOST_GROUPS)
    scaffold: Scaffold | None = None
    compression: Compression | None = None

    @property
    def by_record(self) -> bool:
        """Whether single rows are protected, and the local step is therefore one gradient."""
        return self.privacy is not None and self.privacy.goal.unit == "record"

    @property
    def mean_of_means(self) -> bool:
        """Whether a measure is the mean of the participants' means, for then one participant changes it little."""
        return self.privacy is not None and self.privacy.goal.unit == "participant"

    @model_validator(mode="after")
    def _private(self) -> Self:
        if self.privacy is None:
            return self
        for fault in faults(self.privacy.goal, self.quantisation, self.measured):
            raise ValueError(fault)
        if self.contribution:
            raise ValueError("what groups contributed would be told without noise")
        if self.moments_clip is not None:
            raise ValueError("weights that are not trained would be averaged without a bound for single rows")
        if not len(self.measured) == len(self.privacy.measured_max) == len(self.privacy.measured_scales):
            raise ValueError("each measure has a largest value and noise")
        return self

    @model_validator(mode="after")
    def _controlled(self) -> Self:
        if self.scaffold is None:
            return self
        if not float(self.scaffold.rate) > 0:
            raise ValueError("scaffold needs the rate of a plain gradient descent")
        if self.privacy is not None:
            raise ValueError("control variates would need noise of their own: scaffold has no privacy")
        if self.compression is not None:
            raise ValueError("control variates need whole updates: scaffold has no compression")
        if float(self.proximal):
            raise ValueError("scaffold takes the place of proximal")
        return self

    @model_validator(mode="after")
    def _positive(self) -> Self:
        clips = [self.quantisation.clip, *([self.moments_clip] if self.moments_clip else [])]
        if not all(float(clip) > 0 for clip in clips):
            raise ValueError("a clipping norm is above zero")
        if self.local and self.moments_clip:
            raise ValueError("weights that stay with each participant are not clipped")
        if len(set(self.measured)) != len(self.measured):
            raise ValueError("a measure's name stands twice")
        return self
