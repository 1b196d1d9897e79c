"""The build on Spark: masked rows of the home → facts, features and labels as Parquet."""

import os
import shutil
import sys
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from features.build import only_dates
from features.dbt_functions import link_graph, spring_festival, trade_graph
from firmpulse import dbt_runner, warehouse
from firmpulse.dbt_runner import NodeOutcome
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Without models/watch: warnings are only computed on DuckDB, one night at a time.
MODELS = ("path:models/facts", "path:models/features", "path:models/labels")
_SCHEMAS = ("staging", "ops", "facts", "features", "labels")
_BROKEN_RULE = "org.apache.spark.sql.catalyst.optimizer.RemoveRedundantAliases"
_PLACES = "array<struct<node: bigint, cycle_share: double, supplier_rank: double>>"
_LINKED = "array<struct<node: bigint, cluster: bigint, cluster_size: bigint, ring_size: bigint>>"


@dataclass(frozen=True)
class SparkBuild:
    """What was built: the models and tests with their seconds, and total seconds."""

    nodes: tuple[NodeOutcome, ...]
    seconds: float


def rows_folder(settings: Settings) -> Path:
    """Return where the masked rows for Spark are, as schema/table."""
    return settings.spark_dir / "rows"


def results_folder(settings: Settings) -> Path:
    """Return where the tables that Spark built are, as schema/table, each a folder of Parquet."""
    return settings.spark_dir / "results"


def export_rows(settings: Settings) -> int:
    """Write the masked rows of the warehouse, its nights and its deliveries as Parquet.

    Returns the number of rows.

    Tokens are written as text. The files are not encrypted: all readers of the folder can read
    masked rows.

    Raises:
        NotReadyError: nothing has been masked yet.
    """
    folder = rows_folder(settings)
    shutil.rmtree(folder, ignore_errors=True)
    settings.spark_dir.mkdir(mode=0o700, exist_ok=True)
    exported = 0
    with warehouse.connect(settings) as connection:
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() "
            "where database_name = 'warehouse' "
            "and (schema_name = 'staging' "
            "or schema_name = 'ops' and table_name in ('nights', 'deliveries'))"
        ).fetchall()
        if not any(schema == "staging" for schema, _ in tables):
            raise NotReadyError("there are no masked rows yet; make them with: firmpulse run")
        for schema, table in tables:
            path = folder / schema / table
            path.mkdir(parents=True)
            relation = connection.table(f'warehouse.{schema}."{table}"')
            plain = with_text_tokens(relation)
            plain.write_parquet(str(path / "rows.parquet"), compression="zstd")
            exported += len(plain)
    return exported


def with_text_tokens(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Return the relation with its tokens as text, as on Spark."""
    columns = ", ".join(
        f'"{name}"::varchar as "{name}"' if str(kind) == "UUID" else f'"{name}"'
        for name, kind in zip(relation.columns, relation.types, strict=True)
    )
    return relation.project(columns)


def local_session(settings: Settings) -> "SparkSession":
    """Return a session on this machine, or on the cluster given to `spark-submit`.

    It has the threads and the memory that the settings give to DuckDB, and accepts no remote
    connections.
    """
    from pyspark import SparkConf
    from pyspark.sql import SparkSession

    # Workers use this environment, not the python3 on the path.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("firmpulse")
    if not SparkConf().contains("spark.master"):
        own = settings.spark_dir
        options = {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.log.level": "ERROR",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.driver.memory": settings.memory_limit.replace(" ", "").lower().rstrip("ib"),
            "spark.sql.shuffle.partitions": str(4 * settings.threads),
            "spark.sql.warehouse.dir": str(own / "results"),
            "spark.local.dir": str(own / "spill"),
        }
        builder = builder.master(f"local[{settings.threads}]").config(map=options)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def build(
    settings: Settings, spark: "SparkSession", only: tuple[date, date] | None = None
) -> SparkBuild:
    """Build facts, features and labels from scratch, from the rows written by `export_rows`.

    Args:
        settings: home folder.
        spark: a session; its workers read and write the home's folder `spark`.
        only: first and last date of the features to build; by default every date of the home.

    Raises:
        BuildFailed: a model or a data test failed.
        NotReadyError: there are no rows; call `export_rows` first.
    """
    rows = rows_folder(settings)
    if not rows.is_dir():
        raise NotReadyError("there are no masked rows for Spark; write them with export_rows")
    began = time.monotonic()
    results = results_folder(settings)
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(mode=0o700)
    _prepare(spark)
    for schema in _SCHEMAS:
        spark.sql(f"drop schema if exists {schema} cascade")
        spark.sql(f"create schema {schema} location '{results / schema}'")
    for path in sorted(rows.glob("*/*")):
        spark.catalog.createTable(f"{path.parent.name}.{path.name}", str(path), source="parquet")
    variables = {"as_of": "1900-01-01"} | only_dates(only)
    nodes = dbt_runner.build_on_spark(settings, MODELS, variables)
    return SparkBuild(nodes, time.monotonic() - began)


def _prepare(spark: "SparkSession") -> None:
    """Register the models' functions in the session, and the translation in dbt."""
    from features.spark import adapter

    # For firm_snapshots, Spark 4.3 refuses a plan made by this rule of its optimizer.
    spark.conf.set("spark.sql.optimizer.excludedRules", _BROKEN_RULE)
    spark.udf.register("spring_festival", spring_festival, "date")
    spark.udf.register("trade_graph", trade_graph, _PLACES)
    spark.udf.register("link_graph", link_graph, _LINKED)
    adapter.use()
