"""The portfolio of one night: scores, migration, warnings, coverage, drift, data quality."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from markupsafe import Markup

from firmpulse import origin, scale, warehouse
from firmpulse.errors import NotReadyError
from firmpulse.pages import charts, page
from firmpulse.pages.page import Language
from firmpulse.settings import Settings
from firmpulse.stability import PSI_MOVED, PSI_MUCH
from scoring.pages import words
from scoring.warnings import rules

Row = dict[str, Any]
_TEMPLATES = Path(__file__).with_name("templates")
# Migration is relative to the newest score of at least this age, else the oldest.
_MIGRATION_DAYS = 28
_BIN = 25
_SHOWN = 10
LEVELS = ("red", "orange", "yellow", "blue", "none")
_COLOURS = {
    "AAA": "#1e7d45", "AA": "#3a9158", "A": "#6aa84f", "BBB": "#a3b548", "BB": "#d6bb45",
    "B": "#e0a030", "CCC": "#e08a30", "CC": "#d96f1d", "C": "#c44a2a", "D": charts.RED,
}  # fmt: skip


@dataclass(frozen=True)
class PortfolioNight:
    """The data of the page."""

    as_of: date
    scores: pl.DataFrame
    # Earlier grade → grade now → firms, and the earlier date; empty without an earlier score.
    migration: Mapping[str, Mapping[str, int]]
    migrated_from: date | None
    levels: Mapping[str, int]
    rules: list[Row]
    watchlist: list[Row]
    stale: list[Row]
    unscored: list[Row]
    champions: list[Row]
    drift: list[Row]
    deliveries: list[Row]
    steps: list[Row]
    # One row per night: mean score and PD, share at level orange or red.
    nights: list[Row]
    model: Row
    origin: str


def render(settings: Settings, as_of: date, language: Language) -> str:
    """Return the portfolio of a night as one HTML page.

    Without a champion there are no scores, and the page shows only the data of the night.
    """
    night = read(settings, as_of)
    drawn = _charts(night, language)
    values = {
        "n": night,
        "charts": drawn,
        "grades": scale.GRADES,
        "levels": LEVELS,
        "psi_moved": PSI_MOVED,
        "psi_much": PSI_MUCH,
        "words": words,
        "word": lambda kind, code: words.word(getattr(words, kind), code, language),
        "other": "en" if language == "zh" else "zh",
        "mean": _means(night.scores),
        "counts": {
            column: dict(night.scores[column].value_counts(sort=True).iter_rows())
            for column in ("coverage", "grade")
        },
        "titles": rules.titles(settings),
    }
    return page.render(_TEMPLATES, "portfolio.html.j2", language, values)


def read(settings: Settings, as_of: date) -> PortfolioNight:
    """Read the night from the warehouse.

    Raises:
        NotReadyError: no step of this night has run.
    """
    with warehouse.connect(settings) as connection:

        def rows(query: str, *values: object) -> list[Row]:
            return connection.execute(query, list(values)).pl().to_dicts()

        if not rows("select 1 as ran from warehouse.ops.steps limit 1"):
            raise NotReadyError(f"no night has run yet; run: firmpulse night --as-of {as_of}")
        scores = connection.execute(
            "from warehouse.scoring.scores where as_of = ? order by firm_id", [as_of]
        ).pl()
        migrated_from, migration = _migration(connection, as_of)
        models = rows(_MODEL, as_of)
        return PortfolioNight(
            as_of=as_of,
            scores=scores,
            migration=migration,
            migrated_from=migrated_from,
            levels={row["level"]: row["firms"] for row in rows(_LEVELS, as_of)},
            rules=rows(_RULES, as_of),
            watchlist=rows(_WATCHLIST, as_of, _SHOWN),
            stale=rows(_STALE, as_of),
            unscored=rows(_UNSCORED, as_of),
            champions=rows(
                "from warehouse.scoring.hidden_champions where as_of = ? "
                "order by strength desc, firm_id limit ?",
                as_of,
                _SHOWN,
            ),
            drift=rows(_DRIFT, as_of),
            deliveries=rows(_DELIVERIES, as_of),
            steps=rows(_STEPS, as_of),
            nights=rows(_NIGHTS, as_of),
            model=models[0] if models else {},
            origin=origin.of_deliveries(connection),
        )


_LEVELS = "select level, count(*) as firms from warehouse.scoring.warning_levels where as_of = ? group by level"  # noqa: E501 - one sentence
_RULES = """
    select rule_id, level, source, count(distinct firm_id) as firms
    from warehouse.scoring.warnings where as_of = ?
    group by rule_id, level, source
    order by list_position(['red', 'orange', 'yellow', 'blue'], level) asc, firms desc, rule_id asc
"""
_WATCHLIST = """
    select levels.firm_id, levels.level, levels.since, levels.red, levels.orange, levels.yellow,
        scores.score, scores.grade, scores.default_prob
    from warehouse.scoring.warning_levels as levels
    left join warehouse.scoring.scores as scores using (firm_id, as_of)
    where as_of = ? and levels.level in ('orange', 'red') and scores.grade <> 'D'
    order by
        list_position(['red', 'orange'], levels.level) asc,
        scores.default_prob desc, firm_id asc
    limit ?
"""
_STALE = """
    select source, count(*) as firms
    from (
        select unnest(stale_sources) as source
        from warehouse.scoring.warning_levels where as_of = ?
    )
    group by source order by source
"""
_UNSCORED = """
    select reason, any_value(reason_zh) as reason_zh, any_value(reason_en) as reason_en,
        any_value(help_zh) as help_zh, any_value(help_en) as help_en, count(*) as firms
    from warehouse.scoring.unscored where as_of = ? group by reason order by reason
"""
_DRIFT = """
    select feature, psi, missing_share, reference_missing_share
    from warehouse.ops.feature_drift
    where as_of = ? order by psi desc, feature asc limit 15
"""
_DELIVERIES = """
    select source, status, count(distinct delivery_id) as deliveries,
        cast(sum(rows_read) as bigint) as rows_read,
        cast(sum(rows_landed) as bigint) as rows_landed,
        cast(sum(rows_duplicate) as bigint) as rows_duplicate,
        cast(sum(rows_refused_by_gate) as bigint) as rows_refused_by_gate,
        cast(sum(rows_quarantined) as bigint) as rows_quarantined
    from warehouse.ops.deliveries where as_of = ?
    group by source, status order by source, status
"""
# The last run of a step that ran more than once.
_STEPS = """
    select step, part, max_by(seconds, started_at) as seconds,
        cast(max_by(rows_out, started_at) as bigint) as rows_out,
        max_by(state, started_at) as state
    from warehouse.ops.steps where as_of = ? and dag = 'run_nightly'
    group by step, part order by max(started_at)
"""
_NIGHTS = """
    select as_of, count(*) as firms,
        avg(score) filter (grade <> 'D') as mean_score,
        avg(default_prob) filter (grade <> 'D') as mean_prob
    from warehouse.scoring.scores
    where as_of <= ?
    group by as_of order by as_of
"""
_MODEL = """
    select models.* from warehouse.scoring.model_versions as models
    semi join (select distinct model_version from warehouse.scoring.scores where as_of = ?) as used
        using (model_version)
"""
_MIGRATION = """
    select before.grade as before, now.grade as after, count(*) as firms
    from warehouse.scoring.scores as before
    inner join warehouse.scoring.scores as now using (firm_id)
    where before.as_of = ? and now.as_of = ?
    group by all
"""


def _migration(
    connection: duckdb.DuckDBPyConnection, as_of: date
) -> tuple[date | None, dict[str, dict[str, int]]]:
    """Return the date with which grades are compared, and the counts of firms by grade."""
    ((old_enough, oldest),) = connection.execute(
        "select max(as_of) filter (as_of <= ?), min(as_of) "
        "from warehouse.scoring.scores where as_of < ?",
        [as_of - timedelta(days=_MIGRATION_DAYS), as_of],
    ).fetchall()
    before = old_enough or oldest
    if before is None:
        return None, {}
    found: dict[str, dict[str, int]] = {grade: {} for grade in scale.GRADES}
    for then, now, firms in connection.execute(_MIGRATION, [before, as_of]).fetchall():
        found[then][now] = firms
    return before, found


def _means(scores: pl.DataFrame) -> Row:
    sound = scores.filter(pl.col("grade") != scale.DEFAULTED)
    return {
        "score": sound["score"].mean(),
        "prob": sound["default_prob"].mean(),
        "review": int(scores["needs_review"].fill_null(value=False).sum()),
        "defaulted": scores.height - sound.height,
    }


def _charts(night: PortfolioNight, language: Language) -> dict[str, Markup]:
    t = page.translator(language)
    drawn = {}
    if night.scores.height:
        sound = night.scores.filter(pl.col("grade") != scale.DEFAULTED)
        bins = (sound["score"] // _BIN * _BIN).value_counts().sort("score")
        low, high = int(bins["score"].min() or 0), int(bins["score"].max() or 0)  # type: ignore[arg-type] # of integers
        counts = dict(bins.iter_rows())
        edges = list(range(low, high + _BIN, _BIN))
        drawn["scores"] = charts.histogram(
            [str(edge) if edge % 100 == 0 else "" for edge in edges],
            [counts.get(edge, 0) for edge in edges],
            (7.2, 1.9),
            unit=t("企业数，按评分（每 25 分一档）", "firms by score, in bins of 25 points"),
        )
        by_grade = dict(night.scores["grade"].value_counts().iter_rows())
        drawn["grades"] = charts.histogram(
            scale.GRADES,
            [by_grade.get(grade, 0) for grade in scale.GRADES],
            colours=[_COLOURS[grade] for grade in scale.GRADES],
            unit=t("企业数，按等级", "firms by grade"),
        )
    if night.levels:
        drawn["levels"] = charts.histogram(
            [words.word(words.LEVELS, level, language) for level in LEVELS],
            [night.levels.get(level, 0) for level in LEVELS],
            colours=[charts.LEVELS[level] for level in LEVELS],
            unit=t("企业数，按预警级别", "firms by warning level"),
        )
    if len(night.nights) > 1:
        drawn["trend"] = charts.curve(
            [row["as_of"] for row in night.nights],
            [row["mean_score"] for row in night.nights],
            unit=t("平均评分（不含违约）", "mean score, without firms in default"),
        )
    return drawn
