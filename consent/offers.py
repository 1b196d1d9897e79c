"""Grants with the usual window and period, for a firm that authorises several sources at once."""

import secrets
from collections.abc import Iterable
from datetime import date, timedelta

import polars as pl

from consent import wording
from consent.grants import PURPOSES, ROLES, SENSITIVE_SOURCES, Grant, usual_window_start
from firmpulse.calendar import add_months
from firmpulse.errors import GrantError
from firmpulse.sources import GRANTED_SOURCES, MAIN_SOURCES

# Meaning of "grant all"; training is never part of a bundle.
USUAL_SOURCES = MAIN_SOURCES
USUAL_PURPOSES = ("CREDIT_EVAL", "POST_LOAN_MONITOR")
_EVALUATION_DAYS, _PERIOD_MONTHS = 30, 12


def offer(
    firm: str,
    sources: Iterable[str],
    purposes: Iterable[str],
    *,
    recipient: str,
    valid_from: date,
    valid_to: date | None = None,
    window_start: date | None = None,
    keep_results: bool = False,
    grantor_role: str = ROLES[0],
) -> list[Grant]:
    """Return one grant per source and purpose, with new ids and the text in force.

    By default, an assessment may be made within 30 days and other grants last 12 months; bank
    history starts 6 months before the first day, other history 36 months before.

    Raises:
        GrantError: a source, purpose or role is unknown, or the last day is before the first.
    """
    sources = known("source", sources, GRANTED_SOURCES)
    purposes = known("purpose", purposes, PURPOSES)
    known("role", [grantor_role], ROLES)
    if valid_to is not None and valid_to < valid_from:
        raise GrantError(f"the last day {valid_to} is before the first day {valid_from}")
    return [
        Grant(
            authorization_id=f"A-{valid_from:%Y%m%d}-{secrets.token_hex(4)}",
            firm=firm,
            source=source,
            purpose=purpose,
            recipient=recipient,
            window_start=window_start or usual_window_start(source, valid_from),
            valid_from=valid_from,
            valid_to=valid_to or usual_end(purpose, valid_from),
            text_version=wording.CURRENT,
            keep_results=keep_results,
            grantor_role=grantor_role,
            separate_consent=source in SENSITIVE_SOURCES,
        )
        for source in sources
        for purpose in purposes
    ]


def new_among(grants: Iterable[Grant], status: pl.DataFrame) -> list[Grant]:
    """Return the grants that no grant in force of the same firm already covers."""
    standing = status.filter(pl.col("state").is_in(["GRANTED", "ACTIVE"])).rows(named=True)
    return [grant for grant in grants if not any(_covers(row, grant) for row in standing)]


def _covers(row: dict[str, object], grant: Grant) -> bool:
    same = ("source", "purpose", "recipient", "keep_results", "grantor_role", "text_version")
    return (
        all(row[name] == getattr(grant, name) for name in same)
        and row["window_start"] <= grant.window_start  # type: ignore[operator]
        and row["valid_from"] <= grant.valid_from  # type: ignore[operator]
        and row["valid_to"] >= grant.valid_to  # type: ignore[operator]
    )


def usual_end(purpose: str, valid_from: date) -> date:
    """Return the usual last day: an assessment within 30 days, others 12 months."""
    if purpose == "CREDIT_EVAL":
        return valid_from + timedelta(_EVALUATION_DAYS - 1)
    return add_months(valid_from, _PERIOD_MONTHS) - timedelta(1)


def known(what: str, given: Iterable[str], all_known: tuple[str, ...]) -> list[str]:
    """Return the names without repetitions.

    Raises:
        GrantError: one is unknown.
    """
    names = list(dict.fromkeys(given))
    for name in names:
        if name not in all_known:
            raise GrantError(f"there is no {what} {name}; use one of {', '.join(all_known)}")
    return names
