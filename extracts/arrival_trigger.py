"""Tells Airflow that a delivery has come in; the triggerer runs it, tasks never do."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from firmpulse import clock
from firmpulse.settings import Settings


class DeliveryArrived(BaseEventTrigger):  # type: ignore[misc] # Airflow brings no types
    """Fires when a small delivery comes into the inbox; one that lay there before is the night's.

    The event says for which day it is to be assessed: the day it came in, in China.
    """

    def __init__(self, poll_seconds: float = 2.0) -> None:
        super().__init__()
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, from which the triggerer makes it again."""
        return f"{__name__}.{type(self).__name__}", {"poll_seconds": self.poll_seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look into the inbox again and again; what is refused stays there and fires once."""
        # Not at the top: a DAG file imports this module, and it has to load fast.
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
