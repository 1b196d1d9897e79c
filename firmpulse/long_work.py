"""Progress of long work: how much of it is done, as lines of the log.

Airflow shows them in the log of the task. `heard` hands them to a command that does the work in
its own process.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

LOG = logging.getLogger("firmpulse.progress")
# Work that takes less says nothing.
_EVERY_SECONDS = 5.0


class RowsDone:
    """Rows that are done, of those that there are; says so at most every five seconds."""

    def __init__(self, what: str, total: int) -> None:
        """Start the clock.

        Args:
            what: what the rows belong to, such as a delivery; no identifier of a firm.
            total: rows that there are.
        """
        self._what, self._total = what, total
        self._done = 0
        self._said_at = time.monotonic()

    def add(self, rows: int) -> None:
        """Count more rows as done."""
        self._done += rows
        if time.monotonic() - self._said_at < _EVERY_SECONDS or not self._total:
            return
        self._said_at = time.monotonic()
        LOG.info(
            "%s: %s of %s rows, %d percent",
            self._what, f"{self._done:,}", f"{self._total:,}", 100 * self._done // self._total,
        )  # fmt: skip


class BuildProgress:
    """Counts the finished nodes of one build; called by dbt with each of its events."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said_at = 0.0
        self._nodes = self._done = 0

    def __call__(self, event: Any) -> None:
        """Log what is done, five seconds after the start or the last line."""
        name, data = event.info.name, event.data
        if name == "ConcurrencyLine":
            self._nodes, self._said_at = data.node_count, self._clock()
        elif name == "JinjaLogInfo":
            # A slice of a large table.
            self._say(data.msg)
        elif name == "NodeFinished":
            self._done += 1
            node, seconds = data.node_info.node_name, data.run_result.execution_time
            self._say(f"{self._done} of {self._nodes} models and tests, {node} {seconds:.0f} s")

    def _say(self, line: str) -> None:
        if self._clock() - self._said_at >= _EVERY_SECONDS:
            self._said_at = self._clock()
            LOG.info(line)


@contextmanager
def heard(say: Callable[[str], None]) -> Iterator[None]:
    """Hand each line to `say` and to nobody else."""
    handler = _Handler(say)
    level, propagates = LOG.level, LOG.propagate
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)
        LOG.propagate = propagates


class _Handler(logging.Handler):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(record.getMessage())
