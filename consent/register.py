"""Queries over the ledger, as frames; grants have the token of their firm."""

from collections.abc import Collection
from datetime import date
from typing import Any

import polars as pl
import sqlalchemy as sa

from consent import certificates, store
from consent.certificates import Certificate
from consent.states import CONSUMED, DRAFT, GRANTED, end_of, in_force, is_over, state_on
from consent.tables import CERTIFICATES, EVENTS, GRANTS
from firmpulse import clock
from firmpulse.errors import GrantError
from firmpulse.settings import Settings

_DATES = ("window_start", "valid_from", "valid_to", "ended_on", "purged_on", "day")
_FLAGS = ("keep_results", "separate_consent")
_LIVE = (
    "authorization_id", "firm_id", "source", "purpose", "recipient", "window_start", "valid_from",
    "valid_to", "keep_results",
)  # fmt: skip
_ENDED = (
    "authorization_id",
    "firm_id",
    "source",
    "purpose",
    "keep_results",
    "ended_as",
    "ended_on",
)
_STATUS = (
    "authorization_id", "source", "purpose", "recipient", "state", "window_start", "valid_from",
    "valid_to", "keep_results", "grantor_role", "separate_consent", "text_version", "text_sha256",
    "ended_as", "ended_on", "purged_on", "certificate_id",
)  # fmt: skip
_HISTORY = (
    "at", "day", "event", "authorization_id", "source", "purpose", "recipient", "actor", "reason",
)  # fmt: skip


class Register:
    """The queries; `Ledger` adds the changes."""

    def __init__(self, settings: Settings) -> None:
        """Remember where the control store is; it is created on first use."""
        self._settings = settings

    def live(
        self,
        as_of: date,
        source: str | None = None,
        purposes: Collection[str] | None = None,
        recipient: str | None = None,
    ) -> pl.DataFrame:
        """Return one row per grant that is in force on `as_of`.

        Columns: authorization_id, firm_id (token as text), source, purpose, recipient,
        window_start, valid_from, valid_to, keep_results. A revoked or purged grant is
        never in force, a used one only for the night of its use.
        """
        query = sa.select(*(GRANTS.c[name] for name in _LIVE)).where(in_force(as_of))
        if source is not None:
            query = query.where(GRANTS.c.source == source)
        if purposes is not None:
            query = query.where(GRANTS.c.purpose.in_(list(purposes)))
        if recipient is not None:
            query = query.where(GRANTS.c.recipient == recipient)
        return _frame(self._rows_of(query), _LIVE)

    def withdrawn(self, on: date) -> pl.Series:
        """Return the firm_ids without any grant left on a day: none of their data may be used.

        Raises:
            ConfigurationError: the day is after today.
        """
        clock.checked(on, "on")
        inside = sa.select(GRANTS.c.firm_id).where(in_force(on))
        query = (
            sa.select(GRANTS.c.firm_id)
            .where(is_over(on), GRANTS.c.firm_id.not_in(inside))
            .distinct()
            .order_by(GRANTS.c.firm_id)
        )
        return pl.Series("firm_id", [firm for (firm,) in self._rows_of(query)], dtype=pl.String)

    def firm_count(self) -> int:
        """Return how many firms have grants, signed or drafts, and data that are not erased."""
        query = sa.select(sa.func.count(sa.distinct(GRANTS.c.firm_id))).where(
            GRANTS.c.purged_on.is_(None)
        )
        return int(self._rows_of(query)[0][0])

    def served(self, as_of: date) -> pl.Series:
        """Return the firm_ids whose one-off assessment was for the night of `as_of`."""
        query = (
            sa.select(GRANTS.c.firm_id)
            .where(GRANTS.c.ended_as == CONSUMED, GRANTS.c.used_for == as_of)
            .distinct()
            .order_by(GRANTS.c.firm_id)
        )
        return pl.Series("firm_id", [firm for (firm,) in self._rows_of(query)], dtype=pl.String)

    def upcoming(self, on: date) -> pl.Series:
        """Return the firm_ids with a grant, or a draft, that begins after a day."""
        query = (
            sa.select(GRANTS.c.firm_id)
            .where(GRANTS.c.state.in_((DRAFT, GRANTED)), GRANTS.c.valid_from > on)
            .distinct()
            .order_by(GRANTS.c.firm_id)
        )
        return pl.Series("firm_id", [firm for (firm,) in self._rows_of(query)], dtype=pl.String)

    def ended(self, on: date, *, purged: bool = False) -> pl.DataFrame:
        """Return one row per grant that has ended by a day: not purged ones, or `purged` ones.

        A revoked grant counts on every day: nights before the revocation also run without it.

        Columns: authorization_id, firm_id, source, purpose, keep_results, ended_as (REVOKED,
        EXPIRED or CONSUMED), ended_on (first day without it).

        Raises:
            ConfigurationError: the day is after today; no grant has ended on it yet.
        """
        clock.checked(on, "on")
        query = (
            sa.select(GRANTS)
            .where(is_over(on), GRANTS.c.purged_on.is_not(None) == purged)
            .order_by(GRANTS.c.firm_id, GRANTS.c.authorization_id)
        )
        rows = [(*row[:2], row.source, row.purpose, row.keep_results, *end_of(row))
                for row in self._rows_of(query)]  # fmt: skip
        return _frame(rows, _ENDED)

    def status(self, firm_id: str, on: date) -> pl.DataFrame:
        """Return every grant of a firm with its state on a day, by source and purpose."""
        query = (
            sa.select(*(GRANTS.c[name] for name in _STATUS))
            .where(GRANTS.c.firm_id == firm_id)
            .order_by(GRANTS.c.source, GRANTS.c.purpose, GRANTS.c.valid_from)
        )
        rows = []
        for row in self._rows_of(query):
            state = state_on(row.state, row.valid_from, row.valid_to, on)
            rows.append(tuple({**row._mapping, "state": state}.values()))
        return _frame(rows, _STATUS)

    def history(self, firm_id: str) -> pl.DataFrame:
        """Return the history of a firm's grants, oldest first.

        Columns: at (UTC), day, event, authorization_id, source, purpose, recipient, actor, reason.
        """
        joined = EVENTS.join(GRANTS, EVENTS.c.authorization_id == GRANTS.c.authorization_id)
        columns = [(EVENTS if name in EVENTS.c else GRANTS).c[name] for name in _HISTORY]
        query = (
            sa.select(*columns)
            .select_from(joined)
            .where(GRANTS.c.firm_id == firm_id)
            .order_by(EVENTS.c.seq)
        )
        return _frame(self._rows_of(query), _HISTORY)

    def summary(self, as_of: date) -> pl.DataFrame:
        """Return one row per source and purpose: firms and grants in force, grants by end.

        Columns: source, purpose, firms, live, not_yet, expired, ended (revoked, consumed, purged).
        """
        granted, begun = GRANTS.c.state == GRANTED, GRANTS.c.valid_from <= as_of
        expired, waiting = GRANTS.c.valid_to < as_of, GRANTS.c.state == DRAFT
        counted = (in_force(as_of), granted & ~begun, granted & expired, ~granted & ~waiting)
        query = (
            sa.select(
                GRANTS.c.source,
                GRANTS.c.purpose,
                sa.func.count(sa.distinct(sa.case((counted[0], GRANTS.c.firm_id)))),
                *(sa.func.count(sa.case((condition, 1))) for condition in counted),
            )
            .group_by(GRANTS.c.source, GRANTS.c.purpose)
            .order_by(GRANTS.c.source, GRANTS.c.purpose)
        )
        counts = {name: pl.Int64 for name in ("firms", "live", "not_yet", "expired", "ended")}
        schema = {"source": pl.String, "purpose": pl.String, **counts}
        rows = [tuple(row) for row in self._rows_of(query)]
        return pl.DataFrame(rows, schema=schema, orient="row")

    def certificate(self, certificate_id: str) -> Certificate:
        """Return a deletion certificate.

        Raises:
            GrantError: there is none with this id.
        """
        rows = self._rows_of(
            sa.select(CERTIFICATES).where(CERTIFICATES.c.certificate_id == certificate_id)
        )
        if not rows:
            raise GrantError(
                f"there is no certificate {certificate_id}; see: firmpulse consent status FIRM"
            )
        return certificates.from_row(rows[0])

    def certificates(self, firm_id: str) -> list[Certificate]:
        """Return the deletion certificates of a firm, oldest first."""
        # A certificate has the token of its day; the grants have the newest one.
        named = sa.select(GRANTS.c.certificate_id).where(GRANTS.c.firm_id == firm_id)
        query = (
            sa.select(CERTIFICATES)
            .where(
                sa.or_(
                    CERTIFICATES.c.firm_id == firm_id,
                    CERTIFICATES.c.certificate_id.in_(named.where(GRANTS.c.purged_on.is_not(None))),
                )
            )
            .order_by(CERTIFICATES.c.issued_on, CERTIFICATES.c.certificate_id)
        )
        return [certificates.from_row(row) for row in self._rows_of(query)]

    def _rows_of(self, query: sa.Select[Any]) -> list[Any]:
        with store.reading(self._settings) as connection:
            return list(connection.execute(query))


def _frame(rows: list[Any], columns: tuple[str, ...]) -> pl.DataFrame:
    types: dict[str, type[pl.DataType]] = dict.fromkeys(_DATES, pl.Date)
    types |= dict.fromkeys(_FLAGS, pl.Boolean)
    schema = {name: types.get(name, pl.String) for name in columns}
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")
