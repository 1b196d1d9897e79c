"""What time it is: the only place that says which day is today.

No setting and no variable changes it: a date that nobody checked would come in by that door.
"""

from datetime import UTC, date, datetime

from firmpulse.calendar import CHINA
from firmpulse.errors import ConfigurationError


def now() -> datetime:
    """Return the time of the machine's clock, in UTC."""
    return datetime.now(UTC)


def today() -> date:
    """Return the day it is in China."""
    return now().astimezone(CHINA).date()


def checked(day: date, what: str = "as_of") -> date:
    """Return a day on whose account something may be done: today in China, or one before.

    Args:
        day: the day.
        what: how the caller calls it, such as --on.

    Raises:
        ConfigurationError: it lies after today.
    """
    latest = today()
    if day > latest:
        raise ConfigurationError(
            f"{what} {day} lies after today, which is {latest} in China; give {latest} or an "
            f"earlier day"
        )
    return day
