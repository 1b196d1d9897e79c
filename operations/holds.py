"""What waits for a person's confirmation: the clock, and erasures of many firms."""

from collections.abc import Iterator

from consent import today
from erasure import honour
from firmpulse.errors import ConfirmationNeeded
from firmpulse.settings import Settings


def waiting(settings: Settings) -> Iterator[ConfirmationNeeded]:
    """Yield what a person must confirm; the clock first, since all else depends on it."""
    try:
        today.certain(settings)
        honour.allowed(settings)
    except ConfirmationNeeded as stop:
        yield stop
