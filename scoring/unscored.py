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
    few, missing = pl.lit(FEWEST_MONTHS), FEWEST_MONTHS - months

    def text(some: pl.Expr, none: str) -> pl.Expr:
        return pl.when(months > 0).then(some).otherwise(pl.lit(none))

    return firms.select(
        "firm_id",
        "as_of",
        pl.lit("insufficient_history").alias("reason"),
        text(
            pl.format("可观测历史仅 {} 个月，少于 {} 个月", months, few),
            "没有发票、银行流水、订单或用电记录，无法计算可观测月份",
        ).alias("reason_zh"),
        text(
            pl.format("only {} of {} months observed", months, few),
            "no invoice, bank booking, order or power use is known, so no month is observed",
        ).alias("reason_en"),
        text(
            pl.format("再积累 {} 个月数据，或授权更长的历史区间", missing),
            f"至少 {FEWEST_MONTHS} 个月的发票、银行流水、订单或用电数据",
        ).alias("help_zh"),
        text(
            pl.format("{} more months of data, or a grant with an earlier window start", missing),
            f"invoices, bank bookings, orders or power use of {FEWEST_MONTHS} months",
        ).alias("help_en"),
    )


def quarantined(firms: pl.DataFrame) -> pl.DataFrame:
    """Return the unscored rows of firms that a check has set aside.

    Args:
        firms: firm_id, as_of, and what was found, text_zh and text_en.
    """
    return firms.select(
        "firm_id",
        "as_of",
        pl.lit("quarantined").alias("reason"),
        pl.format("数据检查发现异常，本次不评分：{}", "text_zh").alias("reason_zh"),
        pl.format("set aside by a check of its data: {}", "text_en").alias("reason_en"),
        pl.lit("请数据提供方核对该企业的原始数据；检查通过后自动恢复评分").alias("help_zh"),
        pl.lit(
            "the provider's check of this firm's rows; it is scored again in the first night in "
            "which nothing is found"
        ).alias("help_en"),
    )


def without_rows(granted: pl.DataFrame) -> pl.DataFrame:
    """Return the unscored rows of firms that granted access but have no rows with a month yet.

    Args:
        granted: firm_id and as_of.
    """
    return granted.select(
        "firm_id",
        "as_of",
        pl.lit("no_rows").alias("reason"),
        pl.lit("已授权，但尚未收到可用于评分的数据").alias("reason_zh"),
        pl.lit("granted, but no rows yet that features are made of").alias("reason_en"),
        pl.lit("等待数据提供方首次交付，或核对授权区间与证件号").alias("help_zh"),
        pl.lit(
            "the provider's first delivery, or a check of the grant's window and identifier"
        ).alias("help_en"),
    )
