"""Which scores a person must review, and firms in default, which are graded, not scored.

A decision based only on a person's data may not be automatic (PIPL 24): an individual business, or
a score that used the founder's credit, needs a person's review. So do scores on little data, and
defaults.
"""

from collections.abc import Collection

import polars as pl

from firmpulse.bounds import DEFAULT_DAYS
from firmpulse.scale import DEFAULTED, LOWEST_SCORE
from model import coverage

# Reason code → condition on the firms.
_REASONS = {
    "individual_business": pl.col("is_individual"),
    "founder_credit_used": pl.col("supplements").list.contains(coverage.FOUNDER_CREDIT),
    "thin_file": pl.col("coverage") == coverage.THIN,
    "in_default": pl.col("in_default"),
}
_TEXT_ZH = f"贷款逾期达到{DEFAULT_DAYS}天，已违约"
_TEXT_EN = f"in default: a loan is {DEFAULT_DAYS} days past due or more"


def columns() -> tuple[pl.Expr, pl.Expr]:
    """Return `needs_review` and `review_reasons`."""
    codes = [pl.when(holds).then(pl.lit(code)) for code, holds in _REASONS.items()]
    return (
        pl.any_horizontal(*_REASONS.values()).alias("needs_review"),
        pl.concat_list(codes).list.drop_nulls().alias("review_reasons"),
    )


def graded_d(scores: pl.DataFrame, sub_scores: Collection[str]) -> pl.DataFrame:
    """Return the scores with PD 1, the lowest score and grade D for firms in default.

    Args:
        scores: rows with `in_default`.
        sub_scores: columns that are null for a firm in default.
    """

    def unless_in_default(name: str, value: object) -> pl.Expr:
        return pl.when("in_default").then(pl.lit(value)).otherwise(pl.col(name)).alias(name)

    return scores.with_columns(
        unless_in_default("default_prob", 1.0),
        unless_in_default("score", LOWEST_SCORE).cast(pl.Int32),
        unless_in_default("grade", DEFAULTED),
        *(unless_in_default(name, None) for name in sub_scores),
    )


def default_reasons(firms: pl.DataFrame) -> pl.DataFrame:
    """Return the single reason of firms in default.

    Args:
        firms: firm_id and as_of.
    """
    return firms.select(
        "firm_id",
        pl.lit(1).cast(pl.Int32).alias("rank"),
        pl.lit("lender.default").alias("code"),
        pl.lit("compliance").alias("dimension"),
        pl.lit("days_past_due").alias("feature"),
        pl.lit(None, pl.Float64).alias("log_odds"),
        pl.lit(_TEXT_ZH).alias("text_zh"),
        pl.lit(_TEXT_EN).alias("text_en"),
        "as_of",
    )
