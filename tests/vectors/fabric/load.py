"""Reads the vectors."""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def load(name: str) -> list[dict[str, Any]]:
    """Return the cases of a file, with the values that they share put back."""
    content = json.loads((HERE / f"{name}.json").read_text())
    shared = content["shared"]

    def whole(value: Any) -> Any:
        if isinstance(value, str) and value in shared:
            return shared[value]
        if isinstance(value, dict):
            return {key: whole(inner) for key, inner in value.items()}
        return [whole(inner) for inner in value] if isinstance(value, list) else value

    return [whole(case) for case in content["cases"]]
