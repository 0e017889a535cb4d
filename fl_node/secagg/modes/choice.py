"""The mode that a round names: the one place of a node that tells modes apart."""

from collections.abc import Mapping
from typing import Any

from fl_node import codes
from fl_node.secagg.errors import SecaggError
from fl_node.secagg.modes.interface import Mode
from fl_node.secagg.modes.plain import Plain
from fl_node.secagg.modes.robust_groups import RobustGroups
from fl_node.secagg.modes.secure_sum import SecureSum


def mode_of(name: str, settings: Mapping[str, Any]) -> Mode:
    """Returns the mode of a round.

    Args:
        name: As the round names it.
        settings: Those of robust_groups or of plain; empty in secure_sum.

    Raises:
        SecaggError: This node does not know the mode (FL4104).
    """
    if name == "secure_sum":
        return SecureSum()
    if name == "robust_groups":
        return RobustGroups(settings["faulty"], settings["rule"] == "median")
    if name == "plain":
        return Plain(settings["faulty"], settings["rule"], settings["bucket"])
    raise SecaggError(codes.BAD_LAYOUT, f"this node does not know the mode {name!r}", hint="Install a newer version.")
