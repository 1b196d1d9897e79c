"""Delete raw rows that are masked and past the time in which corrections are looked up by hand.

What ordering the versions of a row needs stays in `vault.known`: the key, a digest of the content,
the number and the days of the newest version, but no cell. A row that is delivered again is a
duplicate as before, and a changed one the next version of its row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

from consent import today
from extracts import contracts
from extracts.contracts import Contract
from extracts.reading import row_sql
from extracts.reading.sql import ident
from extracts.vault import raw_tables
from firmpulse import runlog, warehouse
from firmpulse.keys import renewal
from firmpulse.settings import Settings

# A file is rewritten if over a quarter of it is free, and over 64 MiB, in blocks of 256 KiB.
_FREE_SHARE, _FREE_BLOCKS = 0.25, 256


@dataclass(frozen=True)
class PurgeReport:
    """What one call deleted."""

    deliveries: int
    # Raw rows by table; tables without any are omitted.
    raw_rows: Mapping[str, int]
    quarantined_rows: int
    # Whether the vault was rewritten because much of it was free.
    renewed: bool = False

    def summary(self) -> dict[str, int | bool]:
        """Return the report's numbers for a task's result."""
        return {
            "deliveries": self.deliveries,
            "raw_rows": sum(self.raw_rows.values()),
            "quarantined_rows": self.quarantined_rows,
            "renewed": self.renewed,
        }


def purge(settings: Settings, as_of: date) -> PurgeReport:
    """Delete raw and quarantined rows that landed `raw_days` or more before `as_of` and are masked.

    One transaction; run again, it deletes nothing more. The blocks that held the rows are free
    and overwritten by later rows; once they are much of the file, the vault is renewed.

    Raises:
        ConfigurationError: the night is after today.
        ConfirmationNeeded: the clock that made the night has jumped.
    """
    today.check(settings, as_of)
    with runlog.step(settings, as_of, "purge") as step:
        report = _purge_due(settings, as_of)
        step.rows_out = sum(report.raw_rows.values()) + report.quarantined_rows
    return report


def _purge_due(settings: Settings, as_of: date) -> PurgeReport:
    known = contracts.load()
    with warehouse.connect(settings, vault=True) as connection:
        raw_tables.create_tables(connection, known)
        due = _due(connection, as_of - timedelta(days=settings.raw_days))
        connection.execute("begin")
        try:
            rows = {table: _purge(connection, contract, due) for table, contract in known.items()}
            quarantined = _delete(connection, "vault.ops.quarantine", due)
            connection.execute("commit")
        except BaseException:
            connection.execute("rollback")
            raise
        is_holey = _is_holey(connection)
    left = {table: count for table, count in rows.items() if count}
    touched = len(due) if left or quarantined else 0
    is_renewed = bool(touched) and is_holey
    if is_renewed:
        renewal.renew(settings, "vault")
    return PurgeReport(touched, left, quarantined, is_renewed)


def _is_holey(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether much of the vault's file is free."""
    connection.execute("checkpoint vault")
    free, total = connection.execute(
        "select free_blocks, total_blocks from pragma_database_size() where database_name = 'vault'"
    ).fetchall()[0]
    return bool(free > _FREE_BLOCKS and free > _FREE_SHARE * total)


def _due(connection: duckdb.DuckDBPyConnection, landed_by: date) -> list[int]:
    """Return the deliveries that landed by a day and before the newest successful masking.

    A masking processes every landed row, even those that its models drop, so no model needs to
    be checked.
    """
    found = connection.execute(
        """
        select distinct delivery_seq from vault.ops.deliveries
        where as_of <= $landed_by and delivery_seq is not null and landed_at < (
            select max(started_at) from warehouse.ops.steps
            where step = 'build' and part in ('mask', 'all') and state = 'success'
        )
        order by all
        """,
        {"landed_by": landed_by},
    ).fetchall()
    return [seq for (seq,) in found]


def _purge(connection: duckdb.DuckDBPyConnection, contract: Contract, due: Sequence[int]) -> int:
    """Move the newest version of each key into `vault.known`; delete the rows."""
    raw, known = (f"vault.{schema}.{ident(contract.table)}" for schema in ("raw", "known"))
    order = ident(contract.version_order) if contract.version_order else "null"
    booking = ""
    if contract.key_trust.apart:
        booking = f"arg_max({row_sql.booking_key(contract)}, record_version) as booking_key,"
    connection.execute(
        f"""
        create or replace temp table leaving as
        select any_value(firm) as firm, row_key,
            arg_max({row_sql.row_hash(contract)}, record_version) as row_hash, {booking}
            any_value(row_id) as row_id, max(record_version) as record_version,
            max(available_at) as available_at, arg_max({order}, record_version) as version_order,
            arg_max(delivery_seq, record_version) as delivery_seq
        from {raw} where list_contains($due, delivery_seq) group by row_key
        """,  # noqa: S608 — quoted identifiers
        {"due": list(due)},
    )
    # Versions rise with the deliveries: rows that leave now are newer than those that left.
    connection.execute(
        f"delete from {known} where row_key in (select row_key from leaving)"  # noqa: S608 — quoted
    )
    connection.execute(f"insert into {known} by name from leaving")
    connection.execute("drop table leaving")
    return _delete(connection, raw, due)


def _delete(connection: duckdb.DuckDBPyConnection, table: str, due: Sequence[int]) -> int:
    (count,) = connection.execute(
        f"delete from {table} where list_contains($due, delivery_seq)",  # noqa: S608 — quoted
        {"due": list(due)},
    ).fetchall()[0]
    return int(count)
