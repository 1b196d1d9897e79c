"""Exports for analysts: rows that identify no firm, and counts without small cells."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from consent import today
from consent.ledger import Ledger
from firmpulse import industries, warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from scoring.disclosure import ANY, Anonymised, QuasiIdentifier, anonymise
from scoring.suppression import count_firms

# Lower bounds of the revenue bands that size firms in industry, in CNY per year.
_BANDS_FROM = (float("-inf"), 3e6, 20e6, 400e6)
_BAND_NAMES = ("under 3m", "3m to 20m", "20m to 400m", "over 400m")
_SCORE_STEP = 50
_TERTIARY = "FGHIJKLMNOPQRST"

_NEWEST = "select max(as_of) from warehouse.scoring.cleared_nights"
# Only the token identifies a firm, and it is dropped before a row is released.
_FIRMS = """
    select
        cast(scores.firm_id as varchar) as firm_id,
        profile.profile_industry as division,
        year(scores.as_of - to_months(cast(profile.profile_firm_age_months as integer)))
            as founded,
        profile.profile_taxpayer_type as taxpayer_type,
        12 * tax.tax_sales_mean_12m as sales_cny,
        scores.grade,
        scores.score,
        scores.coverage,
        (
            select max_by(levels.level, levels.as_of)
            from warehouse.scoring.warning_levels as levels
            where levels.firm_id = scores.firm_id and levels.as_of <= scores.as_of
        ) as warning_level
    from warehouse.scoring.scores as scores
    inner join warehouse.scoring.cleared_nights as cleared on scores.as_of = cleared.as_of
    left join warehouse.features.feat_profile_monthly as profile
        on scores.firm_id = cast(profile.firm_id as varchar) and scores.as_of = profile.as_of
    left join warehouse.features.feat_tax_monthly as tax
        on scores.firm_id = cast(tax.firm_id as varchar) and scores.as_of = tax.as_of
    where scores.as_of = $as_of
"""
_FEATURES = ("features.feat_profile_monthly", "features.feat_tax_monthly")


@dataclass(frozen=True)
class ScoredFirms:
    """The scored firms of a night that may be exported."""

    as_of: date
    rows: pl.DataFrame
    withdrawn: int


def read(settings: Settings, as_of: date | None = None) -> ScoredFirms:
    """Read a night that was cleared for publication, without firms that have no grant left.

    Raises:
        NotReadyError: no such night.
    """
    if not settings.warehouse_path.exists():
        raise NotReadyError(f"no warehouse is in {settings.root}; run: make run")
    with warehouse.connect(settings) as connection:
        night = as_of or connection.execute(_NEWEST).fetchall()[0][0]
        rows = pl.DataFrame()
        if all(warehouse.is_built(connection, table) for table in _FEATURES):
            rows = connection.execute(_FIRMS, {"as_of": night}).pl()
    if night is None or rows.is_empty():
        raise NotReadyError(
            f"no scores are published{f' for {night}' if night else ''}; "
            f"run: firmpulse night --as-of {night or 'YYYY-MM-DD'}"
        )
    withdrawn = Ledger(settings).withdrawn(today.surely(settings))
    inside = rows.filter(~pl.col("firm_id").is_in(withdrawn.implode()))
    return ScoredFirms(night, _described(inside), len(rows) - len(inside))


def firms(scored: ScoredFirms, *, with_ids: bool = False) -> Anonymised:
    """Return one row per firm, k-anonymous in what others know and diverse in the grade.

    An export id is random and new in every file, so files cannot be joined on it.
    """
    columns = [*(one.column for one in quasi_identifiers()), "grade", "score_band"]
    rows = scored.rows.select(*columns, "_founded", "_section")
    done = anonymise(rows, quasi_identifiers(), "grade")
    # Sorted by value, so that the original order reveals nothing.
    out = done.rows.select(columns).sort(columns)
    if with_ids:
        ids = pl.Series("export_id", [uuid.uuid4().hex for _ in range(len(out))], dtype=pl.String)
        out = out.insert_column(0, ids).sort("export_id")
    return Anonymised(out, done.levels, done.rows_left_out, done.classes, done.smallest_class)


def grades(scored: ScoredFirms, by: Sequence[str]) -> pl.DataFrame:
    """Return counts of firms by groups and grade, small cells left empty."""
    return count_firms(scored.rows, by, "grade")


# Groups for `grades` → description.
GROUPS: Mapping[str, str] = {
    "industry": "GB/T 4754 division",
    "section": "GB/T 4754 section",
    "founded": "year of founding, in groups of five",
    "taxpayer_type": "general or small-scale VAT payer",
    "sales_band": "invoiced sales per year, CNY",
    "score_band": "score, in groups of 50 points",
    "coverage": "how much is known about the firm",
    "warning_level": "warning level in force that night",
}


def quasi_identifiers() -> list[QuasiIdentifier]:
    """Return what others may know about a firm, finest first; there is no place among them."""
    year = pl.col("_founded")
    anything = {"any": pl.lit(ANY)}
    section = pl.col("_section")
    economy = (
        pl.when(section.is_null()).then(None).when(section == "A").then(pl.lit("primary"))
        .when(section.is_in(list(_TERTIARY))).then(pl.lit("tertiary")).otherwise(pl.lit("secondary"))
    )  # fmt: skip
    return [
        QuasiIdentifier("industry", {
            "division": pl.col("industry"), "section": section, "economy": economy, **anything,
        }),
        QuasiIdentifier("founded", {
            "year": year.cast(pl.String), **{f"{n} years": _years(year, n) for n in (3, 5, 10)},
            **anything,
        }),
        QuasiIdentifier("taxpayer_type", {"type": pl.col("taxpayer_type"), **anything}),
        QuasiIdentifier("sales_band", {"band": pl.col("sales_band"), **anything}),
    ]  # fmt: skip


def _years(year: pl.Expr, width: int) -> pl.Expr:
    first = year // width * width
    return pl.format("{}–{}", first, first + (width - 1))


def _described(rows: pl.DataFrame) -> pl.DataFrame:
    letters = {
        f"{n:02}": section.letter
        for section in industries.SECTIONS
        for n in range(section.first, section.last + 1)
    }
    section = pl.col("division").replace_strict(letters, default=None, return_dtype=pl.String)
    low = pl.col("score").cast(pl.Int64) // _SCORE_STEP * _SCORE_STEP
    year = pl.col("founded").cast(pl.Int64)
    band = pl.lit(None, pl.String)
    for least, name in zip(_BANDS_FROM, _BAND_NAMES, strict=True):
        band = pl.when(pl.col("sales_cny") >= least).then(pl.lit(name)).otherwise(band)
    return rows.select(
        (section + pl.col("division")).alias("industry"),
        section.alias("section"),
        section.alias("_section"),
        _years(year, 5).alias("founded"),
        year.alias("_founded"),
        "taxpayer_type",
        band.alias("sales_band"),
        "grade",
        "coverage",
        "warning_level",
        pl.format("{}–{}", low, low + (_SCORE_STEP - 1)).alias("score_band"),
    )
