"""Dates as they are typed; the date of an action is never in the future."""

from datetime import date, datetime

import typer

from firmpulse import clock
from firmpulse.errors import ConfigurationError


def not_ahead(parameter: typer.CallbackParam, value: datetime | None) -> datetime | None:
    """Return a typed date.

    Raises:
        ConfigurationError: it is after today in China.
    """
    if value is not None:
        clock.checked(value.date(), _name(parameter))
    return value


def text_not_ahead(parameter: typer.CallbackParam, value: str | None) -> str | None:
    """Return the text of a date, or none.

    Raises:
        ConfigurationError: it is not a date, or is after today in China.
    """
    if value:
        clock.checked(parsed(value, _name(parameter)), _name(parameter))
    return value


def month_not_ahead(parameter: typer.CallbackParam, value: str | None) -> str | None:
    """Return the text of a month such as 2026-01; its reader refuses other texts.

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
    """Return a typed date; without one, today in China.

    Raises:
        ConfigurationError: it is not a date.
    """
    if not text:
        return clock.today()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{name} must look like 2026-10-31, not {text!r}") from None


def _name(parameter: typer.CallbackParam) -> str:
    return parameter.opts[0] if parameter.param_type_name == "option" else str(parameter.name)
