"""Tables of the vault: raw rows per contract, quarantine, and what has landed."""

from collections.abc import Mapping

import duckdb

from extracts.contracts import Contract
from extracts.reading.sql import ident
from extracts.vault import problem_records

# One row per table of a delivery; the same table in the vault and in the warehouse.
_DELIVERIES = """
create table if not exists {database}.ops.deliveries (
    as_of date not null,
    -- Null for a delivery that was refused as a whole.
    delivery_seq bigint,
    delivery_id varchar not null,
    source varchar not null,
    -- Null, as the next two, when the manifest could not be read.
    provider varchar,
    table_name varchar,
    kind varchar,
    delivered_at timestamptz,
    -- What the manifest promised, without titles and totals that it counted, and the part of it in
    -- files that were refused.
    rows_delivered bigint not null,
    rows_in_refused_files bigint not null,
    rows_read bigint not null,
    rows_landed bigint not null,
    rows_restated bigint not null,
    rows_duplicate bigint not null,
    rows_refused_by_gate bigint not null,
    rows_quarantined bigint not null,
    -- Rows read whose key another row of the delivery has too, with other content.
    rows_sharing_key bigint not null,
    columns_dropped integer not null,
    status varchar not null,
    refusal varchar,
    -- What is worth a look although the rows landed.
    warning varchar,
    landed_at timestamptz not null,
    -- Which lines of which file, by its ordinal, are titles or totals and no rows.
    notes varchar
)
"""

_VAULT = (
    """
    create table if not exists vault.ops.landed (
        delivery_id varchar not null,
        source varchar not null,
        manifest_sha256 varchar not null,
        delivery_seq bigint not null,
        -- Highest row_id given out so far, over all tables.
        last_row_id bigint not null
    )
    """,
    """
    create table if not exists vault.ops.quarantine (
        delivery_seq bigint not null,
        delivery_id varchar not null,
        table_name varchar not null,
        file varchar not null,
        line bigint,
        column_name varchar,
        rule varchar not null,
        value_class varchar not null,
        -- Null, as the next one, where the row's firm cannot be told.
        record varchar,
        -- scheme:value.
        firm varchar
    )
    """,
    """
    create table if not exists vault.ops.refused_files (
        delivery_seq bigint not null,
        delivery_id varchar not null,
        file varchar not null,
        reason varchar not null
    )
    """,
    """
    -- Versions that were the newest of their key when another delivery repeated them.
    create table if not exists vault.ops.repeated (
        table_name varchar not null,
        row_key uhugeint not null,
        record_version integer not null,
        delivery_seq bigint not null
    )
    """,
    """
    -- Natural keys under which a delivery brought different bookings: `extracts.vault.shared_keys`.
    create table if not exists vault.ops.shared_keys (
        table_name varchar not null,
        firm varchar not null,
        row_key uhugeint not null,
        delivery_seq bigint not null
    )
    """,
    """
    create table if not exists vault.ops.files (
        delivery_seq bigint not null,
        file_no integer not null,
        file varchar not null
    )
    """,
)


# Tables beside the raw ones that a landing writes before `ops.landed`.
_BY_DELIVERY = (
    "ops.quarantine", "ops.refused_files", "ops.repeated", "ops.shared_keys", "ops.files",
    "ops.deliveries", "ops.delivery_problems",
)  # fmt: skip


def create_tables(connection: duckdb.DuckDBPyConnection, contracts: Mapping[str, Contract]) -> None:
    """Create whatever is missing, all contracts included, so that later steps find every table."""
    connection.execute("create schema if not exists vault.known")
    for statement in _VAULT:
        connection.execute(statement)
    connection.execute(_DELIVERIES.format(database="vault"))
    problem_records.create_table(connection, "vault")
    for contract in contracts.values():
        connection.execute(raw_table(contract))
        connection.execute(known_table(contract))


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
        # A literal, so that DuckDB passes over whole row groups.
        connection.execute(
            f"delete from vault.{table} where delivery_seq > {landed:d}"  # noqa: S608 — our own names
        )
    connection.execute("commit")


def create_warehouse_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the warehouse's record of deliveries and of what was wrong with them."""
    connection.execute(_DELIVERIES.format(database="warehouse"))
    problem_records.create_table(connection, "warehouse")


def raw_table(contract: Contract) -> str:
    """Return the DDL of a raw table: one row per version of a row of the source."""
    own = ", ".join(
        f"{ident(column.name)} {column.physical_type}"
        # The cell of a party that is nobody is null even where something has to be in it.
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
