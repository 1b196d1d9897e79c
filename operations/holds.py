"""What waits for a person's word before anything is destroyed: the clock, and erasures of many."""

from collections.abc import Iterator

from consent import today
from erasure import honour
from firmpulse.errors import ConfirmationNeeded
from firmpulse.settings import Settings


def waiting(settings: Settings) -> Iterator[ConfirmationNeeded]:
    """Yield what a person has to confirm; the clock first, without which nothing else can be."""
    try:
        today.certain(settings)
        honour.allowed(settings)
    except ConfirmationNeeded as stop:
        yield stop
