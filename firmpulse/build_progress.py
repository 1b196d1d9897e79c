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
        """Log a node that has finished, five seconds after the start or the last line."""
        if event.info.name == "ConcurrencyLine":
            self._nodes = event.data.node_count
            self._said_at = self._clock()
        if event.info.name != "NodeFinished":
            return
        self._done += 1
        if self._clock() - self._said_at >= _EVERY_SECONDS:
            self._said_at = self._clock()
            LOG.info(
                "%d of %d models and tests, %s %.0f s",
                self._done,
                self._nodes,
                event.data.node_info.node_name,
                event.data.run_result.execution_time,
            )
