"""How much is known of a firm, and whether that is enough for a score."""

import polars as pl

OBSERVED_MONTHS, SOURCE_COUNT = "profile_observed_months", "profile_source_count"
FULL, PARTIAL, THIN, INSUFFICIENT = "full", "partial", "thin", "insufficient"

FEWEST_MONTHS = 3
_THIN_BELOW_MONTHS = 6
_ALL_SOURCES = 4


def tier() -> pl.Expr:
    """Return the coverage tier from observed months and source count; null counts as zero."""
    months, sources = pl.col(OBSERVED_MONTHS).fill_null(0), pl.col(SOURCE_COUNT).fill_null(0)
    return (
        pl.when(months < FEWEST_MONTHS)
        .then(pl.lit(INSUFFICIENT))
        .when((months < _THIN_BELOW_MONTHS) | (sources <= 1))
        .then(pl.lit(THIN))
        .when(sources < _ALL_SOURCES)
        .then(pl.lit(PARTIAL))
        .otherwise(pl.lit(FULL))
        .alias("coverage")
    )


def insufficient(firms: pl.DataFrame) -> pl.DataFrame:
    """Return the unscored rows of firms whose history is too short; one row a firm.

    Args:
        firms: firm_id, as_of and observed months.
    """
    months = pl.col(OBSERVED_MONTHS).fill_null(0).cast(pl.Int64)
    missing = FEWEST_MONTHS - months
    return firms.select(
        "firm_id",
        "as_of",
        pl.lit("insufficient_history").alias("reason"),
        pl.format("可观测历史仅 {} 个月，少于 {} 个月", months, pl.lit(FEWEST_MONTHS)).alias(
            "reason_zh"
        ),
        pl.format("only {} of {} months observed", months, pl.lit(FEWEST_MONTHS)).alias(
            "reason_en"
        ),
        pl.format("再积累 {} 个月数据，或授权更长的历史区间", missing).alias("help_zh"),
        pl.format("{} more months of data, or a grant with an earlier window start", missing).alias(
            "help_en"
        ),
    )


def without_rows(granted: pl.DataFrame) -> pl.DataFrame:
    """Return the unscored rows of firms that granted access but have no rows yet.

    Args:
        granted: firm_id and as_of.
    """
    return granted.select(
        "firm_id",
        "as_of",
        pl.lit("no_rows").alias("reason"),
        pl.lit("已授权，但尚未收到数据").alias("reason_zh"),
        pl.lit("granted, but no rows yet").alias("reason_en"),
        pl.lit("等待数据提供方首次交付，或核对授权区间与证件号").alias("help_zh"),
        pl.lit(
            "the provider's first delivery, or a check of the grant's window and identifier"
        ).alias("help_en"),
    )
