"""Erase firms from the vault and the warehouse, and count the erased rows.

Every table with rows of firms has a column for it: `firm` in the vault, `firm_id` in the
warehouse. What a statement removes is counted in the same transaction (`erasure.tally`).
"""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb
import polars as pl

from erasure import tally
from erasure.withdrawals import Withdrawal
from extracts import contracts
from extracts.reading.sql import ident
from extracts.vault import raw_tables


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of all contracts: a firm may withdraw before its data arrive."""
    raw_tables.create_tables(connection, contracts.load())
    raw_tables.take_back(connection, contracts.load())


def load(connection: duckdb.DuckDBPyConnection, going: Sequence[Withdrawal]) -> dict[str, str]:
    """Store the withdrawals in temp table `going`; return firm_id → identifier where known."""
    rows = pl.DataFrame(
        [
            (w.firm_id, sorted(w.sources), w.training, w.results, w.whole, w.forgotten)
            for w in going
        ],
        schema={
            "firm_id": pl.String,
            "sources": pl.List(pl.String),
            "training": pl.Boolean,
            "results": pl.Boolean,
            "whole": pl.Boolean,
            "forgotten": pl.Boolean,
        },
        orient="row",
    )
    connection.register("withdrawals", rows)
    connection.execute("""
        create or replace temp table going as
        select
            cast(w.firm_id as uuid) as firm_id,
            list_distinct(w.sources || coalesce(e.sources, [])) as sources,
            w.training or coalesce(e.training, false) as training,
            w.results or coalesce(e.results, false) as results,
            w.whole or coalesce(e.whole, false) as whole,
            w.forgotten,
            d.firm
        from withdrawals as w
        left join vault.ops.firm_directory as d on d.firm_id = cast(w.firm_id as uuid)
        left join vault.ops.erasing as e on e.firm_id = cast(w.firm_id as uuid)
    """)
    connection.unregister("withdrawals")
    _name_from_rows(connection)
    connection.execute(
        "insert or replace into vault.ops.erasing (firm_id, sources, training, results, whole) "
        "select firm_id, sources, training, results, whole from going"
    )
    named = connection.execute("select firm_id, firm from going where firm is not null").fetchall()
    return {str(firm_id): firm for firm_id, firm in named}


def _name_from_rows(connection: duckdb.DuckDBPyConnection) -> None:
    """Find identifiers that are missing in the directory in the rows of the vault."""
    (missing,) = connection.execute("select count(*) from going where firm is null").fetchall()[0]
    if not missing:
        return
    tables = [f"{schema}.{ident(table)}" for schema, table in _tables_by_row(connection)]
    rows = " union ".join(
        f"select firm from vault.{table}"  # noqa: S608 - the catalogue's names
        for table in (*tables, "ops.quarantine")
    )
    connection.execute(
        f"update going set firm = found.firm from ({rows}) as found "  # noqa: S608 - as above
        "where going.firm is null and going.firm_id = token('firm', found.firm)"
    )


def erase_vault(
    connection: duckdb.DuckDBPyConnection, on: date, sources: Mapping[str, str]
) -> None:
    """Erase raw rows, known keys, quarantine, file names and directory entries.

    Args:
        connection: a session with the vault attached and the withdrawals loaded.
        on: day of the erasure.
        sources: source of each raw table.
    """
    connection.execute("begin")
    for schema, table in _tables_by_row(connection):
        _erase_table(connection, on, schema, table, sources[table])
    _erase_quarantine(connection, on, sources)
    _blank_file_names(connection)
    tally.count_and_delete(
        connection, on, "vault.ops.firm_directory", "t.firm_id = going.firm_id and going.forgotten"
    )
    connection.execute("commit")


def erase_warehouse(
    connection: duckdb.DuckDBPyConnection, on: date, sources: Mapping[str, str]
) -> None:
    """Erase masked rows, facts, features, labels, scores and rows of training frames.

    Features of a firm, and other inputs of its warnings, are erased as a whole: the next build
    recomputes them from the remaining sources.

    Args:
        connection: a session with the warehouse attached and the withdrawals loaded.
        on: day of the erasure.
        sources: source of each masked table and fact, as `schema.table`.
    """
    _drop_half_built(connection)
    connection.execute("begin")
    for schema, table, kind in tables_of_firms(connection):
        is_reached = _scope(schema, sources.get(f"{schema}.{table}"))
        condition = f"t.firm_id = cast(going.firm_id as {kind}) and {is_reached}"
        tally.count_and_delete(connection, on, f"warehouse.{schema}.{ident(table)}", condition)
    connection.execute("commit")


def _drop_half_built(connection: duckdb.DuckDBPyConnection) -> None:
    """Remove what interrupted builds left; no model says of which source its rows are."""
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() "
        "where database_name = 'warehouse' and table_name like '%__dbt_tmp'"
    ).fetchall()
    for schema, table in tables:
        connection.execute(f"drop table warehouse.{schema}.{ident(table)}")


def tables_of_firms(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    """Return schema, name and type of `firm_id` of each warehouse table with rows of firms."""
    return connection.execute("""
        select columns.schema_name, columns.table_name, columns.data_type
        from duckdb_columns() as columns
        inner join duckdb_tables() using (database_name, schema_name, table_name)
        where columns.database_name = 'warehouse' and columns.column_name = 'firm_id'
            and columns.table_name <> 'erased'
        order by all
    """).fetchall()


def forget(connection: duckdb.DuckDBPyConnection, keep: Sequence[str]) -> None:
    """Remove the tokens from the records of certified erasures; those in `keep` are not yet."""
    tally.forget(connection, keep)
    connection.execute(
        "delete from vault.ops.erasing where not list_contains($keep, cast(firm_id as varchar))",
        {"keep": keep},
    )


def _tables_by_row(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Return schema and name of the vault's tables of raw rows and of their keys."""
    return connection.execute("""
        select schema_name, table_name from duckdb_tables()
        where database_name = 'vault' and schema_name in ('raw', 'known')
        order by all
    """).fetchall()


def _erase_table(
    connection: duckdb.DuckDBPyConnection, on: date, schema: str, table: str, source: str
) -> None:
    name = f"vault.{schema}.{ident(table)}"
    condition = f"t.firm = going.firm and ({_of_source(source)})"
    connection.execute(
        "delete from vault.ops.repeated where table_name = $table and row_key in "  # noqa: S608 - the catalogue's names
        f"(select t.row_key from {name} as t, going where {condition})",
        {"table": table},
    )
    connection.execute(
        f"delete from vault.ops.shared_keys as t using going where t.table_name = $table "  # noqa: S608 - our own SQL
        f"and {condition}",
        {"table": table},
    )
    tally.count_and_delete(connection, on, name, condition)


def _erase_quarantine(
    connection: duckdb.DuckDBPyConnection, on: date, sources: Mapping[str, str]
) -> None:
    """Erase bad rows; a row with an unreadable firm is erased if any cell names the firm."""
    cases = " ".join(
        f"when '{table}' then {_of_source(source)}" for table, source in sources.items()
    )
    condition = f"""
        (case t.table_name {cases} else true end) and (
            t.firm = going.firm
            or (t.firm is null and contains(
                upper(t.record), upper(going.firm[strpos(going.firm, ':') + 1:])))
        )"""
    tally.count_and_delete(connection, on, "vault.ops.quarantine", condition)


def _blank_file_names(connection: duckdb.DuckDBPyConnection) -> None:
    """Remove file names that contain a firm's identifier."""
    for table in ("files", "refused_files"):
        connection.execute(f"""
            update vault.ops.{table} as t set file = '(erased)'
            from going
            where contains(upper(t.file), upper(going.firm[strpos(going.firm, ':') + 1:]))
        """)  # noqa: S608 - our own names


def _scope(schema: str, source: str | None) -> str:
    """Return SQL of whether a withdrawal reaches the rows of a warehouse table."""
    if schema in ("features", "watch"):
        return "(going.whole or len(going.sources) > 0)"
    if schema == "scoring":
        return "going.results"
    if schema == "training":
        return "going.training"
    return f"({_of_source(source)})" if source else "going.whole"


def _of_source(source: str) -> str:
    return f"going.whole or list_contains(going.sources, '{source}')"
