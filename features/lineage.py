"""From a feature back to its contract columns, read from compiled SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from features import registry
from firmpulse import dbt_runner
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings

# Every model reads them for dates of knowledge; they do not affect lineage.
_KEYS = frozenset(
    {"firm_id", "firm", "as_of", "month", "available_at", "superseded_at", "delivery_seq",
     "row_id", "record_version", "through_seq", "last_month"}
)  # fmt: skip

Column = tuple[str, str]


@dataclass(frozen=True)
class Origin:
    """The origins of a column: (table, column) pairs in order."""

    facts: tuple[Column, ...]
    masked: tuple[Column, ...]
    # Tables and columns of the data contracts.
    delivered: tuple[Column, ...]


@dataclass(frozen=True)
class Lineage:
    """The models of the project with their compiled SQL and columns."""

    # Model → its node in dbt's manifest.
    nodes: Mapping[str, Mapping[str, Any]]
    # Model → compiled SQL.
    compiled: Mapping[str, str]
    # Contract table → its columns.
    contracts: Mapping[str, tuple[str, ...]]
    _found: dict[Column, tuple[Column, ...]] = field(default_factory=dict, repr=False)

    def origin(self, view: str, column: str) -> Origin:
        """Return the origins of a feature, through all intermediate models."""
        found: dict[str, dict[Column, None]] = {"fct": {}, "stg": {}, "raw": {}}
        seen: set[Column] = set()
        waiting = [(view, column)]
        while waiting:
            table, name = waiting.pop()
            if (table, name) in seen or name in _KEYS:
                continue
            seen.add((table, name))
            kind = "raw" if table in self.contracts else table[:3]
            if kind in found:
                found[kind][(table, name)] = None
            if table in self.compiled:
                waiting += self._sources((table, name))
        if not found["raw"]:
            # It only shows whether there are rows, not their values.
            return Origin((), (), tuple((table, "*") for table in self._tables_behind(view)))
        return Origin(*(tuple(sorted(columns)) for columns in found.values()))

    def _sources(self, column: Column) -> tuple[Column, ...]:
        """Return the input columns of a model's column, in the models it selects from."""
        from sqlglot import exp
        from sqlglot.lineage import lineage

        if column not in self._found:
            model, name = column
            root = lineage(name, self.compiled[model], schema=self._schema, dialect="duckdb")
            self._found[column] = tuple(
                (node.expression.name, node.name.rpartition(".")[2].strip('"'))
                for node in root.walk()
                if isinstance(node.expression, exp.Table)
            )
        return self._found[column]

    def _tables_behind(self, model: str) -> list[str]:
        found: set[str] = set()
        waiting = [f"model.firmpulse.{model}"]
        while waiting:
            name = waiting.pop()
            if name.startswith("source.firmpulse.vault."):
                found.add(name.rpartition(".")[2])
            elif name.startswith("model."):
                waiting += self.nodes[name.rpartition(".")[2]]["depends_on"]["nodes"]
        return sorted(found)

    @cached_property
    def _schema(self) -> dict[str, dict[str, dict[str, dict[str, str]]]]:
        schema: dict[str, dict[str, dict[str, dict[str, str]]]] = {"warehouse": {}, "vault": {}}
        for name, node in self.nodes.items():
            columns = dict.fromkeys(node["columns"], "text")
            schema["warehouse"].setdefault(node["schema"], {})[name] = columns
        added = ("row_id", "record_version", "delivery_seq", "available_at", "firm")
        schema["vault"]["raw"] = {
            table: dict.fromkeys((*added, *columns), "text")
            for table, columns in self.contracts.items()
        }
        return schema


def read(settings: Settings, contracts: Mapping[str, tuple[str, ...]]) -> Lineage:
    """Return the lineage of the project as last built.

    Args:
        settings: home folder.
        contracts: contract table → its columns.

    Raises:
        NotReadyError: nothing was built yet.
    """
    nodes = {
        node["name"]: node
        for node in registry.manifest(settings)["nodes"].values()
        if node["resource_type"] == "model"
    }
    folder = dbt_runner.target_path(settings) / "compiled"
    compiled = {
        name: path.read_text(encoding="utf-8")
        for name, node in nodes.items()
        if (path := folder / "firmpulse" / Path(node["original_file_path"])).exists()
    }
    if not compiled:
        raise NotReadyError("nothing was built yet; run a night first: firmpulse night")
    return Lineage(nodes, compiled, contracts)
