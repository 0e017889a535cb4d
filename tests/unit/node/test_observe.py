"""What operators see of a node."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from fl_node.node.observe import configure_logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave logging as it was."""
    root, gateway = logging.getLogger(), logging.getLogger("gateway")
    handlers, level = root.handlers, gateway.level
    yield
    root.handlers = handlers
    gateway.setLevel(level)
    structlog.reset_defaults()


def test_a_line_goes_to_standard_output_as_it_is_when_it_is_written(monkeypatch: pytest.MonkeyPatch):
    """A command line that ran in this process before, with an output of its own, is over and leaves nothing behind."""
    earlier, now = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", earlier)
    configure_logs()
    earlier.close()
    monkeypatch.setattr(sys, "stdout", now)
    structlog.get_logger("node").info("phase", attempt="one/1/1")
    line = json.loads(now.getvalue())
    assert (line["event"], line["attempt"], line["level"]) == ("phase", "one/1/1", "info")


def test_what_the_gateway_and_libraries_log_is_a_line_of_the_same_shape(monkeypatch: pytest.MonkeyPatch):
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stdout", shown)
    configure_logs()
    configure_logs()  # whoever does it twice gets no line twice
    extra = {"event": "peer left", "fields": {"left": "a:1", "used": "b:1"}}
    logging.getLogger("gateway").info("peer left: from %s to %s", "a:1", "b:1", extra=extra)
    logging.getLogger("some.library").info("of no interest")
    logging.getLogger("some.library").error("failed at %d", 7, exc_info=OSError("it broke"))
    left, failed = (json.loads(line) for line in shown.getvalue().splitlines())
    assert (left["event"], left["level"], left["used"], left["logger"]) == ("peer left", "info", "b:1", "gateway")
    assert (failed["event"], failed["level"]) == ("failed at 7", "error")
    assert "OSError: it broke" in failed["exception"]
    assert {"timestamp", "level", "event"} <= left.keys() & failed.keys()
