"""States of a grant: DRAFT, GRANTED, ACTIVE, then EXPIRED, REVOKED or CONSUMED, then PURGED.

Stored are DRAFT, GRANTED, REVOKED, CONSUMED and PURGED; ACTIVE and EXPIRED follow from the dates,
so that no action is needed when a grant begins or ends.
"""

from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from consent.tables import GRANTS

DRAFT, GRANTED, ACTIVE = "DRAFT", "GRANTED", "ACTIVE"
EXPIRED, REVOKED, CONSUMED, PURGED = "EXPIRED", "REVOKED", "CONSUMED", "PURGED"


def state_on(stored: str, valid_from: date, valid_to: date, on: date) -> str:
    """Return the state of a grant on a day."""
    if stored != GRANTED or on < valid_from:
        return stored
    return ACTIVE if on <= valid_to else EXPIRED


def in_force(on: date) -> sa.ColumnElement[bool]:
    """Return the condition that a grant is in force on a day; a revoked one never is.

    A used one-off grant stays in force for the night of its use, which may run again.
    """
    used_for_it = sa.and_(GRANTS.c.state == CONSUMED, GRANTS.c.used_for == on)
    stands = sa.or_(GRANTS.c.state == GRANTED, used_for_it)
    return sa.and_(stands, GRANTS.c.valid_from <= on, GRANTS.c.valid_to >= on)


def is_over(on: date) -> sa.ColumnElement[bool]:
    """Return the condition that a grant was or could have been in force, and no longer is."""
    expired = sa.and_(GRANTS.c.state == GRANTED, GRANTS.c.valid_to < on)
    used = sa.and_(GRANTS.c.state == CONSUMED, GRANTS.c.ended_on <= on)
    return sa.or_(GRANTS.c.state.in_((REVOKED, PURGED)), used, expired)


def end_of(row: Any) -> tuple[str, date]:
    """Return how a grant ended, and the first day without it."""
    if row.state == GRANTED:
        return EXPIRED, row.valid_to + timedelta(1)
    return row.ended_as, row.ended_on
