"""Measures of the trade graph: cycles, and the centrality of a firm as a supplier.

Nodes are firms, by number; an edge is the sales of one to another in a year. Results depend only on
the edges, not on their order, to the last bit.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

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
    sales = Sales(
        np.searchsorted(nodes, sellers), np.searchsorted(nodes, buyers), amounts, len(nodes)
    )
    sold = np.zeros(sales.firms)
    np.add.at(sold, sales.seller, amounts)
    in_ring = np.zeros(sales.firms)
    np.add.at(in_ring, sales.seller, amounts * _on_cycles(sales, sold))
    with np.errstate(invalid="ignore"):
        share = np.where(sold > 0, in_ring / sold, np.nan)
    return TradeMeasures(nodes, share, _supplier_rank(sales))


@dataclass(frozen=True)
class Sales:
    """Edges ordered by seller and buyer, which are counted from 0; arrays of shape (edges,)."""

    seller: Nodes
    buyer: Nodes
    amount: FloatArray
    firms: int


def _on_cycles(sales: Sales, sold: FloatArray) -> FloatArray:
    """Return 1 for edges on a cycle of 3 to 5 material edges, else 0; shape (edges,).

    A cycle stays within a strongly connected component, and most edges lead out of theirs.
    """
    material = sales.amount >= RING_SHARE * sold[sales.seller]
    shape = (sales.firms, sales.firms)
    ends = (sales.seller[material], sales.buyer[material])
    graph = sparse.csr_array((np.ones(len(ends[0])), ends), shape=shape)
    _, component = csgraph.connected_components(graph, connection="strong")
    within = material & (component[sales.seller] == component[sales.buyer])
    edges = list(zip(sales.seller[within].tolist(), sales.buyer[within].tolist(), strict=True))
    found = np.zeros(len(sales.amount))
    found[within] = on_rings(edges)
    return found


def on_rings(edges: Sequence[tuple[int, int]]) -> list[bool]:
    """Return for each edge whether it is on a simple cycle of 3, 4 or 5.

    The shortest way back from the buyer to the seller, without the edge between them, is a simple
    path; it has at most four edges if the buyer's successors of the second order meet the seller's
    predecessors of the second order.
    """
    after: dict[int, set[int]] = defaultdict(set)
    before: dict[int, set[int]] = defaultdict(set)
    for seller, buyer in edges:
        after[seller].add(buyer)
        before[buyer].add(seller)
    found = []
    for seller, buyer in edges:
        ends = {seller, buyer}
        first, last = after[buyer] - ends, before[seller] - ends
        second = set().union(*(after[node] for node in first)) - ends
        third = set().union(*(before[node] for node in last)) - ends
        found.append(bool(first & last or second & last or second & third))
    return found


def _supplier_rank(sales: Sales) -> FloatArray:
    """Return the ranks by power iteration over sparse matrices; shape (firms,)."""
    count = sales.firms
    bought = sparse.csr_array((sales.amount, (sales.buyer, sales.seller)), shape=(count, count))
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
