"""What researchers bring to TFF either builds and trains, or is refused with a mend that works."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fl_node.plan.author import api
from fl_node.plan.container import load_plan
from fl_node.plan.frameworks import TFF
from fl_node.plan.state_codec import decode_state
from tests.unit.plan.author import builds
from tests.unit.plan.conftest import in_environment

pytestmark = [pytest.mark.tff, pytest.mark.lengthy]
BUILT = (
    "below_zero",
    "metric_below_zero",
    "pretrained",
    "frozen",
    "recurrent",
    "convolved",
    "normalised",
    "column_label",
    "autoencoder",
    "as_the_hint_says",
    "functional",
    "reconstruction",
    "reconstruction_bare",
)
REFUSED = {
    "as_in_the_tutorial": ("FL3007", "quantised_mean(Quantisation(…)) and metrics_aggregator=secure_metrics"),
    "two_inputs": ("FL3010", "cut it inside: x[:, :4], x[:, 4:]"),
    "looked_up": ("FL3005", "op HashTableV2 in work"),
    "functional_uncounted": ("FL3015", "num_examples=tff.learning.metrics.NumExamplesCounter()"),
    "reconstruction_uncounted": ("FL3015", "that counter in build_fed_recon's metrics_fn"),
    "functional_unmeasured": ("FL3012", "metrics_constructor=lambda"),
    "kmeans": ("FL3007", "KindPlan(NAME, SCHEMA, KMeans(clusters=3)) of fl_node.plan.kinds.source"),
    "reconstruction_as_in_the_tutorial": ("FL3007", "build_fed_recon calls the first model_aggregator_factory"),
    "reconstruction_of_half_the_rows": ("FL3015", "build_dataset_split_fn(split_dataset=False)"),
    "reconstruction_with_a_holdout": ("FL3012", "Batching(…, holdout_percent=0)"),
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("tff-cases")
    shutil.copy(Path(builds.__file__).with_name("tff_cases.py"), folder)
    in_environment(TFF, "tests.unit.plan.author.saved", folder / "base.keras")
    names = [f"tff_cases:{name}" for name in (*BUILT, *REFUSED)]
    return folder, json.loads(in_environment(TFF, "tests.unit.plan.author.builds", folder, *names))


@pytest.fixture
def state(cases: tuple[Path, dict[str, str]]) -> Callable[[str], dict[str, np.ndarray]]:
    def of(name: str) -> dict[str, np.ndarray]:
        leaves = decode_state(load_plan(cases[0] / f"{name}.flplan").initial_state)
        return {leaf.path.removeprefix("global_model_weights/"): leaf.array for leaf in leaves}

    return of


@pytest.mark.parametrize("name", BUILT)
def test_it_builds(name: str, cases: tuple[Path, dict[str, str]]):
    assert cases[1][name] == "built"


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_a_mend(name: str, cases: tuple[Path, dict[str, str]]):
    code, mend = REFUSED[name]
    assert cases[1][name].startswith(code)
    assert mend in cases[1][name]


def test_pretrained_weights_are_those_to_begin_with(state: Callable[[str], dict[str, np.ndarray]]):
    found = [array for path, array in state("pretrained").items() if path.startswith("trainable/")]
    assert [float(np.ptp(array)) for array in found] == [0.0] * 4
    assert [float(array.flat[0]) for array in found] == [0.25, 0.5, 0.75, 1.0]
    kept = [array for path, array in state("frozen").items() if path.startswith("non_trainable/")]
    assert [float(array.flat[0]) for array in kept] == [0.25, 0.5]


@pytest.mark.parametrize(
    ("name", "said"), [("normalised", "BatchNormalization"), ("frozen", "right for frozen layers")]
)
def test_weights_that_are_not_trained_are_warned_of(name: str, said: str, cases: tuple[Path, dict[str, str]]):
    assert any(said in warning for warning in api.inspect(cases[0] / f"{name}.flplan")["warnings"])


@pytest.mark.parametrize("name", ["pretrained", "recurrent", "convolved", "column_label"])
def test_work_that_draws_nothing_is_not_warned_of(name: str, cases: tuple[Path, dict[str, str]]):
    assert not api.inspect(cases[0] / f"{name}.flplan")["warnings"]


def written(folder: Path) -> Path:
    draw = np.random.default_rng(5)
    features = draw.uniform(-1, 1, (240, 6)).round(3)
    lines = [",".join(map(str, row)) + (",yes" if row[0] > row[1] else ",no") for row in features.tolist()]
    (folder / "rows.csv").write_text("\n".join(["x0,x1,x2,x3,x4,x5,y", *lines]))
    return folder / "rows.csv"


@pytest.mark.parametrize(
    ("name", "curve"), [("functional", "train/loss"), ("reconstruction", "client_work/train/loss")]
)
def test_models_of_functions_and_with_weights_of_one_s_own_learn(
    name: str, curve: str, cases: tuple[Path, dict[str, str]], tmp_path: Path
):
    trial = api.try_plan(cases[0] / f"{name}.flplan", written(tmp_path), split=2, rounds=8)
    losses = trial.curve(curve)
    assert losses[-1] < losses[0]
    assert bool(trial.final) == (name == "functional")


def test_the_mend_of_tff_s_k_means_works_when_it_is_followed(tmp_path: Path):
    (tmp_path / "mend.py").write_text(
        "from fl_node.data.schema import Column, Label, Schema\n"
        "from fl_node.plan.kinds.source import KindPlan, KMeans\n"
        "SCHEMA = Schema(columns=tuple(Column(name=f'x{at}', minimum='-1', maximum='1') for at in range(6)))\n"
        "def plan():\n    return KindPlan('clusters', SCHEMA, KMeans(clusters=3))\n"
    )
    trial = api.try_plan(api.build(tmp_path / "mend.py"), written(tmp_path), split=3, rounds=3)
    assert trial.curve("train/loss")[-1] < trial.curve("train/loss")[0]


def test_a_loss_below_zero_is_trained_on_and_published(cases: tuple[Path, dict[str, str]], tmp_path: Path):
    draw = np.random.default_rng(4)
    features = draw.uniform(-1, 1, (200, 6)).round(3)
    lines = [",".join(map(str, row)) + f",{row[0] / 5:.4f}" for row in features.tolist()]
    (tmp_path / "rows.csv").write_text("\n".join(["x0,x1,x2,x3,x4,x5,y", *lines]))
    trial = api.try_plan(cases[0] / "below_zero.flplan", tmp_path / "rows.csv", split=2, rounds=12)
    assert trial.curve("train/loss")[-1] < 0
    assert trial.final["loss"] < 0
