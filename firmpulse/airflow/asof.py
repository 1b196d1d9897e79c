"""The date of a run; the only place that decides it."""

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from firmpulse import clock
from firmpulse.calendar import CHINA
from firmpulse.errors import ConfigurationError


def resolve(given: str | None, interval_end: datetime | None) -> str:
    """Return the as_of of a run in ISO format: the date given, or the interval's last whole day.

    Args:
        given: the run's parameter `as_of`, such as 2026-10-31.
        interval_end: end of the run's data interval; a nightly run that ends at
            midnight on 1 November is for 31 October, in Chinese time.

    Raises:
        ConfigurationError: there is neither, the date is invalid, or it is after today.
    """
    if given:
        return clock.checked(_date(given)).isoformat()
    if interval_end is None:
        raise ConfigurationError(
            'this run has no data interval; trigger it with {"as_of": "2026-10-31"}'
        )
    return clock.checked(interval_end.astimezone(CHINA).date() - timedelta(days=1)).isoformat()


def day_of(given: str | None, interval_end: datetime | None) -> str:
    """Return the day of a run that acts on today, in ISO format: the date given, or the run's day.

    Args:
        given: the run's parameter `on`, such as 2026-10-31.
        interval_end: end of the run's data interval; its day in China counts.

    Raises:
        ConfigurationError: there is neither, the date is invalid, or it is after today.
    """
    if given:
        return clock.checked(_date(given, "on"), "on").isoformat()
    if interval_end is None:
        raise ConfigurationError(
            'this run has no data interval; trigger it with {"on": "2026-10-31"}'
        )
    return clock.checked(interval_end.astimezone(CHINA).date(), "on").isoformat()


def of_arrivals(given: str | None, events: Mapping[Any, Collection[Any]]) -> str:
    """Return the day of a run that deliveries triggered, in ISO format: the date given, or theirs.

    Args:
        given: the run's parameter `as_of`, such as 2026-10-31.
        events: the run's asset events; those of the watcher contain the day a delivery arrived.

    Raises:
        ConfigurationError: there is neither, the date is invalid, or it is after today.
    """
    days = [
        event.extra["payload"]["as_of"]
        for found in events.values()
        for event in found
        if event.extra.get("from_trigger")
    ]
    if given or not days:
        return resolve(given, None)
    return resolve(max(days), None)


def _date(given: str, what: str = "as_of") -> date:
    try:
        return date.fromisoformat(given)
    except (ValueError, TypeError):
        raise ConfigurationError(f"{what} must look like 2026-10-31, not {given!r}") from None
