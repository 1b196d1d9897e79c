"""Progress of long work is a line of the log, and nothing for work of seconds."""

import logging

import pytest

from firmpulse import long_work
from firmpulse.long_work import LOG, RowsDone


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time in seconds, to be moved by the test."""
    now = [100.0]
    monkeypatch.setattr(long_work.time, "monotonic", lambda: now[0])
    return now


def test_work_of_seconds_says_nothing(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOG.name)
    done = RowsDone("bank-1", 2_000_000)
    for seconds in (101.0, 103.0, 104.9):
        clock[0] = seconds
        done.add(500_000)
    assert caplog.messages == []


def test_long_work_says_rows_and_percent_every_five_seconds(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOG.name)
    done = RowsDone("bank-1", 16_000_000)
    for seconds in (103.0, 106.0, 109.0, 112.0):
        clock[0] = seconds
        done.add(1_000_000)
    assert caplog.messages == [
        "bank-1: 2,000,000 of 16,000,000 rows, 12 percent",
        "bank-1: 4,000,000 of 16,000,000 rows, 25 percent",
    ]


def test_a_delivery_without_rows_says_nothing(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOG.name)
    done = RowsDone("bank-1", 0)
    clock[0] = 200.0
    done.add(0)
    assert caplog.messages == []


def test_a_command_hears_the_lines_that_else_go_to_the_log(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOG.name)
    lines: list[str] = []
    with long_work.heard(lines.append):
        done = RowsDone("tax-1", 4)
        clock[0] = 106.0
        done.add(1)
    clock[0] = 112.0
    done.add(3)
    assert lines == ["tax-1: 1 of 4 rows, 25 percent"]
    assert caplog.messages == ["tax-1: 4 of 4 rows, 100 percent"]
