"""What operators see of a node."""

import io
import json
import sys

import pytest
import structlog

from fl_node.node.observe import configure_logs


def test_a_line_goes_to_standard_output_as_it_is_when_it_is_written(monkeypatch: pytest.MonkeyPatch):
    """A command line that ran in this process before, with an output of its own, is over and leaves nothing behind."""
    earlier, now = io.StringIO(), io.StringIO()
    try:
        monkeypatch.setattr(sys, "stdout", earlier)
        configure_logs()
        earlier.close()
        monkeypatch.setattr(sys, "stdout", now)
        structlog.get_logger("node").info("phase", attempt="one/1/1")
    finally:
        structlog.reset_defaults()
    line = json.loads(now.getvalue())
    assert (line["event"], line["attempt"], line["level"]) == ("phase", "one/1/1", "info")
