"""Measures of the graph of links between firms: groups, and rings of guarantees.

Nodes are firms, by number; a link is a share in the capital or a guarantee. It has no amount.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

Nodes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LinkMeasures:
    """One entry per node, nodes ascending; arrays of shape (nodes,)."""

    nodes: Nodes
    # Lowest node of its group: nodes that links join in any direction, over any number of steps.
    group: Nodes
    group_size: Nodes
    # Nodes that can be reached along guarantees and lead back, itself included; 0 if it is alone.
    ring_size: Nodes


def measure(origins: Nodes, targets: Nodes, is_guarantee: Flags) -> LinkMeasures:
    """Return the measures of every node of a graph of links.

    Args:
        origins: holder of a share, or firm that guarantees, shape (links,).
        targets: firm whose capital it is, or whose debt; a link may be there twice.
        is_guarantee: whether it is a guarantee.
    """
    nodes, places = np.unique(np.concatenate((origins, targets)), return_inverse=True)
    origin, target = places[: len(origins)], places[len(origins) :]
    every = np.ones(len(origins), dtype=np.bool_)
    group = _components(origin, target, every, len(nodes), "weak")
    ring = _components(origin, target, is_guarantee, len(nodes), "strong")
    ring_size = np.bincount(ring, minlength=1)[ring]
    _, lowest = np.unique(group, return_index=True)
    return LinkMeasures(
        nodes,
        nodes[lowest][group],
        np.bincount(group, minlength=1)[group],
        np.where(ring_size > 1, ring_size, 0),
    )


def _components(origin: Nodes, target: Nodes, chosen: Flags, count: int, connection: str) -> Nodes:
    """Return the number of the component of each node, (count,)."""
    ends = (origin[chosen], target[chosen])
    graph = sparse.csr_array((np.ones(len(ends[0])), ends), shape=(count, count))
    _, component = csgraph.connected_components(graph, connection=connection)
    return np.asarray(component, dtype=np.int64)
