"""Dates as they are typed: a day on whose account something is done lies in no future."""

from datetime import date, datetime

import typer

from firmpulse import clock
from firmpulse.errors import ConfigurationError


def not_ahead(parameter: typer.CallbackParam, value: datetime | None) -> datetime | None:
    """Return a typed date.

    Raises:
        ConfigurationError: it lies after today in China.
    """
    if value is not None:
        clock.checked(value.date(), _name(parameter))
    return value


def text_not_ahead(parameter: typer.CallbackParam, value: str | None) -> str | None:
    """Return the text of a date, or of none.

    Raises:
        ConfigurationError: it is no date, or it lies after today in China.
    """
    if value:
        clock.checked(parsed(value, _name(parameter)), _name(parameter))
    return value


def month_not_ahead(parameter: typer.CallbackParam, value: str | None) -> str | None:
    """Return the text of a month such as 2026-01; what is none is named by who reads it.

    Raises:
        ConfigurationError: it begins after today in China.
    """
    try:
        first = date.fromisoformat(f"{value}-01")
    except ValueError:
        return value
    clock.checked(first, _name(parameter))
    return value


def parsed(text: str | None, name: str = "a date") -> date:
    """Return a typed date, today in China without one.

    Raises:
        ConfigurationError: it is no date.
    """
    if not text:
        return clock.today()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{name} looks like 2026-10-31, not {text!r}, which is no day"
        ) from None


def _name(parameter: typer.CallbackParam) -> str:
    return parameter.opts[0] if parameter.param_type_name == "option" else str(parameter.name)
