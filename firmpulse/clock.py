"""The clock: the only place that decides which day is today.

No setting or variable changes it: that would let an unchecked date in.
"""

from datetime import UTC, date, datetime

from firmpulse.calendar import CHINA
from firmpulse.errors import ConfigurationError


def now() -> datetime:
    """Return the time of the machine's clock, in UTC."""
    return datetime.now(UTC)


def today() -> date:
    """Return today's date in China."""
    return now().astimezone(CHINA).date()


def checked(day: date, what: str = "as_of") -> date:
    """Return a day if something may be done for it: today in China, or earlier.

    Args:
        day: the day.
        what: the caller's name for it, such as --on.

    Raises:
        ConfigurationError: it is after today.
    """
    latest = today()
    if day > latest:
        raise ConfigurationError(
            f"{what} {day} is after today, which is {latest} in China; give {latest} or an "
            f"earlier day"
        )
    return day
