"""Groups and rings of small graphs of links, by hand and as networkx finds them."""

import networkx as nx
import numpy as np
import pytest

from features import links

Links = list[tuple[int, int, bool]]


def _measure(found: Links) -> dict[int, tuple[int, int, int]]:
    """Return node → group, size of the group, size of the ring."""
    origins, targets, kinds = (np.array(part) for part in zip(*found, strict=True))
    measures = links.measure(origins, targets, kinds)
    parts = (measures.group, measures.group_size, measures.ring_size)
    values = zip(*(part.tolist() for part in parts), strict=True)
    return dict(zip(measures.nodes.tolist(), values, strict=True))


def test_a_common_holder_makes_a_group_and_no_ring() -> None:
    found = _measure([(9, 1, False), (9, 2, False), (5, 6, False), (6, 5, False)])
    assert found == {1: (1, 3, 0), 2: (1, 3, 0), 9: (1, 3, 0), 5: (5, 2, 0), 6: (5, 2, 0)}


@pytest.mark.parametrize("length", [2, 3, 7])
def test_guarantees_that_lead_back_are_a_ring(length: int) -> None:
    ring = [(n, (n + 1) % length, True) for n in range(length)]
    found = _measure([*ring, (0, 50, True), (60, 0, True)])
    assert {ring_size for _, _, ring_size in found.values()} == {length, 0}
    assert [n for n, (_, _, ring_size) in found.items() if ring_size] == list(range(length))
    assert {size for _, size, _ in found.values()} == {length + 2}


def test_a_ring_that_a_share_closes_is_none() -> None:
    assert _measure([(1, 2, True), (2, 1, False)]) == {1: (1, 2, 0), 2: (1, 2, 0)}


def test_groups_and_rings_are_those_that_networkx_finds() -> None:
    for seed in range(20):
        drawn = nx.gnp_random_graph(30, 0.03, seed=seed, directed=True)
        random = np.random.default_rng(seed)
        made = [(a, b, bool(random.integers(2))) for a, b in drawn.edges]
        given = nx.DiGraph([(a, b) for a, b, is_guarantee in made if is_guarantee])
        rings = {n: len(ring) for ring in nx.strongly_connected_components(given) for n in ring}
        expected = {
            node: (min(group), len(group), rings.get(node, 0) if rings.get(node, 0) > 1 else 0)
            for group in nx.weakly_connected_components(drawn)
            if len(group) > 1
            for node in group
        }
        assert _measure(made) == expected
