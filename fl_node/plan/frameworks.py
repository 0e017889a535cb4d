"""The frameworks that may run plans: what each one's manifest, process and environment are. Imports none of them."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from fl_node import codes
from fl_node.canonical import CanonicalError, decode_strict
from fl_node.plan.environment import Environment
from fl_node.plan.errors import plan_error
from fl_node.plan.jax.manifest import JaxManifest
from fl_node.plan.kinds import manifest as kinds
from fl_node.plan.manifest import Manifest
from fl_node.plan.tff.manifest import TffManifest
from fl_node.plan.torch.manifest import TorchManifest

HERE: Final = Path(__file__).parent


@dataclass(frozen=True)
class Framework:
    """One framework.

    Attributes:
        word: Its name on the command line.
        name: Its name in a manifest.
        title: Its name for people.
        manifest: What its plans' manifests hold.
        worker: The module that its processes run.
        environment: Its own environment; None where its packages are the node's own.
        own_version: Its version where it is this project's own and no package.
    """

    word: str
    name: str
    title: str
    manifest: type[Manifest]
    worker: str
    environment: Environment | None = None
    own_version: str = ""

    @property
    def version(self) -> str:
        """The version that runs, or would once its environment is installed; "none" where the node lacks it."""
        if self.environment:
            return self.environment.version
        if self.own_version:
            return self.own_version
        try:
            return version(self.name)
        except PackageNotFoundError:
            return "none"


TFF: Final = Framework("tff", "tensorflow-federated", "TensorFlow Federated", TffManifest, "fl_node.plan.tff.worker")
JAX: Final = Framework(
    "jax",
    "jax",
    "JAX, with Keras 3",
    JaxManifest,
    "fl_node.plan.jax.worker",
    Environment(
        "jax",
        "jax",
        HERE / "jax" / "requirements.lock",
        {"JAX_PLATFORMS": "cpu", "KERAS_BACKEND": "jax", "KERAS_HOME": "/nonexistent", "TF_CPP_MIN_LOG_LEVEL": "3"},
        "some 200 MB",
    ),
)
KINDS: Final = Framework(
    "kinds",
    kinds.NAME,
    "Regression, statistics, clusters and trees",
    kinds.KindManifest,
    "fl_node.plan.kinds.worker",
    own_version=kinds.VERSION,
)
TORCH: Final = Framework(
    "torch",
    "torch",
    "PyTorch",
    TorchManifest,
    "fl_node.plan.torch.worker",
    Environment(
        "torch",
        "torch",
        HERE / "torch" / "requirements.lock",
        # Threads that spin while they wait make small models thirty times slower on a busy machine.
        {"CUDA_VISIBLE_DEVICES": "-1", "OMP_WAIT_POLICY": "PASSIVE"},
        "some 2.5 GB",
    ),
)
FRAMEWORKS: Final[Mapping[str, Framework]] = {framework.name: framework for framework in (TFF, JAX, TORCH, KINDS)}
"""By the name in a manifest."""
BY_WORD: Final[Mapping[str, Framework]] = {framework.word: framework for framework in FRAMEWORKS.values()}


def imported_by(file: Path) -> Framework:
    """Returns the framework whose plans a Python file makes, by what it imports of `fl_node.plan`.

    It is TFF where nothing tells; files of one's own that it imports are not looked at.
    """
    try:
        tree = ast.parse(file.read_text("utf-8"))
    except (OSError, ValueError, SyntaxError):  # the compiler says what is wrong with it
        return TFF
    modules = [each.module or "" for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)]
    modules += [name.name for each in ast.walk(tree) if isinstance(each, ast.Import) for name in each.names]
    prefix = "fl_node.plan."
    words = [module.removeprefix(prefix).split(".")[0] for module in modules if module.startswith(prefix)]
    return next((BY_WORD[word] for word in words if word in BY_WORD), TFF)


def require_version(manifest: Manifest) -> None:
    """Checks that exactly the plan's version of its framework is the one that runs here, without importing it.

    Raises:
        PlanError: FL3004.
    """
    found = FRAMEWORKS[manifest.framework].version
    if found != manifest.framework_version:
        raise plan_error(
            codes.OTHER_FRAMEWORK, f"the plan needs {manifest.framework} {manifest.framework_version}, found {found}"
        )


def parse_manifest(raw: bytes) -> Manifest:
    """Reads a manifest strictly, as its framework's kind.

    Raises:
        PlanError: FL3003 for bytes that are not the canonical form of a valid manifest.
    """
    try:
        fields = decode_strict(raw)
        named = fields.get("framework") if isinstance(fields, dict) else None
        if not isinstance(named, str) or named not in FRAMEWORKS:
            raise plan_error(codes.BAD_MANIFEST, f"framework is none of {', '.join(FRAMEWORKS)}", "manifest.json")
        manifest = FRAMEWORKS[named].manifest.model_validate(fields)
    except (CanonicalError, ValidationError) as error:
        raise plan_error(codes.BAD_MANIFEST, _first_line(error), "manifest.json") from error
    if manifest.canonical() != raw:
        raise plan_error(codes.BAD_MANIFEST, "not in canonical form", "manifest.json")
    return manifest


def _first_line(error: CanonicalError | ValidationError) -> str:
    if isinstance(error, CanonicalError):
        return str(error)
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'manifest'}: {first['msg']}"
