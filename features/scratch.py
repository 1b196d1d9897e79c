"""Scratch homes for trial builds; masked rows are copied into them."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from firmpulse import warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings

# Returns, for a staging table named with its database, the query of the rows to copy.
RowsOf = Callable[[str], str]


@contextmanager
def home(settings: Settings, prefix: str) -> Iterator[Settings]:
    """Yield an empty home inside the home folder, with its own keys; it is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"{prefix}-", dir=settings.root) as folder:
        yield settings.model_copy(update={"home": Path(folder)})


@contextmanager
def beside(settings: Settings, scratch: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a session with the warehouse, and the scratch home's warehouse as `scratch`."""
    with warehouse.connect(settings) as connection:
        warehouse.attach(connection, scratch, "warehouse", alias="scratch")
        yield connection


def fill(connection: duckdb.DuckDBPyConnection, rows_of: RowsOf) -> None:
    """Make every staging table in `scratch`, with the rows of its query.

    The record of deliveries is copied as a whole.

    Raises:
        NotReadyError: nothing is masked yet.
    """
    tables = staging_tables(connection)
    connection.execute("create schema if not exists scratch.staging")
    connection.execute("use scratch")
    for table, ddl in tables.items():
        connection.execute(ddl)
        source = f'warehouse.staging."{table}"'
        connection.execute(f'insert into scratch.staging."{table}" by name {rows_of(source)}')
    # The record of delivered tables; it has no rows of firms.
    connection.execute("insert into scratch.ops.deliveries by name from warehouse.ops.deliveries")
    connection.execute("use memory")


def staging_tables(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the masked tables of the warehouse with the statement that makes each.

    Raises:
        NotReadyError: nothing is masked yet.
    """
    ddl = dict(connection.execute(
        "select table_name, sql from duckdb_tables() "
        "where database_name = 'warehouse' and schema_name = 'staging' order by all"
    ).fetchall())  # fmt: skip
    if not ddl:
        raise NotReadyError("nothing is masked yet; run a night first: firmpulse night")
    return ddl
