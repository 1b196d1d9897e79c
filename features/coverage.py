"""How much is known of a firm, and whether that is enough for a score."""

import polars as pl

OBSERVED_MONTHS, SOURCE_COUNT = "profile_observed_months", "profile_source_count"
FULL, PARTIAL, THIN, INSUFFICIENT = "full", "partial", "thin", "insufficient"
FOUNDER_CREDIT, PROJECT_CONTRACTS = "founder_credit", "project_contracts"
# What `tier` and `supplements` read.
COVERAGE_FEATURES = (OBSERVED_MONTHS, SOURCE_COUNT)

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


def supplements() -> pl.Expr:
    """Return the supplements that a firm's score uses, a list of text."""
    return pl.lit([], dtype=pl.List(pl.String)).alias("supplements")
