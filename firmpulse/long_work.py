"""Progress of long work: how much of it is done, as lines of the log.

Airflow shows them in the log of the task. `heard` hands them to a command that does the work in
its own process.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOG = logging.getLogger(__name__)
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
        _LOG.info(
            "%s: %s of %s rows, %d percent",
            self._what, f"{self._done:,}", f"{self._total:,}", 100 * self._done // self._total,
        )  # fmt: skip


@contextmanager
def heard(say: Callable[[str], None] | None) -> Iterator[None]:
    """Hand each line to `say`, if there is one, and to nobody else."""
    if say is None:
        yield
        return
    handler = _Handler(say)
    before = _LOG.level, _LOG.propagate
    _LOG.addHandler(handler)
    _LOG.setLevel(logging.INFO)
    _LOG.propagate = False
    try:
        yield
    finally:
        _LOG.removeHandler(handler)
        _LOG.level, _LOG.propagate = before


class _Handler(logging.Handler):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(record.getMessage())
