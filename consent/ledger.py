"""The consent ledger: grants of firms, by token, in the control store."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from consent.grants import Grant
from firmpulse import keys, tokens
from firmpulse.errors import GrantError
from firmpulse.settings import Settings

_GRANTED, _REVOKED = "granted", "revoked"
# SQLite takes at most 32,766 parameters in a statement.
_BATCH = 5_000

_METADATA = sa.MetaData()
_GRANTS = sa.Table(
    "grants",
    _METADATA,
    sa.Column("authorization_id", sa.String, primary_key=True),
    sa.Column("firm_id", sa.String(36), nullable=False, index=True),
    sa.Column("source", sa.String, nullable=False),
    sa.Column("purpose", sa.String, nullable=False),
    sa.Column("recipient", sa.String, nullable=False),
    sa.Column("window_start", sa.Date, nullable=False),
    sa.Column("valid_from", sa.Date, nullable=False),
    sa.Column("valid_to", sa.Date, nullable=False),
    sa.Column("text_version", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("revoked_on", sa.Date),
)
_LIVE_COLUMNS = (
    "authorization_id",
    "firm_id",
    "source",
    "purpose",
    "recipient",
    "window_start",
    "valid_from",
    "valid_to",
)
_LIVE_SCHEMA = {
    name: pl.Date if name in ("window_start", "valid_from", "valid_to") else pl.String
    for name in _LIVE_COLUMNS
}


class Ledger:
    """Grants in the control store; it holds tokens of firms and no identifier."""

    def __init__(self, settings: Settings) -> None:
        """Keep where the control store is; it is made on first use."""
        self._settings = settings

    def record(self, grants: Iterable[Grant]) -> int:
        """Add the grants that are not there yet, all or none; return how many were added.

        Raises:
            GrantError: an authorization_id is known with other terms.
        """
        grants = list(grants)
        for index, name in self.contradictions(grants).items():
            raise GrantError(f"grant {grants[index].authorization_id} {changed(name)}")
        wanted = {row["authorization_id"]: {**row, "state": _GRANTED} for row in self._rows(grants)}
        with self._connection() as connection:
            known = _terms(connection, list(wanted))
            added = [row for key, row in wanted.items() if key not in known]
            if added:
                connection.execute(sa.insert(_GRANTS), added)
        return len(added)

    def contradictions(self, grants: Iterable[Grant]) -> dict[int, str]:
        """Return the changed term of each grant that is known with other terms, by its position.

        Known from the ledger, or from a grant before it that does not contradict the ledger.
        """
        rows = self._rows(grants)
        with self._connection() as connection:
            known = _terms(connection, [row["authorization_id"] for row in rows])
        found = {}
        for index, row in enumerate(rows):
            earlier = known.setdefault(row["authorization_id"], row)
            if others := [name for name in row if earlier[name] != row[name]]:
                found[index] = others[0]
        return found

    def live(self, as_of: date, source: str | None = None) -> pl.DataFrame:
        """Return one row per grant that is in force on `as_of`.

        Columns: authorization_id, firm_id (token as text), source, purpose, recipient,
        window_start, valid_from, valid_to. A revoked grant is in force on no day.
        """
        query = sa.select(*(_GRANTS.c[name] for name in _LIVE_COLUMNS)).where(
            _GRANTS.c.state == _GRANTED, _GRANTS.c.valid_from <= as_of, _GRANTS.c.valid_to >= as_of
        )
        if source is not None:
            query = query.where(_GRANTS.c.source == source)
        with self._connection() as connection:
            rows = [tuple(row) for row in connection.execute(query)]
        return pl.DataFrame(rows, schema=_LIVE_SCHEMA, orient="row")

    def revoke(self, authorization_id: str, on: date) -> None:
        """End a grant at once; a second call keeps the first day.

        Raises:
            GrantError: no such grant.
        """
        mine = _GRANTS.c.authorization_id == authorization_id
        with self._connection() as connection:
            if connection.execute(sa.select(_GRANTS.c.state).where(mine)).first() is None:
                raise GrantError(f"there is no grant {authorization_id}")
            connection.execute(
                sa.update(_GRANTS)
                .where(mine, _GRANTS.c.state == _GRANTED)
                .values(state=_REVOKED, revoked_on=on)
            )

    def summary(self, as_of: date) -> pl.DataFrame:
        """Return one row per source and purpose: firms and grants in force, grants by end.

        Columns: source, purpose, firms, live, not_yet, expired, revoked.
        """
        granted = _GRANTS.c.state == _GRANTED
        begun, ended = _GRANTS.c.valid_from <= as_of, _GRANTS.c.valid_to < as_of
        live = granted & begun & ~ended
        query = (
            sa.select(
                _GRANTS.c.source,
                _GRANTS.c.purpose,
                sa.func.count(sa.distinct(sa.case((live, _GRANTS.c.firm_id)))),
                *(
                    sa.func.count(sa.case((condition, 1)))
                    for condition in (live, granted & ~begun, granted & ended, ~granted)
                ),
            )
            .group_by(_GRANTS.c.source, _GRANTS.c.purpose)
            .order_by(_GRANTS.c.source, _GRANTS.c.purpose)
        )
        counts = {name: pl.Int64 for name in ("firms", "live", "not_yet", "expired", "revoked")}
        with self._connection() as connection:
            rows = [tuple(row) for row in connection.execute(query)]
        schema = {"source": pl.String, "purpose": pl.String, **counts}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _rows(self, grants: Iterable[Grant]) -> list[dict[str, Any]]:
        """Return the terms of grants as the ledger keeps them, the firm as its token."""
        key = keys.load(self._settings, "token_key")
        rows = [asdict(grant) for grant in grants]
        for row in rows:
            row["firm_id"] = str(tokens.firm_token(key, row.pop("firm")))
        return rows

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        url = sa.make_url(self._settings.control_db_url)
        if url.get_backend_name() == "sqlite" and url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        engine = sa.create_engine(url)
        try:
            _METADATA.create_all(engine)
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()


def changed(name: str) -> str:
    """Say what is wrong with a grant that contradicts an earlier one in a term."""
    return (
        f"is known with another {name}; a firm that changes its mind revokes the grant and "
        f"gives a new one"
    )


def _terms(
    connection: sa.Connection, authorization_ids: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return the terms of the known among these grants."""
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(authorization_ids), _BATCH):
        batch = authorization_ids[start : start + _BATCH]
        query = sa.select(_GRANTS).where(_GRANTS.c.authorization_id.in_(batch))
        for row in connection.execute(query).mappings():
            found[row["authorization_id"]] = dict(row)
    return found
