"""The pages of the examples: their commands run, and name only what there is."""

import os
import re
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from fl_node.examples.catalogue import EXAMPLES

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "examples"


def commands(page: Path) -> list[list[str]]:
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)).splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def test_every_example_has_a_page_whose_commands_are_about_it():
    assert {page.stem for page in PAGES.glob("*.md")} == {*EXAMPLES, "README"}
    for name, example in EXAMPLES.items():
        page = PAGES / f"{name}.md"
        assert all(f"--framework {framework}" in page.read_text() for framework in example.frameworks[1:])
        for command in commands(page):
            asked = dict(pairwise(command))
            if command[0] == "scripts/run":
                assert asked.get("--plan", "tumour") == name
                assert asked.get("--framework", example.frameworks[0]) in example.frameworks
            elif command[2] == "shares":
                assert command[3] == name
                assert command[5].startswith(f"{example.who}-")
            else:
                assert Path(command[3]).stem.startswith(name)


@pytest.mark.lengthy
@pytest.mark.jax
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_commands_of_a_page_run(tmp_path: Path, example: str):
    (tmp_path / "fl_node").symlink_to(ROOT / "fl_node")
    path = f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"
    ran = [command for command in commands(PAGES / f"{example}.md") if command[0] == "fedledger"]
    for command in ran:
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
