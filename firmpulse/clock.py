"""What time it is: the only place that says which day is today.

No setting and no variable changes it: a date that nobody checked would come in by that door.
"""

from datetime import UTC, date, datetime

from firmpulse.calendar import CHINA


def now() -> datetime:
    """Return the time of the machine's clock, in UTC."""
    return datetime.now(UTC)


def today() -> date:
    """Return the day it is in China."""
    return now().astimezone(CHINA).date()
