"""Counts for analysts: small cells are left empty, so that no sum reveals them.

A table of counts with its totals is a system of equations: each row and each column adds up. An
empty cell is safe if the equations leave it a wide range. Source: the audit of suppressed
cells by linear programs, Willenborg and de Waal, Elements of Statistical Disclosure Control (2001).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import linprog

from firmpulse.bounds import LEAST_FIRMS
from scoring.disclosure import UNKNOWN

OTHER, ALL = "(other)", "(all)"
Counts = NDArray[np.int64]
Empty = NDArray[np.bool_]


def count_firms(
    rows: pl.DataFrame, by: Sequence[str], across: str, *, least: int = LEAST_FIRMS
) -> pl.DataFrame:
    """Count firms by groups and `across`, with totals; small cells are null.

    Groups of fewer than `least` firms are counted together as (other).

    Returns:
        One row per group and value of `across`, with (all) for totals: the `by` columns,
        `across`, `firms` (null where suppressed) and `suppressed`.
    """
    texts = rows.select(pl.col(*by, across).cast(pl.String).fill_null(UNKNOWN))
    pooled = _pool(texts, list(by), least)
    wide = (
        pooled.group_by(*by, across).len().pivot(across, index=list(by), values="len")
        .fill_null(0).sort(by)
    )  # fmt: skip
    values = sorted(column for column in wide.columns if column not in by)
    counts = with_totals(wide.select(values).to_numpy().astype(np.int64))
    empty = suppress(counts, least=least)
    groups = [*wide.select(by).iter_rows(), (ALL,) * len(by)]
    cells = [
        (*group, value, None if empty[r, c] else int(counts[r, c]), bool(empty[r, c]))
        for r, group in enumerate(groups)
        for c, value in enumerate([*values, ALL])
    ]
    schema = {name: pl.String for name in (*by, across)}
    types = {**schema, "firms": pl.Int64, "suppressed": pl.Boolean}
    return pl.DataFrame(cells, schema=types, orient="row")


def with_totals(counts: Counts) -> Counts:
    """Return a table with a last row and a last column of sums."""
    table: Counts = np.vstack((counts, counts.sum(axis=0)))
    return np.hstack((table, table.sum(axis=1, keepdims=True)))


def suppress(counts: Counts, *, least: int = LEAST_FIRMS) -> Empty:
    """Return which cells of a table with totals must be empty.

    Cells of 1 to `least` - 1 firms, and as many others as needed until the published cells leave
    every empty one a range of at least `least`. A zero is about no firm and stays.
    """
    empty: Empty = (counts > 0) & (counts < least)
    _cover_lone_cells(counts, empty)
    while exposed := _exposed(counts, empty, least):
        lines = {line for r, c in exposed for line in (("row", r), ("column", c))}
        grown = [_empty_one_more(counts, empty, line) for line in sorted(lines)]
        if not any(grown) and not _empty_smallest(counts, empty):
            break
        _cover_lone_cells(counts, empty)
    return empty


def _cover_lone_cells(counts: Counts, empty: Empty) -> None:
    """Empty a second cell in each line with a single empty one; the audit adds the rest."""
    grown = True
    while grown:
        grown = False
        for axis, name in ((1, "row"), (0, "column")):
            for at in np.flatnonzero(empty.sum(axis=axis) == 1):
                if empty.sum(axis=axis)[at] == 1:
                    grown |= _empty_one_more(counts, empty, (name, int(at)))


def ranges(counts: Counts, empty: Empty) -> dict[tuple[int, int], tuple[float, float]]:
    """Return the lowest and highest count that the published cells allow for each empty one."""
    places = [(int(r), int(c)) for r, c in np.argwhere(empty)]
    number = {place: n for n, place in enumerate(places)}
    signs = _signs(counts.shape)
    equations, known = [], []
    for axis, size in enumerate(counts.shape):
        for line in range(size):
            inside = (line, slice(None)) if axis == 0 else (slice(None), line)
            if not empty[inside].any():
                continue
            row = np.zeros(len(places))
            for other in np.flatnonzero(empty[inside]):
                place = (line, int(other)) if axis == 0 else (int(other), line)
                row[number[place]] = signs[inside][other]
            equations.append(row)
            known.append(-float((signs[inside] * counts[inside])[~empty[inside]].sum()))
    found = dict[tuple[int, int], tuple[float, float]]()
    for place, n in number.items():
        goal = np.zeros(len(places))
        goal[n] = 1
        low, high = (_extreme(sign * goal, equations, known) for sign in (1, -1))
        found[place] = (low, -high)
    return found


def _extreme(
    goal: NDArray[np.float64], equations: list[NDArray[np.float64]], known: list[float]
) -> float:
    """Minimise a cell; an empty cell has at least one firm, as zeros are published."""
    answer = linprog(goal, A_eq=np.array(equations), b_eq=known, bounds=(1, None), method="highs")
    return float(answer.fun) if answer.status == 0 else -np.inf


def _signs(shape: tuple[int, ...]) -> Counts:
    """Return +1 for a cell and -1 for the total of its line."""
    signs = np.ones(shape, dtype=np.int64)
    signs[-1, :] = -1
    signs[:, -1] = -1
    signs[-1, -1] = 1
    return signs


def _exposed(counts: Counts, empty: Empty, least: int) -> list[tuple[int, int]]:
    found = ranges(counts, empty)
    return [place for place, (low, high) in found.items() if high - low < least - 1e-6]


def _empty_one_more(counts: Counts, empty: Empty, line: tuple[str, int]) -> bool:
    """Empty the cheapest cell of a line: first where others are empty too, then the smallest."""
    axis, at = line
    # Views: changes in them change the table.
    lines, sizes = (empty, counts) if axis == "row" else (empty.T, counts.T)
    open_cells = np.flatnonzero(~lines[at] & (sizes[at] > 0)).tolist()
    if not open_cells:
        return False
    across = np.atleast_1d(lines.any(axis=0))
    last = lines.shape[1] - 1
    best = min(open_cells, key=lambda n: (n == last, not across[n], int(sizes[at, n])))
    lines[at, best] = True
    return True


def _empty_smallest(counts: Counts, empty: Empty) -> bool:
    open_cells = np.argwhere(~empty & (counts > 0))
    if not len(open_cells):
        return False
    r, c = open_cells[int(np.argmin(counts[open_cells[:, 0], open_cells[:, 1]]))].tolist()
    empty[r, c] = True
    return True


def _pool(texts: pl.DataFrame, by: list[str], least: int) -> pl.DataFrame:
    """Merge small groups into (other), with the next larger one if that is still too small."""
    sizes = texts.group_by(by).len().sort("len", *by)
    before = sizes["len"].cum_sum().shift(1, fill_value=0)
    small = sizes["len"] < least
    pooled = sizes.filter(small | ((before > 0) & (before < least) & small.shift(1)))
    hit = pl.struct(by).is_in(pooled.select(pl.struct(by)).to_series().implode())
    return texts.with_columns(pl.when(hit).then(pl.lit(OTHER)).otherwise(c).alias(c) for c in by)
