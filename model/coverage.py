"""How much is known about a firm, and whether that is enough for a score."""

import polars as pl

from firmpulse.bounds import FEWEST_MONTHS, THIN_BELOW_MONTHS
from firmpulse.sources import MAIN_SOURCES

OBSERVED_MONTHS, SOURCE_COUNT = "profile_observed_months", "profile_source_count"
FULL, PARTIAL, THIN, INSUFFICIENT = "full", "partial", "thin", "insufficient"
FOUNDER_CREDIT, PROJECT_CONTRACTS = "founder_credit", "project_contracts"
LIGHT_ASSET = "light_asset"
INDUSTRY = "profile_industry"
# A feature of each supplement that is observed whenever the supplement is.
_FOUNDER_FEATURE, _PROJECT_FEATURE = "founder_report_age_months", "project_running_count"
# Inputs of `tier` and `supplements`.
COVERAGE_FEATURES = (
    OBSERVED_MONTHS, SOURCE_COUNT, INDUSTRY, _FOUNDER_FEATURE, _PROJECT_FEATURE,
)  # fmt: skip
# Divisions whose firms work with people, not with goods: software, business services, research
# and technical services, culture and sports.
_LIGHT_DIVISIONS = ("65", "72", "73", "74", "75", "86", "87", "88", "89", "90")

# They show which sources are observed, which is about the data, not about the firm.
ABOUT_THE_DATA = frozenset({SOURCE_COUNT} | {f"profile_has_{source}" for source in MAIN_SOURCES})

_ALL_SOURCES = 4


def tier() -> pl.Expr:
    """Return the coverage tier of a firm; null months and sources count as zero.

    A light-asset firm has project contracts instead of goods and power: with them it has that tier
    where it would be thin or partial for lack of sources.
    """
    months, sources = pl.col(OBSERVED_MONTHS).fill_null(0), pl.col(SOURCE_COUNT).fill_null(0)
    has_projects = is_light_asset() & pl.col(_PROJECT_FEATURE).is_not_null()
    return (
        pl.when(months < FEWEST_MONTHS)
        .then(pl.lit(INSUFFICIENT))
        .when(months < THIN_BELOW_MONTHS)
        .then(pl.lit(THIN))
        .when((sources < _ALL_SOURCES) & has_projects.fill_null(value=False))
        .then(pl.lit(LIGHT_ASSET))
        .when(sources <= 1)
        .then(pl.lit(THIN))
        .when(sources < _ALL_SOURCES)
        .then(pl.lit(PARTIAL))
        .otherwise(pl.lit(FULL))
        .alias("coverage")
    )


def is_light_asset() -> pl.Expr:
    """Return whether a firm works with people, not with goods; null without an industry."""
    return pl.col(INDUSTRY).is_in(_LIGHT_DIVISIONS)


def supplements() -> pl.Expr:
    """Return the supplements that a firm's score uses, a list of text."""
    used = {FOUNDER_CREDIT: _FOUNDER_FEATURE, PROJECT_CONTRACTS: _PROJECT_FEATURE}
    return (
        pl.concat_list(
            pl.when(pl.col(feature).is_not_null()).then(pl.lit(name))
            for name, feature in used.items()
        )
        .list.drop_nulls()
        .alias("supplements")
    )
