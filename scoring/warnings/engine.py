"""Rules on a panel: which hold for which firm. The same panel and rules give the same rows."""

import hashlib
import re
from datetime import date

import polars as pl

from firmpulse.calendar import last_complete_month
from firmpulse.sources import MAIN_SOURCES, NAMES
from scoring.warnings import conditions
from scoring.warnings.forms import Rule
from scoring.warnings.panel import Panel
from scoring.warnings.peers import with_peers
from scoring.warnings.rules import DATA_STALE, RuleBook

_SCHEMA = {
    "firm_id": pl.String, "as_of": pl.Date, "rule_id": pl.String, "level": pl.String,
    "source": pl.String, "text_zh": pl.String, "text_en": pl.String, "value": pl.Float64,
    "threshold": pl.Float64, "unit": pl.String, "peer_percentile": pl.Float64,
    "evidence_hash": pl.String,
}  # fmt: skip
_SOURCES_ZH = {source: NAMES[source].zh for source in MAIN_SOURCES}
_EVIDENCE = "evidence"


def find(panel: Panel, book: RuleBook) -> pl.DataFrame:
    """Return one row per firm and rule that holds: the columns of the table warnings but opened_on.

    A rule is not checked in its quiet months, nor for a firm with a stale source among the sources
    of its values; such a firm has a row DATA_STALE instead, which counts towards no level.
    """
    rows = with_peers(panel.rows, book)
    month = last_complete_month(panel.as_of).month
    found = [
        _of_rule(_without_stale(rows, panel.stale, book.sources[rule.id]), rule, panel.as_of)
        for rule in book.rules
        if month not in rule.quiet_months
    ]
    found.append(_stale_rows(panel))
    # Empty parts have columns without a type.
    held = [part.select(*_SCHEMA, _EVIDENCE) for part in found if part.height]
    joined = pl.concat(held or [_NONE])
    hashes = [hashlib.sha256(text.encode()).hexdigest() for text in joined[_EVIDENCE]]
    return (
        joined.with_columns(pl.Series("evidence_hash", hashes, dtype=pl.String))
        .drop(_EVIDENCE)
        .sort("firm_id", "rule_id")
    )


def _without_stale(
    rows: pl.DataFrame, stale: pl.DataFrame, sources: frozenset[str]
) -> pl.DataFrame:
    overdue = stale.filter(pl.col("source").is_in(list(sources)))
    return rows if overdue.is_empty() else rows.join(overdue, on="firm_id", how="anti")


def _of_rule(rows: pl.DataFrame, rule: Rule, as_of: date) -> pl.DataFrame:
    first = rule.shown
    read = conditions.columns_read(rule)
    held = rows.filter(conditions.holds(rule)).select(
        "firm_id",
        pl.lit(as_of).alias("as_of"),
        pl.lit(rule.id).alias("rule_id"),
        pl.lit(rule.level).alias("level"),
        pl.lit(rule.source).alias("source"),
        conditions.shown(first).alias("value"),
        pl.lit(first.bound, dtype=pl.Float64).alias("threshold"),
        pl.lit(rule.unit).alias("unit"),
        pl.col(conditions.peers_column(first)).alias("peer_percentile"),
        pl.concat_str(
            pl.lit(f"{rule.id}|{as_of}|{first.bound!r}"),
            pl.col("firm_id"),
            *(
                pl.format("{}={}", pl.lit(name), pl.col(name).cast(pl.String).fill_null("null"))
                for name in read
            ),
            separator="|",
        ).alias(_EVIDENCE),
        pl.lit("").alias("evidence_hash"),
    )
    return held.with_columns(
        _text(rule.zh, rule.unit).alias("text_zh"), _text(rule.en, rule.unit).alias("text_en")
    )


def _text(template: str, unit: str) -> pl.Expr:
    """Return the text with value and threshold as its unit is written."""
    parts = re.split(r"\{(value|threshold)\}", template)
    # Every other part is the name between braces.
    return pl.concat_str(
        _figure(pl.col(part), unit) if place % 2 else pl.lit(part)
        for place, part in enumerate(parts)
    )


def _figure(value: pl.Expr, unit: str) -> pl.Expr:
    if unit == "share":
        return pl.format("{}%", (value * 100).round(1))
    if unit == "times":
        return value.round(1).cast(pl.String)
    return value.round(0).cast(pl.Int64, strict=False).cast(pl.String)


def _stale_rows(panel: Panel) -> pl.DataFrame:
    """Return one row per firm with an overdue source: the most overdue one; all names in words."""
    worst = (
        panel.stale.sort("firm_id", pl.col("age_days") - pl.col("days"), "source",
                         descending=[False, True, False])
        .group_by("firm_id", maintain_order=True)
        .agg(
            pl.col("source").first(),
            pl.col("age_days").first().cast(pl.Float64).alias("value"),
            pl.col("days").first().cast(pl.Float64).alias("threshold"),
            pl.col("source").sort().str.join(", ").alias("_en"),
            pl.col("source").sort().replace_strict(_SOURCES_ZH).str.join("、").alias("_zh"),
        )
    )  # fmt: skip
    return worst.with_columns(
        as_of=pl.lit(panel.as_of),
        rule_id=pl.lit(DATA_STALE),
        level=pl.lit("blue"),
        unit=pl.lit("days"),
        peer_percentile=pl.lit(None, dtype=pl.Float64),
        text_zh=pl.format("数据逾期未更新：{}；相关规则未评估", "_zh"),
        text_en=pl.format("Extract overdue: {}; the rules on it were not checked", "_en"),
        evidence=pl.format(
            "{}|{}|{}|{}|{}|{}", pl.lit(DATA_STALE), pl.lit(str(panel.as_of)), "threshold",
            "firm_id", "_en", "value",
        ),
        evidence_hash=pl.lit(""),
    )  # fmt: skip


_NONE = pl.DataFrame(schema={**_SCHEMA, _EVIDENCE: pl.String})
