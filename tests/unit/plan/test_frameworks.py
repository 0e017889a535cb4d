"""The registry: which framework a manifest names, and that plans made before there was one stay what they were."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from fl_node.canonical import canonical_json
from fl_node.plan.container import load_plan
from fl_node.plan.environment import Environment, _commands
from fl_node.plan.errors import PlanError
from fl_node.plan.frameworks import FRAMEWORKS, JAX, TFF, TORCH, Framework, parse_manifest, require_version
from fl_node.plan.runtime import RUNTIMES
from fl_node.plan.tff.manifest import TffManifest
from tests.unit.plan.samples import manifest

KEPT = Path(__file__).parent / "kept" / "tumour-tff.flplan"
DIGEST = "aae3d1e8b0929e689c5e42275800f4425b7465c1be20fa50cd1a1afe7b1ca081"


def test_a_plan_file_of_before_the_registry_is_read_with_the_digest_and_the_manifest_that_it_had():
    plan = load_plan(KEPT, DIGEST)
    assert isinstance(plan.manifest, TffManifest)
    assert plan.manifest.framework_version == "0.87.0"
    assert plan.manifest.layout_digest == "88bf85a77843f5d9934d89c57fff4d61d48db335cac7cca01257671c85d465fd"
    assert list(plan.computations) == ["prepare", "work", "update"]


@pytest.mark.parametrize("named", ["caffe", "", 7, None])
def test_a_manifest_of_a_framework_that_is_none_of_the_registry_is_refused(named: object):
    fields = json.loads(manifest().canonical()) | {"framework": named}
    with pytest.raises(PlanError, match="FL3003: framework is none of tensorflow-federated, jax, torch"):
        parse_manifest(canonical_json(fields))


def test_a_manifest_of_one_framework_does_not_pass_as_one_of_another():
    fields = json.loads(manifest().canonical()) | {"framework": "jax"}
    with pytest.raises(PlanError, match="FL3003"):
        parse_manifest(canonical_json(fields))


def test_every_framework_has_what_runs_its_plans_and_says_its_version():
    assert RUNTIMES.keys() == FRAMEWORKS.keys()
    assert all(framework.manifest.model_fields["framework"].default == name for name, framework in FRAMEWORKS.items())
    assert TFF.version == version("tensorflow-federated")
    assert JAX.version.count(".") == TORCH.version.count(".") == 2


def test_a_plan_for_another_version_is_refused():
    with pytest.raises(PlanError, match=r"FL3004: the plan needs tensorflow-federated 0\.86\.0, found 0\.87\.0"):
        require_version(manifest(framework_version="0.86.0"))


@pytest.mark.parametrize("framework", [JAX, TORCH])
def test_the_locked_list_names_versions_and_hashes_and_no_address(framework: Framework):
    assert framework.environment
    lines = framework.environment.lock.read_text().splitlines()
    assert all("==" in line or line.startswith("    --hash=sha256:") for line in lines)
    assert not any("://" in line or "index" in line for line in lines)


def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str) -> Environment:
    monkeypatch.setenv("FEDLEDGER_RUNTIMES", str(tmp_path / "runtimes"))
    (tmp_path / "list").write_text(lock)
    return Environment("none", "nothing", tmp_path / "list")


def test_an_environment_that_is_not_installed_is_refused_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(PlanError, match="FL3047") as caught:
        made(tmp_path, monkeypatch, "nothing==1\n").require()
    assert "`fedledger plan runtime install none`" in caught.value.hint


def test_an_environment_is_made_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    environment = made(tmp_path, monkeypatch, "nothing==1 \\\n    --hash=sha256:0\n")  # a digest of no file
    with pytest.raises(PlanError, match="FL3048"):
        environment.install()
    assert list((tmp_path / "runtimes").iterdir()) == []
    empty = made(tmp_path, monkeypatch, "")
    assert empty.install() == empty.install() == empty.folder
    assert empty.installed
    (tmp_path / "list").write_text("another==1\n")
    assert not empty.installed


def test_uv_leaves_bytecode_as_pip_does_since_a_plans_child_may_write_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shutil.which", lambda _: "uv")
    _, install = _commands(Path("made"), Path("list"))
    assert install[0] == "uv"
    assert "--compile-bytecode" in install
