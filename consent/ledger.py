"""The consent ledger: grants of firms, by token, in the control store."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
        wanted = self._rows(grants)
        with self._connection() as connection:
            known = _terms(connection, list(wanted))
            for authorization_id, terms in known.items():
                _require_same(authorization_id, terms, wanted[authorization_id])
            added = [row for key, row in wanted.items() if key not in known]
            if added:
                connection.execute(sa.insert(_GRANTS), added)
        return len(added)

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

    def _rows(self, grants: Iterable[Grant]) -> dict[str, dict[str, Any]]:
        """Return the ledger's rows by authorization_id, the firm as its token."""
        key = keys.load(self._settings, "token_key")
        rows: dict[str, dict[str, Any]] = {}
        for grant in grants:
            row = asdict(grant)
            row["firm_id"] = str(tokens.firm_token(key, row.pop("firm")))
            earlier = rows.setdefault(grant.authorization_id, row)
            _require_same(grant.authorization_id, earlier, row)
        for row in rows.values():
            row["state"] = _GRANTED
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


def _terms(
    connection: sa.Connection, authorization_ids: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    """Return the terms of the known among these grants."""
    found: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(authorization_ids), _BATCH):
        batch = authorization_ids[start : start + _BATCH]
        query = sa.select(_GRANTS).where(_GRANTS.c.authorization_id.in_(batch))
        for row in connection.execute(query).mappings():
            found[row["authorization_id"]] = dict(row)
    return found


def _require_same(
    authorization_id: str, earlier: Mapping[str, Any], later: Mapping[str, Any]
) -> None:
    terms = [name for name in later if name != "state"]
    if changed := [name for name in terms if earlier[name] != later[name]]:
        raise GrantError(
            f"grant {authorization_id} is known with another {changed[0]}; a firm that changes "
            f"its mind revokes the grant and gives a new one"
        )
