"""What the blob service logs: little and seldom, whatever callers do."""

import logging

import structlog.testing

from fl_node.blobs.reports import EVERY_S, LONGEST, Reports, logger


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_same_thing_is_logged_at_once_and_then_seldom_with_its_count():
    clock = Clock()
    reports = Reports(clock)
    with structlog.testing.capture_logs() as lines:
        for second in range(100):
            clock.now = float(second)
            reports.tell("too often", address="x")
    assert [line["untold"] for line in lines] == [0, EVERY_S - 1, EVERY_S - 1, EVERY_S - 1]


def test_another_thing_is_logged_at_once():
    reports = Reports(Clock())
    with structlog.testing.capture_logs() as lines:
        for what in ("one", "two", "one"):
            reports.tell(what)
    assert [line["event"] for line in lines] == ["one", "two"]


def test_a_long_text_is_cut():
    with structlog.testing.capture_logs() as lines:
        Reports(Clock()).tell("what", reason="x" * 10_000)
    assert len(lines[0]["reason"]) == LONGEST


def test_of_an_error_only_type_and_place_are_logged():
    with structlog.testing.capture_logs() as lines:
        try:
            int("a secret, " * 1000)
        except ValueError:
            logger(Reports(Clock())).exception("Error handling request from %s", "a secret")
    assert (lines[0]["event"], lines[0]["error"]) == ("a request failed", "ValueError")
    assert lines[0]["place"].startswith("test_reports.py:")
    assert "secret" not in str(lines)


def test_what_goes_to_the_reports_goes_nowhere_else(caplog):
    with structlog.testing.capture_logs():
        logger(Reports(Clock())).error("nobody hears this")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
