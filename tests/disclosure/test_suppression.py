import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring import suppression
from scoring.suppression import count_firms, suppress, with_totals

tables = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda shape: st.lists(
        st.lists(st.integers(0, 12), min_size=shape[1], max_size=shape[1]),
        min_size=shape[0],
        max_size=shape[0],
    )
)


def test_a_small_cell_takes_three_others_with_it() -> None:
    counts = with_totals(np.array([[2, 20, 30], [40, 10, 60], [70, 80, 90]]))
    empty = suppress(counts)
    assert empty.tolist() == [
        [True, True, False, False],
        [True, True, False, False],
        [False, False, False, False],
        [False, False, False, False],
    ]


def test_nothing_is_suppressed_without_small_cells() -> None:
    assert not suppress(with_totals(np.array([[5, 0], [9, 6]]))).any()


def test_two_small_cells_do_not_hide_each_other() -> None:
    # 1 + 1 = 2 reveals both: a sum of few firms does not protect.
    counts = with_totals(np.array([[1, 1, 50], [1, 1, 50], [50, 50, 50]]))
    assert suppress(counts).sum() > 4


def _solutions(counts: np.ndarray, empty: np.ndarray, most: int) -> list[set[int]]:
    """Try every count for every empty cell: an independent brute-force attack on the table."""
    places = np.argwhere(empty)
    seen = [set[int]() for _ in places]
    for guess in itertools.product(range(1, most + 1), repeat=len(places)):
        table = np.where(empty, 0, counts)
        table[tuple(places.T)] = guess
        rows = np.array_equal(table[:, :-1].sum(axis=1), table[:, -1])
        if rows and np.array_equal(table[:-1].sum(axis=0), table[-1]):
            for values, value in zip(seen, guess, strict=True):
                values.add(value)
    return seen


def test_trying_every_count_leaves_many_possible() -> None:
    counts = with_totals(np.array([[2, 6, 9], [7, 6, 5], [8, 9, 7]]))
    empty = suppress(counts)
    assert empty.sum() == 4
    for values in _solutions(counts, empty, 20):
        assert max(values) - min(values) >= 5


@given(tables)
@settings(deadline=None, max_examples=60)
def test_no_suppressed_cell_follows_from_the_rest(table: list[list[int]]) -> None:
    counts = with_totals(np.array(table, dtype=np.int64))
    empty = suppress(counts)
    assert empty[(counts > 0) & (counts < 5)].all()
    assert not empty[counts == 0].any()
    for place, (low, high) in suppression.ranges(counts, empty).items():
        assert low - 1e-6 <= counts[place] <= high + 1e-6
        assert high - low >= 5 - 1e-6
    # Independent check: a cell fixed by the equations is orthogonal to their null space.
    assert _fixed_by_algebra(empty) == []


def _fixed_by_algebra(empty: np.ndarray) -> list[int]:
    places = np.argwhere(empty)
    lines = [[float(r == n) for r, _ in places] for n in range(empty.shape[0])]
    lines += [[float(c == n) for _, c in places] for n in range(empty.shape[1])]
    if not len(places):
        return []
    matrix = np.array(lines)
    for n, (r, c) in enumerate(places):
        last = (r == empty.shape[0] - 1) + (c == empty.shape[1] - 1)
        matrix[:, n] *= -1.0 if last == 1 else 1.0
    _, values, right = np.linalg.svd(matrix)
    free = right[int((values > 1e-9).sum()) :]
    return [n for n in range(len(places)) if np.abs(free[:, n]).max(initial=0) < 1e-9]


def test_counts_by_group_with_totals() -> None:
    rows = pl.DataFrame({
        "industry": ["C"] * 30 + ["F"] * 20 + ["A"] * 2 + ["B"] + [None] * 7,
        "grade": ["A", "B"] * 15 + ["A", "B"] * 10 + ["A", "B", "A"] + ["B"] * 7,
    })  # fmt: skip
    table = count_firms(rows, ["industry"], "grade")
    groups = table["industry"].unique().sort().to_list()
    assert groups == ["(all)", "(other)", "C", "F"]
    shown = {(i, g): n for i, g, n, _ in table.iter_rows()}
    assert shown["(all)", "(all)"] == 60
    assert shown["C", "(all)"] == 30
    assert table.filter(pl.col("suppressed") != pl.col("firms").is_null()).is_empty()
    small = table.filter(pl.col("firms").is_between(1, 4))
    assert small.is_empty()


@given(st.lists(st.tuples(st.sampled_from("ABCDEF"), st.sampled_from("xyz")), max_size=60))
@settings(deadline=None, max_examples=40)
def test_no_published_count_is_small(pairs: list[tuple[str, str]]) -> None:
    rows = pl.DataFrame(pairs, schema={"industry": pl.String, "grade": pl.String}, orient="row")
    table = count_firms(rows, ["industry"], "grade")
    assert table.filter(pl.col("firms").is_between(1, 4)).is_empty()


@pytest.mark.parametrize("shape", [(20, 8), (60, 8)])
def test_a_table_of_many_industries_is_done_in_seconds(shape: tuple[int, int]) -> None:
    draw = np.random.default_rng(7)
    counts = with_totals(draw.poisson(6, shape))
    empty = suppress(counts)
    assert 0 < empty.mean() < 0.8
