"""k-anonymity and l-diversity: rows for analysts in which no firm can be identified.

Full-domain generalisation: a column is coarsened for all rows alike, so that the values of one
file are comparable. Rows that remain unique are left out. Sources: Samarati and Sweeney (1998) for
k and the hierarchies, Machanavajjhala et al. (2007) for l.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from firmpulse.bounds import LEAST_FIRMS

LEAST_VALUES = 2
_MOST_LEFT_OUT = 0.02
UNKNOWN, ANY = "?", "*"


@dataclass(frozen=True)
class QuasiIdentifier:
    """A column that others may know about a firm, with ever coarser levels."""

    column: str
    # Name of the level → its text over the raw rows; finest first, the last has no information.
    levels: Mapping[str, pl.Expr]


@dataclass(frozen=True)
class Anonymised:
    """Rows that may be released, and how they were changed."""

    rows: pl.DataFrame
    # Column → level at which it is written.
    levels: Mapping[str, str]
    rows_left_out: int
    classes: int
    smallest_class: int


def anonymise(
    rows: pl.DataFrame,
    identifiers: Sequence[QuasiIdentifier],
    sensitive: str,
    *,
    k: int = LEAST_FIRMS,
    diversity: int = LEAST_VALUES,
    most_left_out: float = _MOST_LEFT_OUT,
) -> Anonymised:
    """Coarsen quasi-identifiers until few rows are unique, then leave these out.

    Args:
        rows: one row per firm; columns other than the quasi-identifiers are kept.
        identifiers: columns to coarsen; each is replaced by its text at the chosen level.
        sensitive: column whose value must not follow from the quasi-identifiers.
        k: minimum number of firms with the same quasi-identifiers.
        diversity: minimum number of distinct values of `sensitive` among them.
        most_left_out: share of the rows that may be left out instead of coarsening further.
    """
    texts = {
        one.column: [
            rows.with_columns(text.cast(pl.String).fill_null(UNKNOWN).alias(one.column))[one.column]
            for text in one.levels.values()
        ]
        for one in identifiers
    }
    secret = rows[sensitive]

    def kept_at(levels: Mapping[str, int]) -> pl.Series:
        keys = pl.DataFrame([texts[c][level].alias(c) for c, level in levels.items()])
        return _is_hidden(keys, secret, k, diversity)

    levels = {one.column: 0 for one in identifiers}
    kept = kept_at(levels)
    while (~kept).sum() > most_left_out * len(rows):
        coarser = [
            levels | {column: level + 1}
            for column, level in levels.items()
            if level + 1 < len(texts[column])
        ]
        if not coarser:
            break
        levels = min(coarser, key=lambda at: ((~kept_at(at)).sum(), *_detail_lost(at, texts)))
        kept = kept_at(levels)
    written = rows.with_columns(texts[c][level].alias(c) for c, level in levels.items())
    names = {one.column: list(one.levels)[levels[one.column]] for one in identifiers}
    sizes = written.filter(kept).group_by(list(levels)).len()["len"]
    smallest = int(sizes.cast(pl.Int64).min() or 0) if len(sizes) else 0  # type: ignore[arg-type]
    left_out = int((~kept).sum())
    return Anonymised(written.filter(kept), names, left_out, len(sizes), smallest)


def _is_hidden(keys: pl.DataFrame, secret: pl.Series, k: int, diversity: int) -> pl.Series:
    """Return for each row whether enough others share its keys, but not its sensitive value."""
    columns = keys.columns
    return (
        keys.with_columns(secret.alias("__secret"))
        .select(
            (pl.len().over(columns) >= k)
            & (pl.col("__secret").drop_nulls().n_unique().over(columns) >= diversity)
        )
        .to_series()
    )


def _detail_lost(
    levels: Mapping[str, int], texts: Mapping[str, Sequence[pl.Series]]
) -> tuple[float, str]:
    lost = sum(level / (len(texts[column]) - 1) for column, level in levels.items())
    return lost, str(sorted(levels.items()))
