"""Notifies Airflow of a new delivery; runs in the triggerer, never in a task."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from firmpulse import clock
from firmpulse.settings import Settings


class DeliveryArrived(BaseEventTrigger):  # type: ignore[misc] # Airflow brings no types
    """Fires when a small delivery arrives in the inbox; older ones are left to the night.

    The event names the day to assess: the day of arrival, in China.
    """

    def __init__(self, poll_seconds: float = 2.0) -> None:
        super().__init__()
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, from which the triggerer recreates it."""
        return f"{__name__}.{type(self).__name__}", {"poll_seconds": self.poll_seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll the inbox; a refused delivery stays there and fires once."""
        # Not at the top: a DAG file imports this module and must load fast.
        from extracts import arrivals

        settings = Settings()
        seen = await asyncio.to_thread(arrivals.waiting, settings)
        while True:
            await asyncio.sleep(self.poll_seconds)
            found = await asyncio.to_thread(arrivals.waiting, settings)
            if any(seen.get(name) != sha256 for name, sha256 in found.items()):
                day = clock.today().isoformat()
                yield TriggerEvent({"as_of": day, "deliveries": sorted(found)})
            seen = found
