"""What became of firms: scores whose twelve months are over, default rates of alike firms."""

from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from features.frame import frame
from features.registry import Registry
from firmpulse import scale
from firmpulse.errors import NotReadyError
from firmpulse.known_at import known_at
from model import coverage
from training import labels
from training.config import DEFAULT

# A score made later than this after its date is not a forecast: part of its outcome was known.
MOST_DAYS_LATE = 31
# Each outcome with the first and last date of the scores that it judges.
_OF_MONTHS = f"""
    create or replace temp table judging as
    select
        cast(firm_id as varchar) as firm_id, as_of, outcome,
        as_of as scored_from,
        cast(date_trunc('quarter', as_of + 1) + interval 3 month as date) - 2 as scored_to
    from warehouse.labels.default_12m
    where {known_at()} and outcome in ('good', 'bad')
"""  # noqa: S608 - our own names
_OF_LOANS = f"""
    create or replace temp table judging as
    select
        firm_id, as_of, outcome, as_of - {DEFAULT.most_snapshot_days} as scored_from,
        as_of as scored_to
    from loan_outcomes
"""  # noqa: S608 - our own names
# The last score of each firm and outcome, of this version; preferred to scores that are no
# evidence: made too late, or for a date before the end of the version's training data.
_MATURED = """
    with made as (
        select as_of, max(started_at) as scored_at from warehouse.ops.steps
        where step = 'score' and state = 'success' group by as_of
    )
    select
        scores.firm_id, scores.default_prob, judging.outcome = 'bad' as bad,
        -- By the day in China, as nights are.
        coalesce(
            made.scored_at >= cast(cast(scores.as_of + $days + 1 as timestamp) as timestamptz), true
        ) as is_late,
        coalesce(scores.as_of < versions.trained_as_of, true) as is_learnt
    from warehouse.scoring.scores as scores
    left join made on scores.as_of = made.as_of
    left join warehouse.scoring.model_versions as versions
        on scores.model_name = versions.model_name
            and scores.model_version = versions.model_version
    inner join warehouse.scoring.cleared_nights as cleared on scores.as_of = cleared.as_of
    inner join temp.judging as judging
        on scores.firm_id = judging.firm_id
            and scores.as_of between judging.scored_from and judging.scored_to
    where scores.model_version = $version and scores.grade <> $defaulted
    qualify row_number() over (
        partition by scores.firm_id, judging.as_of
        order by is_late or is_learnt, scores.as_of desc
    ) = 1
    order by scores.firm_id, judging.as_of
"""

# Quarters whose outcomes say how often firms default now.
_QUARTERS = 2
# Firms of the average rate that are added to each coverage tier: a tier of few firms shows little.
_ADDED_FIRMS = 500
_NEWEST = f"""
    select cast(firm_id as varchar) as firm_id, as_of, outcome = 'bad' as bad
    from warehouse.labels.default_12m
    where {known_at()} and matured_at <= $as_of and outcome in ('good', 'bad')
        and as_of in (
            select distinct as_of from warehouse.labels.default_12m
            where {known_at()} and matured_at <= $as_of order by as_of desc limit {_QUARTERS}
        )
    order by all
"""  # noqa: S608 - our own names


@dataclass(frozen=True)
class AlikeRate:
    """How often firms with as much known about them defaulted."""

    # Default rate of the newest quarters with outcomes, in the mix of coverage tiers asked for.
    rate: float
    # Defaults that it is made of.
    defaults: int


def rate_of_alike(
    connection: duckdb.DuckDBPyConnection, known: Registry, as_of: date, tiers: pl.Series
) -> AlikeRate:
    """Return the default rate of firms of the same coverage tiers, as known at `as_of`.

    Args:
        connection: a session with the warehouse attached.
        known: the feature registry.
        as_of: date up to which outcomes are known.
        tiers: coverage tier of each firm of tonight, shape (firms,).
    """
    if labels.are_monthly_known(connection, as_of):
        rows = connection.execute(_NEWEST, {"as_of": as_of}).pl()
    else:
        loans = _loans(connection, as_of)
        newest = loans["cohort"].unique().sort().tail(_QUARTERS)
        rows = loans.filter(pl.col("cohort").is_in(newest.to_list())).select(
            "firm_id", "as_of", bad=pl.col("outcome") == "bad"
        )
    defaults = int(rows["bad"].sum())
    if not defaults:
        return AlikeRate(0.0, 0)
    spine = rows.select("firm_id", "as_of")
    seen = frame(connection, known, spine, coverage.COVERAGE_FEATURES)
    average = defaults / rows.height
    by_tier = (
        rows.with_columns(seen.select(coverage.tier()).to_series())
        .group_by("coverage")
        .agg((pl.col("bad").sum() + average * _ADDED_FIRMS) / (pl.len() + _ADDED_FIRMS))
    )
    rates = tiers.alias("coverage").to_frame().join(by_tier, on="coverage", how="left")
    return AlikeRate(float(rates["bad"].fill_null(average).mean()), defaults)  # type: ignore[arg-type] # never empty


def scores(connection: duckdb.DuckDBPyConnection, as_of: date, version: str) -> pl.DataFrame:
    """Return one row per firm and quarter with an outcome known at `as_of`.

    Columns: firm_id, default_prob, bad, is_late (made too long after its date, or at an unknown
    time), is_learnt (its date is before the date up to which the version was trained).
    """
    if labels.are_monthly_known(connection, as_of):
        connection.execute(_OF_MONTHS, {"as_of": as_of})
    else:
        connection.register("loan_outcomes", _loans(connection, as_of))
        connection.execute(_OF_LOANS)
    values = {"version": version, "defaulted": scale.DEFAULTED, "days": MOST_DAYS_LATE}
    found: pl.DataFrame = connection.execute(_MATURED, values).pl()
    return found


def _loans(connection: duckdb.DuckDBPyConnection, as_of: date) -> pl.DataFrame:
    """Return firm_id, as_of, cohort and outcome of loans of well known quarters, or none."""
    nothing = pl.DataFrame(
        schema={"firm_id": pl.String, "as_of": pl.Date, "cohort": pl.Date, "outcome": pl.String}
    )
    if not labels.any_loans(connection):
        return nothing
    try:
        return labels.of_loans(connection, as_of, labels.borrowers(connection), DEFAULT).rows
    except NotReadyError:
        return nothing
