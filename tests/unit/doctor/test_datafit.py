"""Whether a node's rows fit the plans in training, and whether what runs them is here."""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fl_node.blobs.store import About, BlobStore
from fl_node.doctor.datafit import check_data
from fl_node.node.config import NodeConfig
from fl_node.plan.errors import PlanError
from fl_node.plan.frameworks import JAX
from fl_node.round.consent import Consent
from tests.unit.plan.arithmetic import models

PLAN = models.packed(models.manifest())


class Ledger:
    """A ledger with one training of the plan."""

    async def trainings(self) -> list[Any]:
        return [SimpleNamespace(plan=hashlib.sha256(PLAN).hexdigest(), running=True)]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("FEDLEDGER_RUNTIMES", str(tmp_path / "runtimes"))
    rows = tmp_path / "rows.csv"
    rows.write_text("\n".join(["a,b,y", *(f"{at},{2 * at},{'yes' if at % 2 else 'no'}" for at in range(60))]) + "\n")
    BlobStore(tmp_path / "blobs").put(PLAN, About("hospital-a"))
    found = SimpleNamespace(data=rows, blobs=tmp_path / "blobs", consent=Consent(), name="hospital-a")
    assert set(vars(found)) <= {*NodeConfig.__dataclass_fields__, *dir(NodeConfig)}
    return found


async def test_the_doctor_says_that_a_plans_framework_is_not_installed_and_how_to_install_it(config: Any):
    with pytest.raises(PlanError, match="FL3047") as caught:
        await check_data(config, Ledger())  # type: ignore[arg-type]
    assert "`fedledger plan runtime install jax`" in caught.value.hint


async def test_rows_that_fit_a_plan_whose_framework_is_here_are_counted(config: Any):
    assert JAX.environment
    JAX.environment.python.parent.mkdir(parents=True)
    JAX.environment.python.touch()
    assert await check_data(config, Ledger()) == "60 rows fit the plan"  # type: ignore[arg-type]
