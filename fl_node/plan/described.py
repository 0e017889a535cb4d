"""Calls a researcher's function: Python that reads what it likes, so only ever on its author's machine."""

import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from pydantic import ValidationError

from fl_node import codes
from fl_node.plan.errors import plan_error
from network.errors import FedledgerError

OWN_CODE: Final = "That line of your own code raised this, or what it calls did: mend it there."


def described(file: Path, function: str) -> tuple[Any, Any]:
    """Imports a researcher's file and calls its function, which has no parameters.

    The file may import others beside it; where they are a package, with an `__init__.py`, relative to it too. Installed
    packages come before files of the same name.

    Returns:
        What the function returns, and the module.

    Raises:
        PlanError: FL3012, with the line of the researcher's own code.
    """
    if not file.is_file() or file.suffix != ".py":
        raise plan_error(codes.SOURCE_UNUSABLE, "no such Python file", str(file))
    try:
        module = _imported(file)
        return _function(module, function, file)(), module
    except FedledgerError:
        raise
    except ValidationError as error:
        first = error.errors()[0]
        said = f"{'.'.join(map(str, first['loc']))} {first['msg']}".strip()
        raise plan_error(codes.SOURCE_UNUSABLE, said, _place(error, file, function), OWN_CODE) from error
    except Exception as error:
        raise plan_error(codes.SOURCE_UNUSABLE, _point(error), _place(error, file, function), OWN_CODE) from error


def _imported(file: Path) -> ModuleType:
    root, parts = file.parent, [file.stem]
    while (root / "__init__.py").is_file():
        root, parts = root.parent, [root.name, *parts]
    if str(root) not in sys.path:
        sys.path.append(str(root))  # last: a file named as a module that frameworks import must not take its place
    if len(parts) > 1:
        return importlib.import_module(".".join(parts))
    spec = importlib.util.spec_from_file_location(f"plan_source_{file.stem}", file)
    assert spec
    assert spec.loader, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _function(module: ModuleType, name: str, file: Path) -> Callable[[], Any]:
    found: Callable[[], Any] | None = getattr(module, name, None)
    if found is None or not callable(found):
        offered = ", ".join(each for each, value in vars(module).items() if _own_function(value, module))
        hint = f"Name one of its own: FILE.py:NAME ({offered})."
        raise plan_error(codes.SOURCE_UNUSABLE, f"the file has no function {name}", str(file), hint)
    return found


def _own_function(found: Any, module: ModuleType) -> bool:
    return callable(found) and getattr(found, "__module__", "") == module.__name__ and not isinstance(found, type)


def _point(error: Exception) -> str:
    """Return what is wrong: of TensorFlow's long stories the last line that names an error, else the first line."""
    lines = [line.strip() for line in str(error).strip().splitlines()] or [""]
    named = [line for line in lines if re.match(r"\w+Error: ", line)]
    return (named[-1] if named else f"{type(error).__name__}: {lines[0]}")[:300]


def _place(error: BaseException, file: Path, function: str) -> str:
    """Return the innermost line of the researcher's own files that the error came through."""
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve().is_relative_to(file.parent.resolve())
    ]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else f"{file}:{function}"
