"""Cycles and supplier ranks of small trade graphs, by hand; the view on raw rows."""

import itertools
import math

import networkx as nx
import numpy as np
import pytest

from features import graph

Edges = list[tuple[int, int, float]]


def _measure(edges: Edges) -> dict[int, tuple[float, float]]:
    sellers, buyers, amounts = zip(*edges, strict=True)
    found = graph.measure(np.array(sellers), np.array(buyers), np.array(amounts, dtype=float))
    values = zip(found.cycle_share.tolist(), found.supplier_rank.tolist(), strict=True)
    return dict(zip(found.nodes.tolist(), values, strict=True))


def test_a_ring_of_three_holds_the_sales_within_it() -> None:
    # 1 sells 300 to 2 in the ring and 100 to 9 outside.
    found = _measure([(1, 2, 300), (1, 9, 100), (2, 3, 50), (3, 1, 80)])
    assert found[1][0] == pytest.approx(0.75)
    assert found[2][0] == found[3][0] == 1
    assert math.isnan(found[9][0])


@pytest.mark.parametrize(("length", "share"), [(2, 0), (3, 1), (4, 1), (5, 1), (6, 0)])
def test_rings_of_three_to_five_count(length: int, share: float) -> None:
    ring = [(n, (n + 1) % length, 10.0) for n in range(length)]
    found = _measure(ring)
    assert {cycle for cycle, _ in found.values()} == {share}


def test_two_firms_that_sell_to_each_other_are_no_way_round_a_ring() -> None:
    # 1 ⇄ 2 ⇄ 3: every walk back to 1 passes 2 again.
    found = _measure([(1, 2, 10), (2, 1, 10), (2, 3, 10), (3, 2, 10)])
    assert {cycle for cycle, _ in found.values()} == {0}


def test_a_sale_below_a_tenth_of_its_sellers_closes_no_ring() -> None:
    small = [(1, 2, 9.0), (1, 8, 91.0), (2, 3, 50.0), (3, 1, 50.0)]
    assert _measure(small)[1][0] == 0
    enough = [(1, 2, 10.0), (1, 8, 90.0), (2, 3, 50.0), (3, 1, 50.0)]
    assert _measure(enough)[1][0] == pytest.approx(0.1)


def test_edges_on_rings_are_those_that_networkx_finds_by_listing_all_cycles() -> None:
    for seed in range(20):
        drawn = nx.gnp_random_graph(14, 0.16, seed=seed, directed=True)
        expected = set()
        for cycle in nx.simple_cycles(drawn, length_bound=5):
            if len(cycle) >= 3:
                expected |= set(itertools.pairwise([*cycle, cycle[0]]))
        edges = list(drawn.edges)
        found = graph.on_rings(edges)
        assert {edge for edge, is_on in zip(edges, found, strict=True) if is_on} == expected


def test_the_rank_of_a_supplier_is_passed_on_by_its_buyers() -> None:
    # 2 and 3 buy only from 1; no firm buys from 2 and 3. With a dangling 1:
    # r2 = r3 = 0.05 + 0.85 r1 / 3, r1 = 0.05 + 0.85 (r1 / 3 + r2 + r3), their sum is 1.
    r1 = (0.05 + 0.85) / (1 + 0.85 - 0.85 / 3)
    found = _measure([(1, 2, 7.0), (1, 3, 1.0)])
    assert found[1][1] == pytest.approx(math.log10(3 * r1), abs=1e-6)
    assert found[2][1] == found[3][1] == pytest.approx(math.log10(3 * (1 - r1) / 2), abs=1e-6)


def test_a_buyer_gives_more_to_whom_it_buys_more_from() -> None:
    found = _measure([(1, 9, 90.0), (2, 9, 10.0)])
    assert found[1][1] > found[2][1] > found[9][1]


def test_the_order_of_edges_and_their_numbers_changes_no_bit() -> None:
    random = np.random.default_rng(3)
    pairs = {(int(a), int(b)) for a, b in random.integers(0, 60, (400, 2)) if a != b}
    edges = [(a, b, float(random.integers(1, 10**9)) / 100) for a, b in sorted(pairs)]
    expected = list(_measure(edges).values())
    shuffled = [edges[place] for place in random.permutation(len(edges))]
    assert str(list(_measure(shuffled).values())) == str(expected)
    renamed = [(a * 7 + 5, b * 7 + 5, amount) for a, b, amount in shuffled]
    assert str(list(_measure(renamed).values())) == str(expected)


def test_no_trade_gives_no_nodes() -> None:
    none = np.empty(0, dtype=np.int64)
    assert len(graph.measure(none, none, np.empty(0)).nodes) == 0
