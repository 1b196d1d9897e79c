"""Features without a live grant for their source count as not observed."""

from collections.abc import Sequence

import polars as pl

from features.registry import FeatureMeta
from firmpulse.errors import ContractError


def withhold(
    rows: pl.DataFrame, features: Sequence[FeatureMeta], granted: pl.DataFrame
) -> pl.DataFrame:
    """Return the rows with null for each feature from a source that the firm did not grant.

    Args:
        rows: firm_id (String) and feature columns; missing features are skipped.
        features: definitions, with the sources of each.
        granted: firm_id and source of the grants in force; other columns are ignored.

    Raises:
        ContractError: a column has the name of a grant's mark.
    """
    wanted = sorted({source for feature in features for source in feature.sources})
    known = granted.group_by("firm_id").agg(
        pl.col("source").eq(source).any().alias(_flag(source)) for source in wanted
    )
    if taken := sorted(set(map(_flag, wanted)) & set(rows.columns)):
        raise ContractError(f"a column is named {taken[0]!r}; rename it")
    flagged = rows.join(known, on="firm_id", how="left", maintain_order="left")
    kept = [
        pl.when(pl.all_horizontal(pl.col(_flag(s)).fill_null(value=False) for s in feature.sources))
        .then(pl.col(feature.name))
        .alias(feature.name)
        for feature in features
        if feature.name in rows.columns and feature.sources
    ]
    return flagged.with_columns(kept).select(rows.columns)


def _flag(source: str) -> str:
    return f"granted {source}"
