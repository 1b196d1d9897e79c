"""From findings to a firm's warning level: it rises at once and falls one notch at a time."""

from datetime import date

import polars as pl

from scoring.warnings.forms import LEVELS
from scoring.warnings.rules import DATA_STALE

# The level falls by one notch after this many consecutive months with a lower found level.
CLEAN_MONTHS = 2
_RED = LEVELS.index("red")
_FEWEST_YELLOW, _FEWEST_YELLOW_SOURCES, _FEWEST_BLUE = 3, 2, 3
_RANKED = LEVELS[1:]


def aggregate(findings: pl.DataFrame, firms: pl.DataFrame) -> pl.DataFrame:
    """Return one row per watched firm: found_level and how many rules of each level hold.

    Any red rule gives red; one orange, or three yellow of two sources, orange; one yellow, or three
    blue, yellow; one blue, blue. DATA_STALE does not count.

    Args:
        findings: firm_id, rule_id, level and source of each rule that holds.
        firms: firm_id of the watched firms.
    """
    counted = findings.filter(pl.col("rule_id") != DATA_STALE)
    yellow = pl.col("level") == "yellow"
    counts = counted.group_by("firm_id").agg(
        *((pl.col("level") == name).sum().cast(pl.Int32).alias(name) for name in _RANKED),
        pl.col("source").filter(yellow).n_unique().alias("_yellow_sources"),
    )
    rows = firms.select("firm_id").join(counts, on="firm_id", how="left", maintain_order="left")
    rows = rows.with_columns(pl.col(*_RANKED, "_yellow_sources").fill_null(0))
    many_yellow = (pl.col("yellow") >= _FEWEST_YELLOW) & (
        pl.col("_yellow_sources") >= _FEWEST_YELLOW_SOURCES
    )
    level = (
        pl.when(pl.col("red") > 0).then(pl.lit("red"))
        .when((pl.col("orange") > 0) | many_yellow).then(pl.lit("orange"))
        .when((pl.col("yellow") > 0) | (pl.col("blue") >= _FEWEST_BLUE)).then(pl.lit("yellow"))
        .when(pl.col("blue") > 0).then(pl.lit("blue"))
        .otherwise(pl.lit("none"))
    )  # fmt: skip
    return rows.with_columns(level.alias("found_level")).drop("_yellow_sources")


def in_force(found: pl.DataFrame, previous: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return the levels in force at `as_of`, from the newest state before it and what was found.

    Months are counted by dates of as_of, not by runs. Red stays until a person clears it, and then
    becomes the found level. A night with an overdue source is not a clean night: the level does
    not fall, and the clean run restarts.

    Args:
        found: firm_id, found_level, counts, stale_sources (list).
        previous: firm_id, level, since, clean_since of the newest night before, and `cleared`:
            whether red was cleared since then; firms that were never watched are absent.
        as_of: tonight.

    Returns:
        The rows of `found` with as_of, level, since and clean_since.
    """
    before = previous.select(
        "firm_id",
        pl.col("level").replace_strict(list(LEVELS), range(len(LEVELS))).alias("_before"),
        pl.col("since").alias("_since"),
        pl.col("clean_since").alias("_clean"),
        pl.col("cleared").alias("_cleared"),
    )
    tonight = pl.lit(as_of)
    rows = found.join(before, on="firm_id", how="left", maintain_order="left").with_columns(
        pl.col("_before").fill_null(0),
        pl.col("_cleared").fill_null(value=False),
        pl.col("found_level").replace_strict(list(LEVELS), range(len(LEVELS))).alias("_found"),
    )
    now, earlier = pl.col("_found"), pl.col("_before")
    is_lower = now < earlier
    is_red = is_lower & (earlier == _RED)
    clean = pl.coalesce("_clean", tonight)
    is_fresh = pl.col("stale_sources").list.len() == 0
    is_due = is_fresh & (clean.dt.offset_by(f"{CLEAN_MONTHS}mo") <= tonight)
    falls = is_lower & ~is_red & is_due
    level = (
        pl.when(~is_lower | (is_red & pl.col("_cleared"))).then(now)
        .when(falls).then(earlier - 1)
        .otherwise(earlier)
    )  # fmt: skip
    rows = rows.with_columns(level.alias("_level"), falls.alias("_falls"))
    since = pl.when(pl.col("_level") == earlier).then(pl.coalesce("_since", tonight))
    clean_since = (
        pl.when((now >= pl.col("_level")) | ~is_fresh).then(None)
        .when(pl.col("_falls")).then(tonight)
        .otherwise(clean)
    )  # fmt: skip
    return rows.with_columns(
        tonight.alias("as_of"),
        pl.col("_level").replace_strict(range(len(LEVELS)), list(LEVELS)).alias("level"),
        since.otherwise(tonight).alias("since"),
        clean_since.cast(pl.Date).alias("clean_since"),
    ).select(pl.exclude("^_.*$"))
