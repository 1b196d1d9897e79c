"""Says in the log how far a long dbt build is."""

import logging
import time
from collections.abc import Callable
from typing import Any

# The command line shows what is logged here; under the scheduler it is in the task's log.
LOG = logging.getLogger("firmpulse.progress")
# A shorter build says nothing, and a longer one says something at most this often.
_EVERY_SECONDS = 5.0


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
