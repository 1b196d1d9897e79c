"""Renew a database: copy it to a new file under a new data key, and destroy the old key.

Deleted rows remain in free blocks of a DuckDB file until they are overwritten. After a renewal the
file contains only live rows, and what remains of the old file on the disk is ciphertext that no
key opens.

A crash at any moment leaves a database that opens: the key file has the old and the new data key
until the new file has replaced the old one (see `envelope`).
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from firmpulse import warehouse
from firmpulse.errors import FileHeldError, RenewalFailed
from firmpulse.keys import envelope, keyfiles
from firmpulse.keys.envelope import DataKey
from firmpulse.settings import Settings

# Name of the new file within the session.
_NEW = "renewed"
_TRIES = 20

# Returns the query of a table's rows in the new file (session, database, schema, table).
Rows = Callable[[duckdb.DuckDBPyConnection, str, str, str], str]


def same_rows(_: duckdb.DuckDBPyConnection, database: str, schema: str, table: str) -> str:
    """Return the query of the rows as they are."""
    return f"from {database}.{quoted(schema)}.{quoted(table)}"


@dataclass(frozen=True)
class RenewalReport:
    """What a renewal did."""

    bytes_before: int
    bytes_after: int
    seconds: float
    # Generation of the data key now in force.
    generation: int


def renew(settings: Settings, name: str, rows: Rows = same_rows) -> RenewalReport:
    """Rewrite `vault` or `warehouse` under a new data key and destroy the old key.

    Schemas, tables with their constraints, defaults and comments, views, macros, sequences and
    indexes are kept, as are the number and order of each table's rows; `rows` may change values.

    Raises:
        NotReadyError: there is no such database yet.
        FileHeldError: another process holds the file.
        RenewalFailed: the new file differs from the old one, which stays in force.
    """
    begun = time.monotonic()
    path = envelope.database_path(settings, name)
    connection = warehouse.session()
    try:
        warehouse.configure(connection, settings)
        _attach_to_read(connection, settings, name)
        bytes_before = path.stat().st_size
        upcoming = envelope.propose(settings, name)
        try:
            _build(connection, settings, name, upcoming, rows)
        except BaseException:
            _give_up(connection, settings, name, upcoming)
            raise
        # The session still holds the old file: no one wrote to it since the copy began.
        envelope.building_path(settings, name).replace(path)
        keyfiles.sync(path.parent)
        envelope.settle(settings, name, upcoming.generation)
    finally:
        connection.close()
    seconds = time.monotonic() - begun
    return RenewalReport(bytes_before, path.stat().st_size, seconds, upcoming.generation)


def _attach_to_read(connection: duckdb.DuckDBPyConnection, settings: Settings, name: str) -> None:
    """Attach the database read-only after writing its log into it; no one else can write then."""
    path = envelope.database_path(settings, name)
    log = path.with_name(f"{path.name}.wal")
    for _ in range(_TRIES):
        envelope.read(settings, name)
        # Opening it for writing cleans up, and closing it writes the log into the file.
        warehouse.attach(connection, settings, name)
        connection.execute(f"checkpoint {name}")
        connection.execute(f"detach {name}")
        (key,) = envelope.read(settings, name).keys[:1]
        # Another process may have intervened, with a renewal or with its own log.
        if warehouse.opens(connection, name, path, key, read_only=True):
            if not log.exists():
                return
            connection.execute(f"detach {name}")
    raise FileHeldError(f"{path.name} is constantly in use; wait for the running tasks")


def _build(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    name: str,
    key: DataKey,
    rows: Rows,
) -> None:
    """Write the new file beside the old one, complete and on the disk."""
    building = envelope.building_path(settings, name)
    envelope.discard_building(settings, name)
    warehouse.opens(connection, _NEW, building, key)
    _copy(connection, name, rows)
    _verify(connection, name)
    connection.execute(f"checkpoint {_NEW}")
    connection.execute(f"detach {_NEW}")
    _sync(building)


def _copy(connection: duckdb.DuckDBPyConnection, name: str, rows: Rows) -> None:
    connection.execute(f"copy from database {name} to {_NEW} (schema)")
    # In order of creation: a table comes after those that its foreign keys reference.
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = ? "
        "order by table_oid",
        [name],
    ).fetchall()
    for schema, table in tables:
        target = f"{quoted(schema)}.{quoted(table)}"
        query = rows(connection, name, schema, table)
        connection.execute(f"insert into {_NEW}.{target} {query}")
    _copy_comments(connection, name)


def _copy_comments(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Copy the comments of tables and views; the schema copy includes only those of columns."""
    for kind in ("table", "view"):
        commented = connection.execute(
            f"select schema_name, {kind}_name, comment from duckdb_{kind}s() "  # noqa: S608 - constants
            "where database_name = ? and comment is not null",
            [name],
        ).fetchall()
        for schema, member, comment in commented:
            text = comment.replace("'", "''")
            target = f"{_NEW}.{quoted(schema)}.{quoted(member)}"
            connection.execute(f"comment on {kind} {target} is '{text}'")


# What must be the same in both files.
_CATALOGUE = (
    "select 'schema', schema_name from duckdb_schemas() where database_name = $name",
    "select 'table', schema_name, table_name, sql, comment from duckdb_tables() "
    "where database_name = $name",
    "select 'column', schema_name, table_name, column_name, comment from duckdb_columns() "
    "where database_name = $name and comment is not null and not internal",
    "select 'view', schema_name, view_name, sql, comment from duckdb_views() "
    "where database_name = $name and not internal",
    "select 'macro', schema_name, function_name, macro_definition, parameters::varchar "
    "from duckdb_functions() where database_name = $name and not internal",
    "select 'index', schema_name, index_name, sql from duckdb_indexes() "
    "where database_name = $name",
    "select 'sequence', schema_name, sequence_name, increment_by from duckdb_sequences() "
    "where database_name = $name",
)


def _verify(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    old, new = _inventory(connection, name), _inventory(connection, _NEW)
    if old != new:
        (kind, *where), *_ = sorted(old ^ new, key=repr)
        raise RenewalFailed(
            f"the renewed {name} differs in {kind} {'.'.join(map(str, where[:2]))}; the old file "
            f"stays in force and nothing is lost"
        )


def _inventory(connection: duckdb.DuckDBPyConnection, name: str) -> set[tuple[object, ...]]:
    found = {
        row for query in _CATALOGUE for row in connection.execute(query, {"name": name}).fetchall()
    }
    tables = [(row[1], row[2]) for row in found if row[0] == "table"]
    for schema, table in tables:
        target = f"{name}.{quoted(schema)}.{quoted(table)}"
        (rows,) = connection.execute(f"select count(*) from {target}").fetchall()  # noqa: S608 - from the catalogue
        found.add(("rows", schema, table, *rows))
    return found


def _give_up(
    connection: duckdb.DuckDBPyConnection, settings: Settings, name: str, upcoming: DataKey
) -> None:
    """Remove the new file and its key; the old file and its key stay in force."""
    with suppress(duckdb.TransactionException):  # there may be none to roll back
        connection.execute("rollback")
    attached = "select 1 from duckdb_databases() where database_name = ?"
    if connection.execute(attached, [_NEW]).fetchall():
        connection.execute(f"detach {_NEW}")
    envelope.settle(settings, name, upcoming.generation - 1)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def quoted(identifier: str) -> str:
    """Return an identifier of the catalogue, quoted for SQL."""
    return '"' + identifier.replace('"', '""') + '"'
