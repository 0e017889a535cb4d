"""What takes minutes runs when it is asked for: TFF compiles each plan for many seconds."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "lengthy" in config.option.markexpr:
        return
    skip = pytest.mark.skip(reason="takes minutes: run it with -m 'slow or lengthy'")
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("lengthy"):
            item.add_marker(skip)
