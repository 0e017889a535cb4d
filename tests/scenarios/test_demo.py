"""The demonstration, as `scripts/run` runs it: what the story says has happened, and nothing is left running."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest

from fl_node.commands.demo import _options
from fl_node.demo.attacks import ATTACKS, changed, with_labels_flipped
from fl_node.demo.comparison import scores, table
from fl_node.demo.options import Drop, Options
from fl_node.demo.regulator import audit_options
from fl_node.demo.stage import claimed
from fl_node.errors import NodeError
from fl_node.examples.catalogue import EXAMPLES, source_of
from fl_node.plan.frameworks import TORCH
from fl_node.round.contribution import UNITS
from fl_node.secagg.layout import Layout
from network import processes
from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
assert TORCH.environment
needs_torch = pytest.mark.skipif(
    not TORCH.environment.installed, reason="needs `fedledger plan runtime install torch`, which takes 4.5 GB"
)


def run_story(folder: Path, *options: str, network: str = "devnet") -> dict[str, Any]:
    """Run scripts/run to its end and return what it wrote."""
    report = folder / "report.json"
    command = [str(ROOT / "scripts" / "run"), "--run", str(folder / "run"), "--base-port", str(free_ports())]
    command += ["--json", str(report), *options, *(["--fabric"] if network == "fabric" else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=850, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert running(folder / "run") == []
    return dict(json.loads(report.read_text()))


def running(run: Path) -> list[str]:
    """Return what still runs of a run folder, children included."""
    named = [path.name for path in (run / "pids").glob("[!.]*") if processes.pid(run, path.name)]
    mentioned = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if str(run).encode() in _read(path) and path.parent.name != str(os.getpid())
    ]
    return named + mentioned


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def final(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [record for record in report["rounds"] if record["status"] == "Final"]


@pytest.mark.slow
@pytest.mark.tff
@pytest.mark.timeout(900)
def test_the_whole_story(tmp_path: Path, request: pytest.FixtureRequest):
    report = run_story(tmp_path, network=request.config.getoption("--network"))
    assert [record["round"] for record in final(report)] == [1, 2, 3, 4, 5]
    assert len({record["state_digest"] for record in final(report)}) == 5
    chapters = report["chapters"]
    (killed,) = chapters["dropout"]["killed"]
    dropout = next(record for record in final(report) if record["round"] == killed["round"])
    assert killed["node"] not in dropout["survivors"]
    assert dropout["exposure"][killed["node"]] < 3
    assert chapters["fraud"]["code"] == "FL0503"
    assert {verdict.partition(":")[0] for verdict in chapters["fraud"]["endorsers"].values()} == {"FL0503"}
    assert chapters["regulator"]["write"] != "written"
    assert chapters["audit"]["verdict"] == "OK"
    scores = chapters["accuracy"]
    assert math.isclose(scores["federated"], scores["pooled"], abs_tol=0.05)
    assert scores["federated"] > min(score for name, score in scores.items() if name.endswith("alone"))
    for record in final(report):
        assert {"Shares", "Updates", "Unmask", "Attest", "total"} <= set(record["seconds"])
    assert "Keys" in report["rounds"][0]["seconds"]  # later keys come with the reveals before


@pytest.mark.slow
@pytest.mark.jax
@pytest.mark.timeout(900)
def test_the_story_on_jax_has_every_model_made_again_by_the_audit(tmp_path: Path, request: pytest.FixtureRequest):
    network = request.config.getoption("--network")
    report = run_story(tmp_path, "--framework", "jax", "--rounds", "2", network=network)
    assert [record["round"] for record in final(report)] == [1, 2]
    chapters = report["chapters"]
    assert [killed["node"] for killed in chapters["dropout"]["killed"]] == ["hospital-d"]
    assert chapters["fraud"]["code"] == "FL0503"
    audit = chapters["audit"]
    assert (audit["verdict"], audit["models"]) == ("OK", {"steps": 2, "derived": 2})
    assert chapters["accuracy"]["federated"] > 0.9


@pytest.mark.lengthy
@pytest.mark.torch
@needs_torch
@pytest.mark.timeout(900)
def test_the_story_with_pictures_on_pytorch_has_every_model_made_again_by_the_audit(
    tmp_path: Path, request: pytest.FixtureRequest
):
    asked = ("--plan", "digits", "--framework", "torch", "--rounds", "2")
    report = run_story(tmp_path, *asked, network=request.config.getoption("--network"))
    assert [record["round"] for record in final(report)] == [1, 2]
    chapters = report["chapters"]
    assert chapters["fraud"]["code"] == "FL0503"
    assert (chapters["audit"]["verdict"], chapters["audit"]["models"]) == ("OK", {"steps": 2, "derived": 2})
    assert chapters["accuracy"]["federated"] > 0.5  # of ten digits


@pytest.mark.lengthy
@pytest.mark.jax
@pytest.mark.timeout(900)
def test_one_hospital_of_nine_that_turns_its_updates_round_spoils_one_sum_and_not_robust_groups(
    tmp_path: Path, request: pytest.FixtureRequest
):
    asked = ("--mode", "robust_groups", "--attack", "sign-flip", "--rounds", "3")
    report = run_story(tmp_path, *asked, network=request.config.getoption("--network"))
    assert [record["round"] for record in final(report)] == [1, 2, 3]
    chapters = report["chapters"]
    assert (chapters["attack"]["attacker"], chapters["attack"]["attack"]) == ("hospital-c", "sign-flip")
    scores = chapters["accuracy"]
    assert scores["federated"] > scores["one sum, all honest"] - 0.05
    assert scores["one sum, the same attacker"] < 0.5
    told = chapters["contribution"]
    (spoilt,) = [at for at, members in enumerate(told["groups"]) if "hospital-c" in members]
    assert told["units"][spoilt] == min(told["units"]) < 0 < max(told["units"])
    audit = chapters["audit"]
    assert (audit["verdict"], audit["models"]) == ("OK", {"steps": 3, "derived": 3})
    page = tmp_path / "report.html"
    command = [sys.executable, "-m", "fl_node", "audit", "report", "--out", str(page), *audit_options(tmp_path / "run")]
    subprocess.run(command, check=True, capture_output=True)
    for members, units in zip(told["groups"], told["units"], strict=True):
        row = f'<td class="names">{", ".join(members)}</td><td class="number">{units / UNITS:+.4f}</td>'
        assert row in page.read_text()


@pytest.mark.lengthy
@pytest.mark.jax
@pytest.mark.timeout(900)
def test_the_story_with_noise_ends_with_every_hospitals_account_within_what_was_planned(
    tmp_path: Path, request: pytest.FixtureRequest
):
    asked = ("--framework", "jax", "--epsilon", "3", "--rounds", "3")
    report = run_story(tmp_path, *asked, network=request.config.getoption("--network"))
    chapters = report["chapters"]
    assert (chapters["accounts"]["rules"], chapters["privacy"]["unit"]) == (2, "record")
    told = {one["participant"]: float(one["epsilon"]) for one in chapters["privacy"]["participants"]}
    frozen = {name: sum(name in record["survivors"] for record in report["rounds"]) for name in told}
    assert len(told) == 4
    for name, epsilon in told.items():
        assert 0 < epsilon <= 3.01, name  # in the accounts whole numbers are rounded up, by at most 0.1 %
    assert all(told[a] <= told[b] for a in told for b in told if frozen[a] <= frozen[b])
    assert chapters["audit"]["verdict"] == "OK"


def test_a_mode_or_an_attack_that_cannot_be_shown_is_refused(tmp_path: Path):
    for asked in (
        {"mode": "magic"},
        {"attack": "bribery"},
        {"attack": "sign-flip", "framework": "tff"},
        {"mode": "robust_groups", "participants": 8},
        {"mode": "robust_groups", "participants": 9, "example": "digits"},
        {"participants": 9},
    ):
        with pytest.raises(NodeError, match="FL4001"):
            Options(run=tmp_path, **{"framework": "jax", **asked})


@pytest.mark.parametrize(("participants", "size", "faulty"), [(9, 3, 1), (11, 3, 1), (12, 4, 1), (20, 4, 2)])
def test_the_groups_bear_an_attacker(tmp_path: Path, participants: int, size: int, faulty: int):
    options = Options(run=tmp_path, framework="jax", mode="robust_groups", participants=participants)
    assert (options.settings["size"], options.settings["faulty"]) == (size, faulty)
    assert 2 * faulty < participants // size
    assert options.source == "tumour_groups"


def test_an_attack_changes_values_and_nothing_else():
    values = {"name": "v", "kind": "value", "word": 32, "ring": 32, "max": 200, "slots": 3}
    counts = {"name": "n", "kind": "count", "word": 32, "ring": 32, "max": 9, "slots": 1}
    layout = Layout.from_fields({"version": 1, "segments": [values, counts], "count": None})
    honest = layout.pack({"v": np.array([100, 101, 150], "<u4"), "n": np.array([7], "<u4")})
    expected = {
        "sign-flip": [100, 90, 0],
        "scaling": [100, 110, 200],
        "free-rider": [100] * 3,
        "label-flip": [100, 101, 150],
    }
    assert set(expected) == set(ATTACKS)
    for attack, sent in expected.items():
        vector = changed(layout, honest, attack)
        assert layout.segments[0].view(vector).tolist() == sent
        assert layout.segments[1].view(vector).tolist() == [7]


def test_labels_are_turned_round_beside_the_rows_and_not_among_them(tmp_path: Path):
    rows = tmp_path / "hospital-c.csv"
    rows.write_text("size,diagnosis\n1.0,benign\n2.0,malignant\n")
    written = with_labels_flipped(rows, tmp_path / "_flipped")
    assert written.read_text().split() == ["size,diagnosis", "1.0,malignant", "2.0,benign"]
    assert rows.read_text().split()[1] == "1.0,benign"


def test_an_example_that_is_not_written_for_a_framework_is_refused(tmp_path: Path):
    for asked in ({"framework": "tff", "example": "claims"}, {"framework": "caffe"}):
        with pytest.raises(NodeError, match="FL4001: there is no example"):
            Options(run=tmp_path, **asked)


STORIES = [("digits", "jax"), ("claims", "jax"), ("claims", "kinds"), ("credit", "jax"), ("credit", "kinds")]


@pytest.mark.lengthy
@pytest.mark.jax
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("example", "framework"), [*STORIES, ("demand", "jax")])
def test_every_example_is_trained_on_a_whole_network(
    tmp_path: Path, example: str, framework: str, request: pytest.FixtureRequest
):
    asked = ("--plan", example, "--framework", framework, "--rounds", "2")
    report = run_story(tmp_path, *asked, network=request.config.getoption("--network"))
    assert [record["round"] for record in final(report)] == [1, 2]
    chapters, shown = report["chapters"], EXAMPLES[example]
    assert [killed["node"] for killed in chapters["dropout"]["killed"]] == [f"{shown.who}-d"]
    assert chapters["fraud"]["code"] == "FL0503"
    assert (chapters["audit"]["verdict"], chapters["audit"]["models"]) == ("OK", {"steps": 2, "derived": 2})
    scores = chapters["accuracy"]
    assert scores["measured"] == shown.title(framework)
    assert {"federated", "pooled", f"{shown.who}-a alone"} < set(scores)
    assert all(math.isfinite(scores[name]) for name in scores if name != "measured")


def test_an_example_names_its_framework_its_participants_and_what_it_needs(tmp_path: Path):
    asked = {"framework": None, "rounds": None, "participants": None, "data": None, "run": tmp_path}
    asked |= {"mode": "secure_sum", "attack": ""}
    claims = _options("claims", drops=None, **asked)
    assert (claims.framework, claims.source, claims.rounds) == ("jax", "claims_jax", 5)
    assert claims.names == ("insurer-a", "insurer-b", "insurer-c", "insurer-d")
    assert claims.drops == (Drop("insurer-d", "updates"),)
    trees = _options("credit", drops=None, **{**asked, "framework": "kinds"})
    assert (trees.source, trees.rounds, trees.names[0]) == ("credit_kinds", 16, "bank-a")
    assert _options("tumour", drops=None, **asked).source == "tumour"


def test_every_examples_source_is_here():
    for name, example in EXAMPLES.items():
        for framework in example.frameworks:
            assert (ROOT / "fl_node" / "examples" / f"{source_of(name, framework)}.py").is_file()


def test_models_are_compared_by_what_the_example_says():
    measured = {"federated": {"loss": 0.25, "accuracy": 0.9}, "bank-a alone": {"loss": 0.5, "accuracy": 0.8}}
    found = scores(measured, EXAMPLES["credit"], "jax")
    assert found == ("log loss", {"federated": 0.25, "bank-a alone": 0.5})
    assert table(*found)[0] == ("federated", "0.2500")
    title, values = scores({"federated": {"sparse_categorical_accuracy": 0.875, "loss": 1.0}}, None, "tff")
    assert table(title, values) == [("federated", "87.5%")]
    assert title == "accuracy"
    assert scores({"federated": {"loss": 2.0}}, None, "jax") == ("loss", {"federated": 2.0})


def test_privacy_is_built_into_the_example_for_the_rounds_that_it_trains(tmp_path: Path):
    private = Options(run=tmp_path, framework="jax", epsilon=3.0, rounds=4)
    assert private.source == "tumour_private"
    assert private.building == ("--framework", "jax", "--epsilon", "3.0", "--rounds", "4")
    with pytest.raises(NodeError, match="FL4001: the example with privacy runs on jax"):
        Options(run=tmp_path, epsilon=3.0)


@pytest.mark.parametrize(("rounds", "fraud", "drop"), [(1, 1, 1), (2, 1, 2), (3, 2, 3), (5, 2, 3), (50, 2, 3)])
def test_the_fraud_comes_before_the_dropout_where_there_are_rounds_enough(
    tmp_path: Path, rounds: int, fraud: int, drop: int
):
    options = Options(run=tmp_path, rounds=rounds)
    assert (options.fraud_round, options.drop_round) == (fraud, drop)


@pytest.mark.parametrize("text", ["hospital-b", "hospital-b@lunch", "@updates", ""])
def test_a_drop_that_cannot_be_meant_is_refused(text: str):
    with pytest.raises(NodeError) as caught:
        Drop.parse(text)
    assert caught.value.code == "FL4001"


def test_a_drop_of_somebody_else_is_refused(tmp_path: Path):
    with pytest.raises(NodeError, match="there is no hospital-x"):
        Options(run=tmp_path, drops=(Drop("hospital-x", "updates"),))


def test_a_folder_whose_removal_was_interrupted_can_be_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = tmp_path / "demo"
    run.mkdir()
    with claimed(run):
        (run / "data").mkdir()
        (run / "report.html").write_text("")
    monkeypatch.setattr("shutil.rmtree", MagicMock(side_effect=[KeyboardInterrupt]))
    with pytest.raises(KeyboardInterrupt), claimed(run):
        pass
    monkeypatch.undo()
    with claimed(run):
        assert [path.name for path in run.iterdir()] == ["DEMONSTRATION"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(NodeError, match="FL4001"), claimed(tmp_path):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_two_demonstrations_do_not_share_a_folder(tmp_path: Path):
    with claimed(tmp_path):
        (tmp_path / "network.txt").write_text("running")
        with pytest.raises(NodeError, match="FL4602"), claimed(tmp_path):
            pass
        assert (tmp_path / "network.txt").read_text() == "running"
