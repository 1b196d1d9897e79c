"""Versions of a row: which rows are new to the vault, and in which order.

The versions of a natural key are ordered by the contract's versionOrder if it has one, and by the
hand-over of their delivery. A row is a new version if it differs from the newest version and comes
after it. A row is counted as duplicate if it is equal to the newest version, or superseded: of a
lower versionOrder or an older hand-over than that version, or before it in its own delivery.
Within one delivery, equal rows are one, and rows are ordered by versionOrder, the date on which
the contract says they could be known, and their place.
A new version has the row_id of its key and the next record_version; it is available no earlier than
its delivery and the previous version, so that no correction applies before its hand-over.

A table is stored chunk by chunk. Rows with a key new to the vault, nearly all of a first delivery,
go to the vault at once. The others wait: rows that repeat the newest version in `echoes`,
which keeps their place only, and the rest in `contested`. When the last chunk has been read, rows
in the vault whose key came again join them, non-unique keys are resolved
(`extracts.vault.shared_keys`), and versions are numbered.
"""

import duckdb

from extracts.contracts import Contract
from extracts.reading import row_sql
from extracts.reading.sql import ident, literal
from extracts.reading.staging import ROWS
from extracts.vault import shared_keys, version_sql
from extracts.vault.version_sql import Place

__all__ = [
    "Place", "begin", "count_sent_without", "drop", "finish", "keep_waiting", "store_first",
    "take_others",
]  # fmt: skip

# Keys per pass of the search for repetitions; bounds its memory.
_KEYS_PER_PASS = 4_000_000
_KEY_SPACE = 1 << 128


def begin(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Make the tables in which rows of a table wait for its last chunk."""
    own = ", ".join(f"{ident(c.name)} {c.physical_type}" for c in contract.columns)
    connection.execute(f"""
        create or replace temp table contested (
            {own}, firm varchar, available_at date, row_key uhugeint, row_hash uhugeint,
            file_no integer, line bigint, place bigint)
    """)
    position = f"struct_pack({version_sql.position(contract, 's')})"
    connection.execute(f"""
        create or replace temp table echoes as
        select s.row_key, 0::integer as record_version, false as is_later, {position} as position
        from contested as s
    """)  # noqa: S608 — quoted identifiers
    shared_keys.begin(connection)


def drop(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what `begin` and the steps after it made."""
    for name in ("contested", "echoes", "known_keys", "others", "again", *shared_keys.TABLES):
        connection.execute(f"drop table if exists {name}")


def store_first(
    connection: duckdb.DuckDBPyConnection, contract: Contract, place: Place, *, is_open: bool
) -> int:
    """Insert the good rows of the staged chunk with a key new to the vault.

    Args:
        connection: to the vault, with a staged chunk and its gate.
        contract: of the table.
        place: where the rows go.
        is_open: whether the gate lets every row through.

    Returns:
        The number of rows stored.
    """
    known = 0
    if _has_earlier(connection, contract, place):
        _find_known(connection, contract, place, f"select row_key from {ROWS}")  # noqa: S608 — our own name
        shared_keys.hold_back(connection, contract, place)
        (known,) = connection.execute("select count(*) from known_keys").fetchall()[0]
    statement = version_sql.insert_first_versions(
        contract, place, is_open=is_open, any_known=known > 0
    )
    return int(connection.execute(statement).fetchall()[0][0])


def take_others(connection: duckdb.DuckDBPyConnection, contract: Contract, place: Place) -> None:
    """Put the rows of the chunk that `store_first` left, with verdicts, into `others`."""
    connection.execute(version_sql.pick_others(contract, place))
    connection.execute(version_sql.take_others(contract, place))


def keep_waiting(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Keep the good rows of `others`, whose keys are known, until the last chunk is read."""
    connection.execute(version_sql.keep_echoes(contract))
    connection.execute(version_sql.keep_contested(contract))


def finish(connection: duckdb.DuckDBPyConnection, contract: Contract, place: Place) -> int:
    """Insert the rows that waited, numbered.

    Returns:
        The number of rows that share their key with a different row of the delivery.
    """
    _take_repeated_keys(connection, contract, place)
    _note_repeated(connection, contract, place)
    (contested,) = connection.execute("select count(*) from contested").fetchall()[0]
    if not contested:
        return 0
    _find_known(connection, contract, place, "select row_key from contested")
    repeated = shared_keys.count_repeated(connection, contract)
    if shared_keys.note(connection, contract, place):
        shared_keys.rename(connection, contract)
        _find_known(connection, contract, place, "select row_key from contested")
        shared_keys.drop_echoes(connection, contract, place)
    connection.execute(version_sql.insert_contested(contract, place))
    return repeated


def count_sent_without(
    connection: duckdb.DuckDBPyConnection, contract: Contract, place: Place
) -> int:
    """Return how many new rows are known without a part of their key, such as a voucher's number.

    A provider that begins to send that part and sends old rows again makes other rows of them.
    """
    if not _has_earlier(connection, contract, place):
        return 0
    table, added = ident(contract.table), row_sql.key_additions(contract)
    keys = ", ".join(row_sql.keys_without_additions(contract))
    filled = " or ".join(f"{ident(name)} is not null" for name in added)
    (count,) = connection.execute(
        f"""
        select count(distinct row_id) from (
            select row_id, unnest([{keys}]) as shorter_key from vault.raw.{table}
            where delivery_seq = {place.delivery_seq} and record_version = 1 and ({filled})
        ) where shorter_key in (
            select row_key from vault.known.{table} union all
            select row_key from vault.raw.{table} where delivery_seq < {place.delivery_seq}
        )
        """  # noqa: S608 — quoted
    ).fetchall()[0]
    return int(count)


def _has_earlier(connection: duckdb.DuckDBPyConnection, contract: Contract, place: Place) -> bool:
    """Whether an earlier delivery brought rows of the table."""
    table = ident(contract.table)
    (has,) = connection.execute(
        f"select exists (from vault.known.{table}) or exists "
        f"(from vault.raw.{table} where delivery_seq < {place.delivery_seq})"
    ).fetchall()[0]
    return bool(has)


def _note_repeated(connection: duckdb.DuckDBPyConnection, contract: Contract, place: Place) -> None:
    """Record which newest versions this delivery repeats."""
    connection.execute(f"""
        insert into vault.ops.repeated (table_name, row_key, record_version, delivery_seq)
        select distinct {literal(contract.table)}, row_key, record_version, {place.delivery_seq}
        from echoes where not is_later
    """)  # noqa: S608 — quoted literal


def _find_known(
    connection: duckdb.DuckDBPyConnection, contract: Contract, place: Place, keys: str
) -> None:
    """Collect the newest version of each of `keys` from earlier deliveries.

    `is_later` says that a delivery handed over after this one brought or repeated that version;
    `stored_key` is its key in the vault, which differs where a key is shared.
    """
    connection.execute(
        version_sql.find_known(contract, place, keys),
        {
            "delivered_at": place.delivered_at,
            "delivered_on": place.delivered_on,
            "seq": place.delivery_seq,
            "table": contract.table,
        },
    )


def _take_repeated_keys(
    connection: duckdb.DuckDBPyConnection, contract: Contract, place: Place
) -> None:
    """Move stored rows of a chunk whose key came again from the vault to the waiting ones."""
    table = f"vault.raw.{ident(contract.table)}"
    connection.execute(f"""
        create or replace temp table again as
        select row_key from {table}
        where delivery_seq = {place.delivery_seq} and row_key in (select row_key from contested)
    """)  # noqa: S608 — quoted identifiers
    (stored,) = connection.execute(
        f"select count(*) from {table} where delivery_seq = {place.delivery_seq}"  # noqa: S608
    ).fetchall()[0]
    passes = 1 + stored // _KEYS_PER_PASS
    for number in range(passes):
        low, high = (_KEY_SPACE * n // passes for n in (number, number + 1))
        connection.execute(f"""
            insert into again
            select row_key from {table}
            where delivery_seq = {place.delivery_seq} and row_key >= {low}::uhugeint
                and row_key <= {high - 1}::uhugeint
            group by row_key having count(*) > 1
        """)  # noqa: S608 — quoted identifiers and integers
    (moved,) = connection.execute("select count(*) from again").fetchall()[0]
    if moved:
        connection.execute(version_sql.take_out(contract, place))
        connection.execute(
            f"delete from {table} where delivery_seq = {place.delivery_seq} "  # noqa: S608 — quoted
            "and row_key in (select row_key from again)"
        )
