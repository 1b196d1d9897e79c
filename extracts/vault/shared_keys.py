"""Keys that are not unique: more columns distinguish bookings under one natural key.

If the contract says that rows with one key may be different bookings (`keyRepeats`), two rows of
one delivery that share it and differ in one of the columns `apart` are different bookings. The key
is recorded in `vault.ops.shared_keys`, and from that delivery on its rows are identified by their
booking key: the natural key and the columns `apart`. A row of an earlier delivery, when the key
still looked unique, keeps its `row_key` and is read under the booking key of its newest version.
"""

import duckdb

from extracts.contracts import Contract
from extracts.reading.row_sql import booking_key
from extracts.reading.sql import literal
from extracts.vault.version_sql import Place, position

TABLES = ("repeated_keys", "shared_keys")


def begin(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of the keys that repeat in a delivery, and of those that are shared."""
    connection.execute("create or replace temp table repeated_keys (row_key uhugeint, rows bigint)")
    connection.execute("create or replace temp table shared_keys (row_key uhugeint)")


def hold_back(connection: duckdb.DuckDBPyConnection, contract: Contract, place: Place) -> None:
    """Add keys that earlier deliveries shared to the known ones, without content: rows wait."""
    if not contract.key_trust.apart:
        return
    earlier = _earlier(contract, place)
    connection.execute(f"delete from known_keys where row_key in ({earlier})")  # noqa: S608 — our own SQL
    connection.execute(f"insert into known_keys (row_key) {earlier}")


def count_repeated(connection: duckdb.DuckDBPyConnection, contract: Contract) -> int:
    """Record keys that different rows of this delivery share; count these rows.

    Rows differ in the columns `apart`, or in any column if the contract names none. `known_keys`
    has the newest versions of the keys of `contested`.
    """
    content = booking_key(contract) if contract.key_trust.apart else "row_hash"
    known = "booking_key" if contract.key_trust.apart else "row_hash"
    connection.execute(f"""
        insert into repeated_keys
        select row_key, count(*) from (
            select row_key, {content} as content from contested
            union all
            select e.row_key, k.{known} from echoes as e inner join known_keys as k using (row_key)
        )
        group by row_key having min(content) <> max(content)
    """)  # noqa: S608 — our own SQL
    (rows,) = connection.execute("select coalesce(sum(rows), 0) from repeated_keys").fetchall()[0]
    return int(rows)


def note(connection: duckdb.DuckDBPyConnection, contract: Contract, place: Place) -> bool:
    """Collect the shared keys of waiting rows, keep the new ones; return whether there are any."""
    if not contract.key_trust.apart:
        return False
    table, earlier = literal(contract.table), _earlier(contract, place)
    connection.execute(f"""
        insert into shared_keys
        select row_key from repeated_keys
        union
        select row_key from contested where row_key in ({earlier})
    """)  # noqa: S608 — our own SQL
    connection.execute(f"""
        insert into vault.ops.shared_keys (table_name, firm, row_key, delivery_seq)
        select distinct {table}, firm, row_key, {place.delivery_seq} from contested
        where row_key in (select row_key from shared_keys) and row_key not in ({earlier})
    """)  # noqa: S608 — our own SQL
    (shared,) = connection.execute("select count(*) from shared_keys").fetchall()[0]
    return int(shared) > 0


def rename(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Replace the natural key of waiting rows of shared keys by their booking key."""
    connection.execute("""
        update echoes set row_key = k.booking_key from known_keys as k
        where echoes.row_key = k.row_key and k.row_key in (select row_key from shared_keys)
    """)
    connection.execute(
        f"update contested set row_key = {booking_key(contract)} "  # noqa: S608 — our own SQL
        "where row_key in (select row_key from shared_keys)"
    )


def drop_echoes(connection: duckdb.DuckDBPyConnection, contract: Contract, place: Place) -> None:
    """Move waiting rows that equal the newest version of their booking to the echoes."""
    connection.execute(f"""
        insert into vault.ops.repeated (table_name, row_key, record_version, delivery_seq)
        select distinct {literal(contract.table)}, k.stored_key, k.record_version,
            {place.delivery_seq}
        from contested as s
        inner join known_keys as k on s.row_key = k.row_key and s.row_hash = k.row_hash
        where not k.is_later
    """)  # noqa: S608 — quoted literal
    connection.execute(f"""
        insert into echoes
        select s.row_key, k.record_version, k.is_later, struct_pack({position(contract, "s")})
        from contested as s
        inner join known_keys as k on s.row_key = k.row_key and s.row_hash = k.row_hash
    """)  # noqa: S608 — quoted identifiers
    connection.execute("""
        delete from contested
        where (row_key, row_hash) in (select (row_key, row_hash) from known_keys)
    """)


def _earlier(contract: Contract, place: Place) -> str:
    return (
        "select row_key from vault.ops.shared_keys "  # noqa: S608 — our own SQL
        f"where table_name = {literal(contract.table)} and delivery_seq < {place.delivery_seq}"
    )
