"""The audit chain's evidence for today's date, and whether the clock is plausible.

The chain confirms the day of an entry that is at most `clock_days` after the newest day confirmed
before. Entries made with a clock that had jumped further confirm nothing, in any number, until a
person has confirmed the date; once the clock is right again they do no harm.
"""

import json
from datetime import date, timedelta

import sqlalchemy as sa

from consent import audit, store
from consent.reasons import checked_reason
from consent.tables import AUDIT
from firmpulse import clock
from firmpulse.errors import ConfigurationError, ConfirmationNeeded
from firmpulse.settings import Settings

# Entries are in UTC; a day in China begins in the evening before.
_ZONES = timedelta(days=1)
_CLOCK = "clock"


def check(settings: Settings, day: date, what: str = "as_of") -> date:
    """Return a day if something may be destroyed or published for it.

    Raises:
        ConfigurationError: it is after today in China.
        ConfirmationNeeded: it is implausibly far after the newest day that the chain confirms.
    """
    clock.checked(day, what)
    known = last_known(settings)
    if known is not None and day > known + timedelta(days=settings.clock_days):
        raise _jumped(known, day)
    return day


def certain(settings: Settings) -> date:
    """Return today in China, if the chain does not contradict the clock.

    Raises:
        ConfirmationNeeded: the clock is too far ahead of the chain's newest entry, or behind it.
    """
    today, known = clock.today(), last_known(settings)
    if known is not None and today < known - _ZONES:
        raise _jumped(known, today)
    return check(settings, today)


def surely(settings: Settings) -> date:
    """Return today in China, or the last day that the chain confirms if the clock has jumped."""
    with store.reading(settings) as connection:
        return surely_in(connection, settings)


def surely_in(connection: sa.Connection, settings: Settings) -> date:
    """Return the same inside a transaction of the control store."""
    today, known = clock.today(), _last_known(connection, settings.clock_days)
    if known is not None and today > known + timedelta(days=settings.clock_days):
        return known
    return today


def confirm(settings: Settings, day: date, *, because: str, actor: str) -> str:
    """Let a person confirm that the clock shows the right day; return the entry's hash.

    Raises:
        ConfigurationError: the clock shows another day, or a task confirms.
        GrantError: the reason seems to contain an identifier.
    """
    by_a_person(actor)
    checked_reason(because)
    if day != (today := clock.today()):
        raise ConfigurationError(
            f"by the clock of this machine it is {today} in China, not {day}; set the "
            f"clock, or type the day that it shows if that is right"
        )
    details = {"what": _CLOCK, "day": day.isoformat(), "reason": because}
    return audit.append(settings, "CONFIRM", actor=actor, **details)


def by_a_person(actor: str) -> None:
    """Refuse a task: a program must not confirm what a person has to confirm.

    Raises:
        ConfigurationError: the actor is a task.
    """
    if actor.startswith("task "):
        raise ConfigurationError(f"{actor} cannot confirm this; a person must, by command")


def last_known(settings: Settings) -> date | None:
    """Return the last day that the chain confirms, None for an empty chain."""
    with store.reading(settings) as connection:
        return _last_known(connection, settings.clock_days)


def _last_known(connection: sa.Connection, bound_days: int) -> date | None:
    day = sa.func.substr(AUDIT.c.at, 1, 10)
    entries = sa.select(
        AUDIT.c.seq, AUDIT.c.action, AUDIT.c.details, day.label("day"),
        sa.func.lag(day).over(order_by=AUDIT.c.seq).label("before"),
    ).subquery()  # fmt: skip
    # The first entry of each day is enough; a day has many.
    is_telling = sa.or_(
        entries.c.before.is_(None),
        entries.c.before != entries.c.day,
        entries.c.action == "CONFIRM",
    )
    query = sa.select(entries).where(is_telling).order_by(entries.c.seq)
    known: date | None = None
    for entry in connection.execute(query):
        written = date.fromisoformat(entry.day)
        details = json.loads(entry.details) if entry.action == "CONFIRM" else {}
        if details.get("what") == _CLOCK:
            known = date.fromisoformat(details["day"])
        elif known is None or written <= known + timedelta(days=bound_days):
            known = max(written, known or written)
    return known


def _jumped(known: date, day: date) -> ConfirmationNeeded:
    today = clock.today()
    days, side = abs((day - known).days), "after" if day > known else "before"
    which = f"by the clock it is {today} in China" + ("" if day == today else f"; {day} is")
    return ConfirmationNeeded(
        f"{which}, {days} days {side} {known}, the last day that the audit chain confirms; nothing "
        f"is destroyed or published for a day that may come from a wrong clock",
        f'firmpulse audit confirm-clock {today} --because "..."',
    )
