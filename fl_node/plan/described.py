"""Calls a researcher's function: Python that reads what it likes, so only ever on its author's machine."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fl_node import codes
from fl_node.plan.errors import plan_error
from network.errors import FedledgerError


def described(file: Path, function: str) -> tuple[Any, Any]:
    """Imports a researcher's file and calls its function, which has no parameters.

    Returns:
        What the function returns, and the module.

    Raises:
        PlanError: FL3012.
    """
    spec = importlib.util.spec_from_file_location(f"plan_source_{file.stem}", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise plan_error(codes.SOURCE_UNUSABLE, "no such Python file", str(file))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        return getattr(module, function)(), module
    except FedledgerError:
        raise
    except ValidationError as error:
        first = error.errors()[0]
        raise plan_error(
            codes.SOURCE_UNUSABLE, f"{'.'.join(map(str, first['loc']))} {first['msg']}", f"{file}:{function}"
        ) from error
    except Exception as error:
        raise plan_error(codes.SOURCE_UNUSABLE, f"{type(error).__name__}: {error}", f"{file}:{function}") from error
