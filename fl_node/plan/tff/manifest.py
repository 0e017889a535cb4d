"""The manifest of a plan made with TensorFlow Federated. Imports no framework: nodes read it."""

from typing import ClassVar, Final, Literal

from pydantic import Field

from fl_node.plan.manifest import MAX_TOLERANCE_E9, Manifest, Quantisation

NAME: Final = "tensorflow-federated"


class TffManifest(Manifest):
    """What a plan of TensorFlow Federated is.

    Attributes:
        protobuf: The protobuf implementation that can parse the computations (deep ones need `python`).
        quantisation: How updates are quantised, where this project's own aggregation does it.
    """

    programs: ClassVar[tuple[str, ...]] = ("prepare.pb", "work.pb", "update.pb")

    framework: Literal["tensorflow-federated"] = NAME
    protobuf: Literal["upb", "python"] = "upb"
    quantisation: Quantisation | None = None
    tolerance_e9: int = Field(default=MAX_TOLERANCE_E9, ge=0, le=MAX_TOLERANCE_E9)

    @property
    def zeroing(self) -> bool:
        """Whether large updates are replaced by zeros; TFF's own zeroing has weights of its own, which say it too."""
        return self.quantisation is not None and self.quantisation.zero_above is not None
