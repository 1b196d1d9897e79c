"""Has a feature moved since training? Distributions now against the training frame.

The reference of a frame is stored when the frame is frozen: bins and shares, no rows, so it remains
after rows are erased. Bins are the deciles of the training rows; missing values have a separate
bin, as in a scorecard, and so has every category that is not rare.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import polars as pl

from features.registry import FeatureMeta
from firmpulse import stability
from firmpulse.scale import FloatArray
from firmpulse.stored_tables import FEATURE_REFERENCES

# A category with fewer rows is counted with the others; it could identify a firm.
_LEAST_ROWS_OF_A_CATEGORY = 5


@dataclass(frozen=True)
class Reference:
    """The distribution of one feature in a training frame."""

    feature: str
    row_count: int
    # Upper ends of all bins but the last; empty for a category.
    cuts: tuple[float, ...]
    categories: tuple[str, ...]
    # Share of all rows per bin, or per category and of the rest; missing values last.
    shares: tuple[float, ...]

    @property
    def missing_share(self) -> float:
        """Share of the training rows without a value."""
        return self.shares[-1]


def reference(column: pl.Series, meta: FeatureMeta) -> Reference:
    """Return the distribution of a feature in a training frame of at least one row."""
    observed = column.drop_nulls()
    if meta.kind == "category":
        counts = observed.value_counts().filter(pl.col("count") >= _LEAST_ROWS_OF_A_CATEGORY)
        categories = tuple(sorted(counts[column.name].to_list()))
        found = _category_shares(column, categories)
        return Reference(meta.name, len(column), (), categories, tuple(found.tolist()))
    values = observed.to_numpy()
    cuts = stability.decile_cuts(values) if len(values) else np.empty(0)
    found = _number_shares(column, cuts)
    return Reference(meta.name, len(column), tuple(cuts.tolist()), (), tuple(found.tolist()))


def measure(rows: pl.DataFrame, references: Sequence[Reference]) -> pl.DataFrame:
    """Return one row per feature of `references`: how its values in `rows` differ from them.

    Args:
        rows: the features now, one row per firm, at least one.
        references: the features of a training frame; features not in `rows` count as missing.

    Returns:
        feature, row_count, missing_share, reference_missing_share, psi.
    """
    found = []
    for before in references:
        now = _shares_now(rows, before)
        found.append(
            {
                "feature": before.feature,
                "row_count": rows.height,
                "missing_share": float(now[-1]),
                "reference_missing_share": before.missing_share,
                "psi": _index(np.array(before.shares), now),
            }
        )
    return pl.DataFrame(found)


def _index(before: FloatArray, now: FloatArray) -> float:
    """Return the PSI of two distributions whose last bin is that of missing values.

    With a longer history more windows are filled, so that fewer values are missing than in
    training. That is no drift: then those that have a value are compared.
    """
    if now[-1] < before[-1] < 1:
        before, now = (shares[:-1] / (1 - shares[-1]) for shares in (before, now))
    return stability.population_stability_index(before, now)


def moves_by_construction(reference: Reference, meta: FeatureMeta) -> bool:
    """Whether a feature moves as the history grows, whatever the firms do.

    It follows the length of the history, or no training row had a value, so that nothing was
    learnt of it: the window was longer than the history then.
    """
    return meta.with_history or reference.missing_share == 1


def keep_references(
    connection: duckdb.DuckDBPyConnection,
    digest: str,
    rows: pl.DataFrame,
    metas: Sequence[FeatureMeta],
) -> None:
    """Store the distributions of a frozen frame under its digest."""
    for found in (reference(rows[meta.name], meta) for meta in metas):
        row = {
            "digest": digest, "feature": found.feature, "row_count": found.row_count,
            "cuts": list(found.cuts), "categories": list(found.categories),
            "shares": list(found.shares),
        }  # fmt: skip
        connection.execute(f"{FEATURE_REFERENCES.insert_sql(row)} on conflict do nothing", row)


def references_of(connection: duckdb.DuckDBPyConnection, digest: str) -> tuple[Reference, ...]:
    """Return the distributions of a frozen frame; empty if they were not stored."""
    rows = connection.execute(
        "select feature, row_count, cuts, categories, shares "
        "from warehouse.ops.feature_references where digest = ? order by feature",
        [digest],
    ).fetchall()
    return tuple(
        Reference(feature, count, tuple(cuts), tuple(categories), tuple(shares))
        for feature, count, cuts, categories, shares in rows
    )


def measured_days(connection: duckdb.DuckDBPyConnection, model_version: str) -> set[date]:
    """Return the dates for which drift against a model version is recorded."""
    rows = connection.execute(
        "select distinct as_of from warehouse.ops.feature_drift where model_version = ?",
        [model_version],
    ).fetchall()
    return {day for (day,) in rows}


def recorded(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Return all drift against the newest model version with recorded drift.

    Returns:
        as_of, feature, model_version, reference_digest, row_count, missing_share,
        reference_missing_share, psi.
    """
    return connection.execute(
        "select as_of, feature, model_version, reference_digest, row_count, missing_share, "
        "reference_missing_share, psi from warehouse.ops.feature_drift where model_version = ("
        "select max_by(model_version, try_cast(model_version as bigint)) "
        "from warehouse.ops.feature_drift) order by as_of, feature"
    ).pl()


def record(
    connection: duckdb.DuckDBPyConnection,
    as_of: date,
    model_version: str,
    digest: str,
    measured: pl.DataFrame,
) -> None:
    """Replace the drift of a date against a model version by the result of `measure`."""
    connection.register("measured_drift", measured)
    connection.execute("begin")
    connection.execute(
        "delete from warehouse.ops.feature_drift where as_of = ? and model_version = ?",
        [as_of, model_version],
    )
    connection.execute(
        "insert into warehouse.ops.feature_drift by name select $as_of as as_of, "
        "$version as model_version, $digest as reference_digest, feature, row_count, "
        "missing_share, reference_missing_share, psi from measured_drift",
        {"as_of": as_of, "version": model_version, "digest": digest},
    )
    connection.execute("commit")
    connection.unregister("measured_drift")


def _shares_now(rows: pl.DataFrame, before: Reference) -> FloatArray:
    if before.feature not in rows.columns:
        return np.append(np.zeros(len(before.shares) - 1), 1.0)
    column = rows[before.feature]
    if column.dtype == pl.String:
        return _category_shares(column, before.categories)
    return _number_shares(column, np.array(before.cuts))


def _number_shares(column: pl.Series, cuts: FloatArray) -> FloatArray:
    observed = column.drop_nulls().to_numpy()
    missing = column.null_count() / len(column)
    if not len(observed):
        return np.append(np.zeros(len(cuts) + 1), missing)
    return np.append(stability.shares(observed, cuts) * (1 - missing), missing)


def _category_shares(column: pl.Series, categories: Sequence[str]) -> FloatArray:
    named = [float((column == category).sum()) for category in categories]
    others = len(column) - column.null_count() - sum(named)
    return np.array([*named, others, column.null_count()]) / len(column)
