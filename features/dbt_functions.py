"""dbt-duckdb plugin: our functions for the SQL of the models."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb.func import SPECIAL

from features import graph, links
from firmpulse import calendar

_NODE = "STRUCT(node BIGINT, cycle_share DOUBLE, supplier_rank DOUBLE)[]"
_LINKED = "STRUCT(node BIGINT, cluster BIGINT, cluster_size BIGINT, ring_size BIGINT)[]"


class Plugin(BasePlugin):  # type: ignore[misc] # dbt ships no types
    """Adds `trade_graph`, `link_graph` and `spring_festival`."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Register the functions; every cursor of the connection has them."""
        install(conn)


def install(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the functions available.

    `trade_graph(sellers, buyers, amounts)` takes the edges of a graph and returns one struct per
    node, and so does `link_graph(origins, targets, is_guarantee)`; `spring_festival(year)` returns
    its day, null for a year outside the calendar.
    """
    # By default DuckDB treats a null from a function as an error.
    connection.create_function(
        "spring_festival", spring_festival, ["BIGINT"], "DATE", null_handling=SPECIAL
    )
    connection.create_function(  # type: ignore[call-overload] # it knows no names of list types
        "trade_graph", _trade_graphs, ["BIGINT[]", "BIGINT[]", "DOUBLE[]"], _NODE, type="arrow"
    )
    connection.create_function(  # type: ignore[call-overload] # it knows no names of list types
        "link_graph", _link_graphs, ["BIGINT[]", "BIGINT[]", "BOOLEAN[]"], _LINKED, type="arrow"
    )


def spring_festival(year: int | None) -> date | None:
    """Return the day of Spring Festival, None for a year outside the calendar."""
    try:
        return None if year is None else calendar.spring_festival(year)
    except ValueError:
        return None


def _trade_graphs(sellers: Any, buyers: Any, amounts: Any) -> Any:
    """Return one list of structs per graph; each argument is an Arrow column of lists."""
    found = [graph.measure(*edges) for edges in _of_graphs(sellers, buyers, amounts)]
    shares = np.concatenate([measures.cycle_share for measures in found])
    places = pa.StructArray.from_arrays(
        [
            pa.array(np.concatenate([measures.nodes for measures in found])),
            pa.array(shares, mask=np.isnan(shares)),
            pa.array(np.concatenate([measures.supplier_rank for measures in found])),
        ],
        fields=list(_PLACE),
    )
    return _lists(places, [len(measures.nodes) for measures in found])


def _link_graphs(origins: Any, targets: Any, is_guarantee: Any) -> Any:
    """Return one list of structs per graph; each argument is an Arrow column of lists."""
    found = [links.measure(*edges) for edges in _of_graphs(origins, targets, is_guarantee)]
    parts = ("nodes", "group", "group_size", "ring_size")
    places = pa.StructArray.from_arrays(
        [pa.array(np.concatenate([getattr(graph, part) for graph in found])) for part in parts],
        fields=list(_LINK_PLACE),
    )
    return _lists(places, [len(measures.nodes) for measures in found])


def _of_graphs(*columns: Any) -> Iterator[list[Any]]:
    """Yield the edges of each graph as arrays, one per column."""
    for of_graph in zip(*columns, strict=True):
        yield [edges.values.to_numpy(zero_copy_only=False) for edges in of_graph]


def _lists(values: Any, lengths: list[int]) -> Any:
    return pa.ListArray.from_arrays(pa.array(np.cumsum([0, *lengths]), pa.int32()), values)


def trade_graph(
    sellers: list[int], buyers: list[int], amounts: list[float]
) -> list[dict[str, Any]]:
    """Return node, cycle_share and supplier_rank of each node of a graph of edges."""
    columns = (pa.array([edges]) for edges in (sellers, buyers, amounts))
    (places,) = _trade_graphs(*columns).to_pylist()
    return list(places)


def link_graph(
    origins: list[int], targets: list[int], is_guarantee: list[bool]
) -> list[dict[str, Any]]:
    """Return node, cluster, cluster_size and ring_size of each node of a graph of links."""
    columns = (pa.array([edges]) for edges in (origins, targets, is_guarantee))
    (places,) = _link_graphs(*columns).to_pylist()
    return list(places)


_PLACE = pa.struct(
    [("node", pa.int64()), ("cycle_share", pa.float64()), ("supplier_rank", pa.float64())]
)
_LINK_PLACE = pa.struct(
    [(name, pa.int64()) for name in ("node", "cluster", "cluster_size", "ring_size")]
)
