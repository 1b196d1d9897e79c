"""A home contains exactly the declared tables."""

from typing import NamedTuple

import duckdb
import pytest

from extracts import contracts
from firmpulse import stored_tables, warehouse
from tests.integration.conftest import Assessed

# Made by dbt, and declared beside its models.
_OF_DBT = ("staging", "facts", "features", "labels", "watch")
_SHORT = {"TIMESTAMP WITH TIME ZONE": "timestamptz"}


class Stored(NamedTuple):
    """A column of a database."""

    name: str
    kind: str
    required: bool


def _held(
    connection: duckdb.DuckDBPyConnection, database: str
) -> dict[tuple[str, str], list[Stored]]:
    """Return schema and name of each table of a database → its columns, in their order."""
    rows = connection.execute(
        "select schema_name, table_name, column_name, data_type, not is_nullable "
        "from duckdb_columns() where database_name = ? and not list_contains(?, schema_name) "
        "order by schema_name, table_name, column_index",
        [database, _OF_DBT],
    ).fetchall()
    held: dict[tuple[str, str], list[Stored]] = {}
    for schema, table, name, kind, required in rows:
        held.setdefault((schema, table), []).append(Stored(name, _kind(kind), required))
    return held


def _kind(data_type: str) -> str:
    return _SHORT.get(data_type, data_type.lower())


def _declared(table: stored_tables.Table) -> list[Stored]:
    return [
        Stored(name, column.kind, column.required or (table.unique and name in table.key))
        for name, column in table.columns.items()
    ]


@pytest.mark.parametrize("database", ["warehouse", "vault"])
def test_each_table_of_a_database_is_declared_as_it_is(assessed: Assessed, database: str) -> None:
    with warehouse.connect(assessed.settings, vault=True) as connection:
        held = _held(connection, database)
        unique = {
            (schema, table): tuple(columns)
            for schema, table, columns in connection.execute(
                "select schema_name, table_name, constraint_column_names "
                "from duckdb_constraints() where database_name = ? "
                "and constraint_type = 'PRIMARY KEY'",
                [database],
            ).fetchall()
        }
    by_contract = {(schema, name) for name in contracts.load() for schema in ("raw", "known")}
    frames = {key for key in held if key[0] == "training" and key[1].startswith("frame_")}
    assert frames if database == "warehouse" else by_contract <= set(held)
    stored = {key: columns for key, columns in held.items() if key not in by_contract | frames}
    declared = {(t.schema, t.name): t for t in stored_tables.of_database(database)}
    assert stored == {key: _declared(table) for key, table in declared.items()}
    assert unique == {key: table.key for key, table in declared.items() if table.unique}


def test_each_published_table_is_declared_as_it_is(assessed: Assessed) -> None:
    with warehouse.connect_published(assessed.settings) as connection:
        rows = connection.execute(
            "select table_name, column_name, data_type, columns.comment "
            "from duckdb_columns() as columns semi join duckdb_tables() using (table_name) "
            "order by table_name, column_index"
        ).fetchall()
    assert [(table, name, _kind(kind), said) for table, name, kind, said in rows] == [
        (table.published_name, name, column.kind, column.meaning)
        for table in sorted(stored_tables.PUBLISHED, key=lambda one: str(one.published_name))
        for name, column in table.published_columns.items()
    ]


def test_keys_are_columns_and_each_table_says_who_writes_it() -> None:
    for table in stored_tables.ALL:
        assert set(table.key) <= set(table.columns), table.name
        assert table.key or not table.unique, table.name
        assert table.owner, table.name
