"""A federation's story as replay told it: votes, a dropout, a refuted aggregate, a roll back, a void round."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def story() -> dict[str, Any]:
    return dict(json.loads((Path(__file__).parent / "story.json").read_text()))
