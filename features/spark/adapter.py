"""dbt's adapter for Spark, with the translation that the table macro calls."""

from typing import Any

import dbt.adapters.spark as dbt_spark
from dbt.adapters.base import AdapterPlugin
from dbt.adapters.base.meta import available
from dbt.include import spark as macros

from features.spark.dialect import Columns, translate


class SparkAdapter(dbt_spark.SparkAdapter):  # type: ignore[misc] # dbt ships no types
    """dbt's Spark adapter, under the same name, with one more method."""

    @available  # type: ignore[untyped-decorator]
    def translated(self, sql: str, model: dict[str, Any], graph: dict[str, Any]) -> str:
        """Return a compiled model as Spark SQL; types are those of the YAML beside each model."""
        tables: dict[str, dict[str, Columns]] = {}
        for node in [*graph["nodes"].values(), *graph["sources"].values()]:
            if node["resource_type"] in ("model", "source") and node["columns"]:
                tables.setdefault(node["schema"], {})[node["name"]] = _columns(node)
        return translate(sql, tables, _columns(model))


class SparkCredentials(dbt_spark.SparkCredentials):  # type: ignore[misc] # dbt ships no types
    """Spark's connection with errors on overflow instead of nulls."""

    def __post_init__(self) -> None:
        """Set dbt's options, and ANSI mode."""
        super().__post_init__()
        self.server_side_parameters["spark.sql.ansi.enabled"] = "true"


def _columns(node: dict[str, Any]) -> Columns:
    return {name: column["data_type"] for name, column in node["columns"].items()}


def use() -> None:
    """Make dbt use this adapter for every target of type `spark`."""
    dbt_spark.Plugin = AdapterPlugin(
        adapter=SparkAdapter,
        credentials=SparkCredentials,
        include_path=macros.PACKAGE_PATH,
    )
