"""Puts rows straight into a vault, so that steps after landing can be tested alone."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, timedelta
from itertools import groupby
from typing import Any
from unittest.mock import patch

import duckdb
import polars as pl

from extracts import contracts
from features import build
from firmpulse import warehouse
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings

Row = Mapping[str, Any]
_META = {
    "firm": "varchar",
    "row_id": "bigint",
    "record_version": "integer",
    "available_at": "date",
    "delivery_seq": "bigint",
}


def types_of(table: str) -> dict[str, str]:
    """Return column → SQL type of a raw table."""
    columns = {c.name: c.physical_type for c in contracts.load()[table].columns}
    return columns | _META


def make_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create every raw table, empty."""
    for table in contracts.load():
        columns = ", ".join(f'"{name}" {kind}' for name, kind in types_of(table).items())
        connection.execute(f"create table if not exists vault.raw.{table} ({columns})")


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Iterable[Row]) -> None:
    """Insert rows; missing columns are null."""
    types = types_of(table)
    for names, alike in groupby(rows, key=tuple):
        unknown = set(names) - set(types)
        assert not unknown, f"{table} has no column {unknown}"
        values = [list(row.values()) for row in alike]
        columns = ", ".join(f'"{name}"' for name in names)
        marks = ", ".join(f"cast(? as {types[name]})" for name in names)
        connection.execute(
            f"insert into vault.raw.{table} ({columns}) values "
            + ", ".join([f"({marks})"] * len(values)),
            [value for row in values for value in row],
        )


def fill(
    settings: Settings,
    rows: Mapping[str, Collection[Row]],
    *,
    provider: str = "test",
    night: date | None = None,
) -> None:
    """Create the raw tables and insert rows by table; a table without rows is also delivered.

    Args:
        settings: home folder.
        rows: table → rows.
        provider: who delivers them.
        night: night of an increment; None for a history.
    """
    with warehouse.connect(settings, vault=True) as connection:
        make_tables(connection)
        for table, table_rows in rows.items():
            insert(connection, table, table_rows)
            seqs = sorted({row["delivery_seq"] for row in table_rows}) or [1]
            connection.executemany(
                _DELIVERED,
                [
                    {
                        "seq": seq, "table": table, "source": contracts.load()[table].source,
                        "provider": provider, "night": night or date(2000, 1, 1),
                        "kind": "increment" if night else "history",
                    }
                    for seq in seqs
                ],
            )  # fmt: skip
        _note_landed(connection, (row["delivery_seq"] for t in rows.values() for row in t))


_DELIVERED = """
    insert into warehouse.ops.deliveries by name
    select
        $night as as_of, $seq as delivery_seq, 'test' as delivery_id, $source as source,
        $provider as provider, $table as table_name, $kind as kind, 0 as rows_delivered,
        0 as rows_in_refused_files, 0 as rows_read, 0 as rows_landed, 0 as rows_restated,
        0 as rows_duplicate, 0 as rows_refused_by_gate, 0 as rows_quarantined,
        0 as rows_sharing_key, 0 as columns_dropped, 'landed' as status, now() as landed_at
"""


def _note_landed(connection: duckdb.DuckDBPyConnection, seqs: Iterable[int]) -> None:
    """Record the landings; without them nothing is masked."""
    connection.execute(
        "insert into vault.ops.landed (delivery_id, source, manifest_sha256, delivery_seq, "
        "last_row_id) values ('test', 'test', '', ?, 0)",
        [max(seqs, default=0)],
    )


def invoice(
    row_id: int, firm: str, day: date, amount: float, /, *, other: str = "C1", **changes: Any
) -> Row:
    """Return a sales invoice (or a purchase with direction='IN') known the day after issue."""
    direction = changes.pop("direction", "OUT")
    seller, buyer = (firm, other) if direction == "OUT" else (other, firm)
    known = changes.pop("available_at", day + timedelta(days=1))
    return {
        "firm": f"uscc:{firm}",
        "row_id": row_id,
        "record_version": 1,
        "available_at": known,
        "delivery_seq": 1,
        "direction": direction,
        "invoice_no": f"{row_id:020d}",
        "issue_time": day,
        "seller_tax_no": seller,
        "buyer_tax_no": buyer,
        "amount": amount,
        "tax": 0,
        "total": amount,
        "status": "NORMAL",
        **changes,
    }


def build_views(settings: Settings, as_of: date, *views: str) -> None:
    """Build some models and what they are made of; the whole project takes several times longer."""
    build_only(settings, as_of, *(f"+{view}" for view in views))


def build_only(settings: Settings, as_of: date, *select: str, full_refresh: bool = False) -> None:
    """Build what dbt selects, such as what has news on a later night, and nothing behind it."""
    with patch.dict(build.SELECTORS, {"all": select}):
        build.build(settings, as_of, "all", full_refresh=full_refresh)


def features_of_cases(
    settings: Settings,
    as_of: date,
    view: str,
    table: str,
    cases: Mapping[str, Collection[Row]],
) -> dict[str, dict[str, Any]]:
    """Build a view once of rows of `F1`, those of each case under a firm named like the case.

    Args:
        settings: home folder.
        as_of: the night.
        view: one whose features of a firm follow from its own rows alone.
        table: the raw table of all rows.
        cases: case → rows.

    Returns:
        Case → features at `as_of`.
    """
    rows: list[Row] = []
    for place, (case, of_case) in enumerate(cases.items()):
        own = {"F1": case, "uscc:F1": f"uscc:{case}"}
        rows.extend(
            {name: own.get(str(value), value) for name, value in row.items()}
            | {"row_id": 1_000 * place + row["row_id"]}
            for row in of_case
        )
    fill(settings, {table: rows})
    build_views(settings, as_of, view)
    key = keyring.load(settings, "token_key")
    case_of = {str(tokens.firm_token(key, f"uscc:{case}")): case for case in cases}
    return {
        case_of[row["firm_id"]]: row
        for row in features_of(settings, view)
        .filter(pl.col("as_of") == as_of)
        .iter_rows(named=True)
    }


def features_of(settings: Settings, view: str, schema: str = "features") -> pl.DataFrame:
    """Return a feature view, or a watch table, without its bookkeeping, ordered by key."""
    with warehouse.connect(settings) as connection:
        return (
            connection.execute(
                f"select * exclude (through_seq) replace (firm_id::varchar as firm_id) "
                f"from warehouse.{schema}.{view} order by all"
            )
            .pl()
            .sort("firm_id", "as_of")
        )
