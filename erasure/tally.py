"""Count what an erasure removes, for its certificates.

Counts are in `ops.erased` of the file that lost the rows, written in the transaction that removes
them, so that a killed and repeated erasure certifies the same numbers.
"""

from collections.abc import Iterable, Sequence
from datetime import date

import duckdb

from firmpulse.stored_tables import ERASED


def count_and_delete(
    connection: duckdb.DuckDBPyConnection, on: date, table: str, condition: str
) -> None:
    """Delete rows `t` of a table that a condition over `t` and `going` names, and count them."""
    database = table.partition(".")[0]
    place = table.replace('"', "")
    columns = {name for name, *_ in connection.execute(f"describe {table}").fetchall()}
    seq = "t.delivery_seq" if "delivery_seq" in columns else "null"
    connection.execute(
        f"""
        insert into {database}.ops.erased (on_date, firm_id, place, delivery_seq, rows)
        select $on, going.firm_id, $place, {seq}, count(*)
        from {table} as t, going where {condition} group by all
        """,  # noqa: S608 - our own and the catalogue's names
        {"on": on, "place": place},
    )
    connection.execute(
        f"delete from {table} as t using going where {condition}"  # noqa: S608 - as above
    )


def counts(
    connection: duckdb.DuckDBPyConnection, firm_ids: Iterable[str]
) -> dict[str, dict[str, int]]:
    """Return firm_id → place → rows erased, over both files, not yet certified."""
    found: dict[str, dict[str, int]] = {firm_id: {} for firm_id in firm_ids}
    for database in ("vault", "warehouse"):
        rows = connection.execute(
            f"select cast(firm_id as varchar), place, sum(rows)::bigint from {database}.ops.erased "  # noqa: S608 - our own names
            "where list_contains($firms, cast(firm_id as varchar)) group by all order by all",
            {"firms": list(found)},
        ).fetchall()
        for firm_id, place, count in rows:
            found[firm_id][place] = count
    return found


def record(
    connection: duckdb.DuckDBPyConnection, on: date, firm_id: str, place: str, rows: int
) -> None:
    """Count what was erased outside the two files, in the vault's record."""
    row = {"on_date": on, "firm_id": firm_id, "place": place, "rows": rows}
    connection.execute(ERASED.insert_sql(row, "vault"), row)


def forget(connection: duckdb.DuckDBPyConnection, keep: Sequence[str]) -> None:
    """Remove the tokens from the records of certified erasures; those in `keep` are not yet."""
    for database in ("vault", "warehouse"):
        connection.execute(
            f"update {database}.ops.erased set firm_id = null "  # noqa: S608 - our own names
            "where firm_id is not null and not list_contains($keep, cast(firm_id as varchar))",
            {"keep": keep},
        )


def publish_counts(connection: duckdb.DuckDBPyConnection) -> None:
    """Record in the warehouse how many landed rows of each delivery were erased in the vault.

    The check of masked against landed rows includes them.
    """
    connection.execute("begin")
    connection.execute("delete from warehouse.ops.erased_deliveries")
    connection.execute(
        "insert into warehouse.ops.erased_deliveries (delivery_seq, rows) "
        "select delivery_seq, max(rows) from ("
        "select delivery_seq, sum(rows) as rows from vault.ops.erased "
        "where starts_with(place, 'vault.raw.') group by delivery_seq union all "
        "select delivery_seq, sum(rows) from warehouse.ops.erased "
        "where starts_with(place, 'warehouse.staging.') group by delivery_seq"
        ") where delivery_seq is not null group by delivery_seq"
    )
    connection.execute("commit")
