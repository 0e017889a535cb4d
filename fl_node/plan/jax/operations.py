"""What a plan's programs may hold: an allow-list of StableHLO operations, read from the program itself."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from jax import export
from jax._src.interpreters.mlir import make_ir_context
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo
from jaxlib.mlir.passmanager import PassManager

from fl_node import codes
from fl_node.plan.allowed import allowed_ops
from fl_node.plan.errors import plan_error

CUSTOM_CALL: Final = "stablehlo.custom_call"
HARMLESS_CALLS: Final = frozenset({"shape_assertion"})
"""The only custom calls that nodes run: a check of sizes, which JAX resolves before anything runs."""
COMPATIBLE: Final = stablehlo.StablehloCompatibilityRequirement.WEEK_4
"""How old a reader of the programs may be: as JAX itself writes them; a plan runs on one version anyway."""
HERE: Final = Path(__file__).parent


def read_program(name: str, raw: bytes) -> export.Exported:
    """Reads a serialized program.

    Args:
        name: `work` or `evaluate`.
        raw: Its bytes.

    Raises:
        PlanError: FL3013 where they are no program for one device that does nothing but return its results.
    """
    try:
        program = export.deserialize(bytearray(raw))
        effects = (*program.ordered_effects, *program.unordered_effects)
        whole = program.nr_devices == 1 and "cpu" in program.platforms and not effects
    except Exception as error:
        raise plan_error(codes.NOT_A_ROUND, f"{name} cannot be read: {type(error).__name__}") from error
    if not whole:
        raise plan_error(codes.NOT_A_ROUND, f"{name} is no program for one processor without effects")
    return program


def stripped(program: export.Exported) -> export.Exported:
    """Takes the names of source files out of a program: they tell where it was built, and differ between builds."""
    with make_ir_context() as context:
        version = stablehlo.get_version_from_compatibility_requirement(COMPATIBLE)
        module = stablehlo.deserialize_portable_artifact(context, program.mlir_module_serialized)
        PassManager.parse("builtin.module(strip-debuginfo)").run(module.operation)
        bare = stablehlo.serialize_portable_artifact(module, version)
    return replace(program, mlir_module_serialized=bare)


def check_program(name: str, program: export.Exported) -> tuple[str, ...]:
    """Checks every operation of a program, functions and regions included.

    Args:
        name: `work` or `evaluate`.
        program: The program.

    Returns:
        The random operations that it holds, sorted, each once.

    Raises:
        PlanError: FL3005 (operation not allowed), FL3006 (random operation outside work), FL3013 (no StableHLO).
    """
    refused, drawn = list[str](), set[str]()

    def visit(operation: Any) -> Any:
        section = allowed_ops(HERE).get(operation.name)
        called = _target(operation) if operation.name == CUSTOM_CALL else ""
        if section is None or (operation.name == CUSTOM_CALL and called not in HARMLESS_CALLS):
            refused.append(f"{operation.name} {called}".strip())
        elif section == "random":
            drawn.add(operation.name)
        return ir.WalkResult.ADVANCE

    try:
        with make_ir_context() as context:
            stablehlo.deserialize_portable_artifact(context, program.mlir_module_serialized).operation.walk(visit)
    except Exception as error:
        raise plan_error(codes.NOT_A_ROUND, f"{name} holds no StableHLO: {type(error).__name__}") from error
    if refused:
        raise plan_error(codes.OP_NOT_ALLOWED, f"operation {refused[0]} in {name}")
    if drawn and name != "work":
        raise plan_error(codes.RANDOM_OP, f"operation {min(drawn)} in {name}")
    return tuple(sorted(drawn))


def _target(operation: Any) -> str:
    return str(ir.StringAttr(operation.attributes["call_target_name"]).value)
