"""Vault tables derived from the contracts: raw rows, and what is kept of purged ones."""

from collections.abc import Mapping

import duckdb

from extracts.contracts import Contract
from extracts.reading.sql import ident

# Tables beside the raw ones that a landing writes before `ops.landed`.
_BY_DELIVERY = (
    "ops.quarantine", "ops.refused_files", "ops.repeated", "ops.shared_keys", "ops.files",
    "ops.deliveries", "ops.delivery_problems",
)  # fmt: skip


def create_tables(connection: duckdb.DuckDBPyConnection, contracts: Mapping[str, Contract]) -> None:
    """Create the tables of all contracts where they are absent, so that later steps find them."""
    connection.execute("begin")
    for contract in contracts.values():
        connection.execute(raw_table(contract))
        connection.execute(known_table(contract))
    connection.execute("commit")


def take_back(connection: duckdb.DuckDBPyConnection, contracts: Mapping[str, Contract]) -> None:
    """Delete what a delivery brought that was cut short: it is in no row of `ops.landed`.

    A delivery is stored chunk by chunk and counts once `ops.landed` has it. Numbers of deliveries
    rise, so that whatever has a higher one than all that landed belongs to none.
    """
    (landed,) = connection.execute(
        "select coalesce(max(delivery_seq), 0) from vault.ops.landed"
    ).fetchall()[0]
    connection.execute("begin")
    for table in (*(f"raw.{ident(name)}" for name in contracts), *_BY_DELIVERY):
        # A literal, so that DuckDB skips whole row groups.
        connection.execute(
            f"delete from vault.{table} where delivery_seq > {landed:d}"  # noqa: S608 — our own names
        )
    connection.execute("commit")


def raw_table(contract: Contract) -> str:
    """Return the DDL of a raw table: one row per version of a row of the source."""
    own = ", ".join(
        f"{ident(column.name)} {column.physical_type}"
        # The cell of a party that is nobody is null even in a required column.
        f"{' not null' if column.required and not column.party else ''}"
        for column in contract.columns
    )
    return f"""
create table if not exists vault.raw.{ident(contract.table)} (
    {own},
    firm varchar not null,
    row_id bigint not null,
    record_version integer not null,
    available_at date not null,
    delivery_seq bigint not null,
    file_no integer not null,
    line bigint not null,
    row_key uhugeint not null
)"""


def known_table(contract: Contract) -> str:
    """Return the DDL of what is kept of purged raw rows: the newest version of each natural key."""
    order = contract.version_order
    order_type = contract.column(order).physical_type if order else "integer"
    booking = "booking_key uhugeint not null," if contract.key_trust.apart else ""
    return f"""
create table if not exists vault.known.{ident(contract.table)} (
    firm varchar not null,
    row_key uhugeint not null,
    row_hash uhugeint not null,
    {booking}
    row_id bigint not null,
    record_version integer not null,
    available_at date not null,
    -- Value of the contract's versionOrder, null without one.
    version_order {order_type},
    delivery_seq bigint not null
)"""
