"""Firms that cannot be scored: why, and what would help."""

import polars as pl

from firmpulse.bounds import FEWEST_MONTHS
from model.coverage import OBSERVED_MONTHS


def insufficient(firms: pl.DataFrame) -> pl.DataFrame:
    """Return the unscored rows of firms whose history is too short; one row per firm.

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
