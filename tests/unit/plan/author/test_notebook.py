"""The notebook's cells run from top to bottom, and say what its text says."""

import json
from pathlib import Path

from fl_node.plan.author.trial import Trial
from tests.unit.plan.conftest import ROOT

NOTEBOOK = ROOT / "docs" / "notebooks" / "first-plan.ipynb"


def test_the_notebook_runs_and_its_trial_learns(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    for cell in cells:
        if cell["cell_type"] == "code":
            assert not cell["outputs"], "outputs tell of somebody's machine"
            exec(compile("".join(cell["source"]), str(NOTEBOOK), "exec"), names)
    trial = names["trial"]
    assert isinstance(trial, Trial)
    assert len(trial.rows) == 4
    assert trial.final["loss"] < 0.3
    assert 'label=Label(name="diagnosis", values=("benign", "malignant"))' in names["text"]
