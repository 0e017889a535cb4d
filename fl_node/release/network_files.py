"""Files of a released model that follow from its state and its network's source: ONNX, Keras, SavedModel."""

import asyncio
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fl_node import codes
from fl_node.errors import NodeError
from fl_node.plan.container import Plan
from fl_node.plan.forms import TARGETS, held_out_rows, source_file, write_forms
from fl_node.plan.frozen import frozen_of
from fl_node.plan.model_weights import weights_of

SOURCE: Final = "network.py"
"""The source itself, beside what was made from it."""


@dataclass(frozen=True)
class Network:
    """The source of a network, which is executed: its user has read it.

    Attributes:
        source: FILE.py[:function].
        data: Own rows, of whose hold-out each file must compute what the network computes; None: nothing is compared.
    """

    source: str
    data: Path | None = None

    async def files(self, plan: Plan, state: bytes, forms: Collection[str]) -> dict[str, bytes]:
        """Return name → bytes of the source and of what is made from it.

        Args:
            plan: The model's.
            state: The model's.
            forms: Of TARGETS.

        Raises:
            NodeError: FL4502, the network does not fit, has no such form, or a file computes something else.
            PlanError: FL3047, the framework is not installed.
            DataError: the rows do not fit the plan.
        """
        rows = await asyncio.to_thread(held_out_rows, plan.manifest, self.data) if self.data else None
        with tempfile.TemporaryDirectory(prefix="release-") as name:
            folder = Path(name)
            await write_forms(weights_of(state) | frozen_of(plan), self.source, forms, folder, rows)
            return await asyncio.to_thread(_read, folder) | {SOURCE: source_file(self.source).read_bytes()}


def _read(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def forms_in(names: Iterable[str]) -> list[str]:
    """Return the forms to which files of these names belong.

    Raises:
        NodeError: FL4516, a name belongs to none.
    """
    tops = {name.partition("/")[0] for name in names} - {SOURCE}
    strange = sorted(tops - set(TARGETS.values()))
    if strange:
        raise NodeError(codes.FILES_NOT_MADE, f"nothing here makes {', '.join(strange)}", hint="Do not sign.")
    return [form for form, top in TARGETS.items() if top in tops]
