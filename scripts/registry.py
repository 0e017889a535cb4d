"""Compiles fl_node/evm/PassportRegistry.vy: `uv run --with vyper==0.4.3 scripts/registry.py`; `--check` only compares.

The compiler is no dependency of the project. A test holds the digest of the source against what was compiled.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parent.parent / "fl_node" / "evm" / "PassportRegistry.vy"
TARGET = SOURCE.with_suffix(".json")


def compiled() -> dict[str, Any]:
    """Return code and selectors."""
    from vyper import __version__, compile_code  # noqa: PLC0415 - not a dependency

    made = compile_code(SOURCE.read_text("utf-8"), output_formats=["bytecode", "method_identifiers"])
    selectors = {name: f"{int(value, 16):08x}" for name, value in made["method_identifiers"].items()}
    return {
        "vyper": __version__.split("+")[0],
        "source": sha256(SOURCE.read_bytes()).hexdigest(),
        "selectors": selectors,
        "bytecode": made["bytecode"].removeprefix("0x"),
    }


def main() -> int:
    """Write the artefact; return 1 if it differs and `--check` is given."""
    text = json.dumps(compiled(), indent=1) + "\n"
    if "--check" in sys.argv:
        return int(TARGET.read_text("utf-8") != text)
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
