"""Kinds of rows for the validation of a model: industry, size, age, coverage, history, quarter."""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb
import polars as pl

from firmpulse import warehouse
from firmpulse.industries import section_of
from firmpulse.known_at import known_by
from firmpulse.settings import Settings
from firmpulse.sources import MAIN_SOURCES
from model import coverage

UNKNOWN = "unknown"
# What a model may meet at night and not have learnt.
_MIX = ("sources", "coverage", "history")

# Annual sales in CNY, from the Y bounds of industry in 工信部联企业〔2011〕300号; staff, which
# the official classes also need, is not known for every firm.
_SALES_BOUNDS = (3_000_000.0, 20_000_000.0)
_SALES_BANDS = ("below 3 million a year", "3 to 20 million", "from 20 million")
_AGE_BOUNDS_MONTHS = (36.0, 72.0, 120.0)
_AGE_BANDS = ("below 3 years", "3 to 6 years", "6 to 10 years", "from 10 years")
# Months that were observed.
_HISTORY_BOUNDS = (6.0, 12.0, 24.0)
_HISTORY_BANDS = ("below 6 months", "6 to 12 months", "12 to 24 months", "from 24 months")

# GB/T 2260 of provinces, by the statistics bureau's regions of the country.
_REGIONS = {
    "north": ("11", "12", "13", "14", "15"),
    "north-east": ("21", "22", "23"),
    "east": ("31", "32", "33", "34", "35", "36", "37"),
    "central and south": ("41", "42", "43", "44", "45", "46"),
    "south-west": ("50", "51", "52", "53", "54"),
    "north-west": ("61", "62", "63", "64", "65"),
    "elsewhere": ("10", "71", "81", "82"),
}


def label(rows: pl.DataFrame, provinces: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return one column per way to cut the rows.

    Ways are industry, size, age, sources, coverage, length of history, quarter and region. A way
    is left out if the rows lack its columns.

    Args:
        rows: firm_id, as_of and features.
        provinces: firm_id and province_code, where known.
    """
    found: dict[str, pl.Expr] = {}
    if "profile_industry" in rows.columns:
        found["industry"] = pl.col("profile_industry").replace_strict(
            _sections(rows["profile_industry"]), default=UNKNOWN, return_dtype=pl.String
        )
    if "tax_sales_mean_12m" in rows.columns:
        yearly = 12 * pl.col("tax_sales_mean_12m")
        found["size"] = _banded(yearly, _SALES_BOUNDS, _SALES_BANDS)
    if "profile_firm_age_months" in rows.columns:
        found["age"] = _banded(pl.col("profile_firm_age_months"), _AGE_BOUNDS_MONTHS, _AGE_BANDS)
    flags = {source: f"profile_has_{source}" for source in MAIN_SOURCES}
    if set(flags.values()) <= set(rows.columns):
        found["sources"] = _sources(flags)
    if set(coverage.COVERAGE_FEATURES) <= set(rows.columns):
        found["coverage"] = coverage.tier()
    if "profile_observed_months" in rows.columns:
        months = pl.col("profile_observed_months")
        found["history"] = _banded(months, _HISTORY_BOUNDS, _HISTORY_BANDS)
    if "as_of" in rows.columns:
        found["quarter"] = pl.format(
            "{} Q{}", pl.col("as_of").dt.year(), pl.col("as_of").dt.quarter()
        )
    labelled = rows.select("firm_id", *(expr.alias(name) for name, expr in found.items()))
    if provinces is not None:
        labelled = labelled.join(
            provinces.select("firm_id", _region().alias("region")),
            on="firm_id",
            how="left",
            maintain_order="left",
        ).with_columns(pl.col("region").fill_null(UNKNOWN))
    return labelled.drop("firm_id")


def mix(learnt: pl.DataFrame, night: pl.DataFrame) -> pl.DataFrame:
    """Return how the training rows and the firms of a night are spread over what is known of them.

    Args:
        learnt: training rows, one per firm and snapshot, with features.
        night: one row per firm of a night, with features.

    Returns:
        cut ('sources', 'coverage' or 'history'), group, trained and scored: shares of the rows and
        of the firms, largest group of the night first.
    """
    shares = [_shares(label(learnt), "trained"), _shares(label(night), "scored")]
    joined = shares[0].join(shares[1], on=["cut", "group"], how="full", coalesce=True)
    return joined.fill_null(0.0).sort("cut", "scored", "group", descending=[False, True, False])


def _shares(labelled: pl.DataFrame, name: str) -> pl.DataFrame:
    kept = [cut for cut in _MIX if cut in labelled.columns]
    groups = pl.concat(
        [pl.DataFrame(schema={"cut": pl.String, "group": pl.String})]
        + [labelled.select(pl.lit(cut).alias("cut"), pl.col(cut).alias("group")) for cut in kept]
    )
    counts = groups.group_by("cut", "group").agg(pl.len().alias(name))
    return counts.with_columns(pl.col(name) / max(labelled.height, 1))


def provinces(settings: Settings, rows: pl.DataFrame, as_of: date) -> pl.DataFrame | None:
    """Return firm_id and province_code as registered by `as_of`, None if none is masked."""
    with warehouse.connect(settings) as connection:
        if not warehouse.is_built(connection, "staging.stg_tax__registration"):
            return None
        connection.register("wanted_firms", rows.select("firm_id").unique())
        try:
            return connection.execute(
                "select cast(firm_id as varchar) as firm_id, "  # noqa: S608 - our own names
                "max_by(province_code, (updated_on, record_version)) as province_code "
                "from warehouse.staging.stg_tax__registration "
                f"where {known_by()} "
                "and cast(firm_id as varchar) in (select firm_id from wanted_firms) "
                "group by firm_id order by firm_id",
                {"as_of": as_of},
            ).pl()
        except duckdb.BinderException:
            # No registration was masked since provinces are kept.
            return None


def types_of(labelled: pl.DataFrame) -> pl.Series:
    """Return industry × size × age of each row, the firm types of the claim on coverage."""
    cut = [name for name in ("industry", "size", "age") if name in labelled.columns]
    return labelled.select(pl.concat_str(cut, separator=" · ").alias("type")).to_series()


def _sections(divisions: pl.Series) -> Mapping[str, str]:
    named = {}
    for code in divisions.drop_nulls().unique():
        section = section_of(code)
        if section is not None:
            named[code] = f"{section.letter} {section.en}"
    return named


def _banded(value: pl.Expr, bounds: Sequence[float], bands: Sequence[str]) -> pl.Expr:
    """Return the band of a value; a bound belongs to the band above it."""
    band = pl.lit(bands[0])
    for bound, name in zip(bounds, bands[1:], strict=True):
        band = pl.when(value >= bound).then(pl.lit(name)).otherwise(band)
    return pl.when(value.is_null()).then(pl.lit(UNKNOWN)).otherwise(band)


def _sources(flags: Mapping[str, str]) -> pl.Expr:
    present = [pl.when(pl.col(flag) > 0).then(pl.lit(source)) for source, flag in flags.items()]
    named = pl.concat_str(present, separator=" + ", ignore_nulls=True)
    return pl.when(named == "").then(pl.lit("none")).otherwise(named)


def _region() -> pl.Expr:
    by_province = {code: region for region, codes in _REGIONS.items() for code in codes}
    return pl.col("province_code").replace_strict(
        by_province, default=UNKNOWN, return_dtype=pl.String
    )
