"""Measures of the trade graph: cycles, and the centrality of a firm as a supplier.

Nodes are firms, by number; an edge is the sales of one to another in a year. Results depend only on
the edges, not on their order, to the last bit.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import networkx as nx
import numpy as np
import numpy.typing as npt
from scipy import sparse

from firmpulse.scale import FloatArray

Nodes = npt.NDArray[np.int64]

# A sale is part of a ring only if it is at least this share of its seller's sales; in a dense
# network nearly every two firms are on some cycle of five by chance.
RING_SHARE = 0.1
_DAMPING = 0.85
_TOLERANCE = 1e-10
_MOST_ROUNDS = 500


@dataclass(frozen=True)
class TradeMeasures:
    """One entry per node, nodes ascending; arrays of shape (nodes,)."""

    nodes: Nodes
    # Share of a node's sales on cycles of 3 to 5; NaN for a node without sales.
    cycle_share: FloatArray
    # Common logarithm of its PageRank over the mean one; 0 is average, 1 ten times that.
    supplier_rank: FloatArray


def measure(sellers: Nodes, buyers: Nodes, amounts: FloatArray) -> TradeMeasures:
    """Return the measures of every node of a trade graph.

    Args:
        sellers: node that sells, shape (edges,).
        buyers: node that buys; no edge twice, none from a node to itself.
        amounts: sales of an edge, above 0.

    Source: Brin and Page, The anatomy of a large-scale hypertextual web search engine (1998): a
    buyer passes its rank on to its suppliers in proportion to its purchases.
    """
    order = np.lexsort((buyers, sellers))
    sellers, buyers, amounts = sellers[order], buyers[order], amounts[order]
    nodes = np.unique(np.concatenate((sellers, buyers)))
    if not len(nodes):
        return TradeMeasures(nodes, np.empty(0), np.empty(0))
    sold = np.zeros(len(nodes))
    places = np.searchsorted(nodes, sellers)
    np.add.at(sold, places, amounts)
    in_ring = np.zeros(len(nodes))
    np.add.at(
        in_ring, places, amounts * _on_cycles(sellers, buyers, amounts >= RING_SHARE * sold[places])
    )
    with np.errstate(invalid="ignore"):
        share = np.where(sold > 0, in_ring / sold, np.nan)
    return TradeMeasures(nodes, share, _supplier_rank(nodes, sellers, buyers, amounts))


def _on_cycles(sellers: Nodes, buyers: Nodes, material: npt.NDArray[np.bool_]) -> FloatArray:
    """Return 1 for material edges on a cycle of 3 to 5 material edges, else 0; shape (edges,)."""
    graph = nx.DiGraph()
    graph.add_edges_from(zip(sellers[material].tolist(), buyers[material].tolist(), strict=True))
    found = set(_ring_edges(graph))
    edges = zip(sellers.tolist(), buyers.tolist(), strict=True)
    return np.fromiter((edge in found for edge in edges), dtype=np.float64, count=len(sellers))


def _ring_edges(graph: "nx.DiGraph[int]") -> Iterator[tuple[int, int]]:
    """Yield the edges on a simple cycle of 3, 4 or 5.

    A cycle stays within a strongly connected component. The shortest way back from the buyer to
    the seller, without the edge between them, is a simple path; it has at most four edges if the
    buyer's successors of the second order meet the seller's predecessors of the second order.
    """
    for component in nx.strongly_connected_components(graph):
        if len(component) < 3:
            continue
        part = graph.subgraph(component)
        after = {node: set(part.successors(node)) for node in part}
        before = {node: set(part.predecessors(node)) for node in part}
        for seller, buyer in part.edges:
            ends = {seller, buyer}
            first, last = after[buyer] - ends, before[seller] - ends
            second = set().union(*(after[node] for node in first)) - ends
            third = set().union(*(before[node] for node in last)) - ends
            if first & last or second & last or second & third:
                yield seller, buyer


def _supplier_rank(nodes: Nodes, sellers: Nodes, buyers: Nodes, amounts: FloatArray) -> FloatArray:
    """Return the ranks by power iteration over sparse matrices, as networkx does it.

    Its graph of dictionaries takes ten times as long to fill as the ranks to find.
    """
    count = len(nodes)
    places = (np.searchsorted(nodes, buyers), np.searchsorted(nodes, sellers))
    bought = sparse.csr_array((amounts, places), shape=(count, count))
    totals = bought.sum(axis=1)
    buys_nothing = totals == 0
    passed_on = sparse.diags_array(1 / np.where(buys_nothing, 1, totals)) @ bought
    ranks = np.full(count, 1 / count)
    for _ in range(_MOST_ROUNDS):
        before = ranks
        of_all = _DAMPING * before[buys_nothing].sum() + 1 - _DAMPING
        ranks = _DAMPING * (before @ passed_on) + of_all / count
        if np.abs(ranks - before).sum() < count * _TOLERANCE:
            return np.asarray(np.round(np.log10(ranks * count), 9), dtype=np.float64)
    raise ArithmeticError(f"the ranks of {count} firms did not settle in {_MOST_ROUNDS} rounds")
