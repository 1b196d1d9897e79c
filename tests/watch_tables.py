"""The tables of models/watch for hand-made warehouses, from the models' own SQL."""

import functools
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb

from firmpulse import dbt_runner, warehouse
from firmpulse.settings import Settings


@dataclass(frozen=True)
class _Project:
    # Model → its SQL when built from scratch, each after its inputs.
    queries: Mapping[str, str]
    # Table `schema.name` → its columns with their types.
    columns: Mapping[str, Mapping[str, str]]
    # Tables that the queries read.
    read: tuple[str, ...]


@functools.cache
def _project() -> _Project:
    """Compile the models once per process, in a separate home folder."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        manifest = dbt_runner._manifest(settings)
        compiled = dbt_runner._invoke(
            settings, ["compile", "--select", "path:models/watch,resource_type:model"]
        )
    tables = {**manifest.nodes, **manifest.sources}
    models = {result.node.unique_id: result.node for result in compiled.results}
    behind = {key: set(node.depends_on.nodes) for key, node in models.items()}
    read = set().union(*behind.values()) - models.keys()
    return _Project(
        queries={
            models[key].name: models[key].compiled_code
            for key in TopologicalSorter(behind).static_order()
            if key in models
        },
        columns={
            _name(node): {column.name: column.data_type for column in node.columns.values()}
            for node in tables.values()
            if node.resource_type in ("model", "source")
        },
        read=tuple(sorted(_name(tables[key]) for key in read)),
    )


def _name(node: Any) -> str:
    return f"{node.schema}.{node.name}"


def columns(table: str) -> Mapping[str, str]:
    """Return the columns of a table `schema.name` by its contract, if it has one."""
    return _project().columns.get(table, {})


def create(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Make a table `schema.name` by its contract, if it is absent."""
    schema = table.split(".")[0]
    typed = ", ".join(f"{name} {kind}" for name, kind in columns(table).items())
    connection.execute(f"create schema if not exists warehouse.{schema}")
    connection.execute(f"create table if not exists warehouse.{table} ({typed})")


def build(settings: Settings) -> None:
    """Build every watch table from scratch, as if missing inputs were empty."""
    with warehouse.connect(settings) as connection:
        absent = [table for table in _project().read if not warehouse.is_built(connection, table)]
        for table in absent:
            create(connection, table)
        if "facts.landed_tax" in absent:
            _note_landed(connection)
        connection.execute("create schema if not exists warehouse.watch")
        for name, query in _project().queries.items():
            connection.execute(f"create or replace table warehouse.watch.{name} as {query}")
        for table in absent:
            connection.execute(f"drop table warehouse.{table}")


def _note_landed(connection: duckdb.DuckDBPyConnection) -> None:
    """Record that the rows of hand-made tables landed, as a build does of masked rows."""
    for place, day, landed in (
        ("features.firm_snapshots", "as_of", "landed_tax"),
        ("staging.stg_tax__registration", "available_at", "landed_tax"),
        ("staging.stg_power__account", "available_at", "landed_power"),
        ("staging.stg_power__event", "available_at", "landed_power"),
        ("staging.stg_lender__loan_performance", "available_at", "landed_lender"),
    ):
        if not warehouse.is_built(connection, place):
            continue
        name = place.partition(".")[2].replace("firm_snapshots", "stg_tax__registration")
        connection.execute(
            f"insert into warehouse.facts.{landed} by name "
            f"select '{name}' as table_name, firm_id, 1 as delivery_seq, "
            f"min({day}) as available_at from warehouse.{place} group by firm_id"
        )
