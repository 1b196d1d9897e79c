"""The loans behind a model as known on a date: vintages, roll rates, funnel, defaults.

Everything is by firm, because the facts are: a firm is as many days past due as its worst loan.
"""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Any

import duckdb
import polars as pl

from firmpulse import warehouse
from firmpulse.bounds import ARREARS_DAYS, DEFAULT_DAYS, FEWEST_MONTHS, LEAST_FIRMS
from firmpulse.errors import NotReadyError
from firmpulse.known_at import known_at
from training.split import EXCLUDED

MONTHS_ON_BOOK = (3, 6, 9, 12, 18, 24, 36)
# Bucket → fewest days past due in it.
BUCKETS: Mapping[str, int] = MappingProxyType(
    {"current": 0, "1-29": 1, "30-59": ARREARS_DAYS, "60-89": 60, "90+": DEFAULT_DAYS}
)
LEFT_BOOK = "left the book"

_READ = ("facts.fct_loan_monthly", "labels.default_12m", "features.feat_profile_monthly")

# Of the parts of a month only balances add up; of days past due the worst part counts.
_KNOWN = f"""
with known as (
    select firm_id, month, max(days_past_due) as days_past_due
    from warehouse.facts.fct_loan_monthly
    where {known_at()}
    group by firm_id, month
)
"""  # noqa: S608 - our own names

_COUNT = "select count(*) from known"

_VINTAGES = """,
firsts as (
    select
        firm_id,
        min(month) as first_month,
        cast(date_trunc('quarter', min(month)) as date) as quarter_start,
        min(month) = min(min(month)) over () as is_left_censored
    from known
    group by firm_id
),

cohorts as (
    select
        *,
        datediff(
            'month',
            max(first_month) over (partition by quarter_start, is_left_censored),
            (select max(month) from known)
        ) as observed_months
    from firsts
),

worst as (
    select
        cohorts.firm_id,
        cohorts.quarter_start,
        cohorts.is_left_censored,
        horizons.months_on_book,
        max(known.days_past_due) as days_past_due
    from cohorts
    inner join (select unnest($months) as months_on_book) as horizons
        on cohorts.observed_months >= horizons.months_on_book
    inner join known
        on
            cohorts.firm_id = known.firm_id
            and datediff('month', cohorts.first_month, known.month) <= horizons.months_on_book
    group by all
)

select
    strftime(quarter_start, '%Y') || '-Q' || quarter(quarter_start)
    || if(is_left_censored, ' or earlier', '') as vintage,
    is_left_censored,
    months_on_book,
    count(*) as firms,
    count_if(days_past_due >= $arrears_days) / count(*) as cumulative_30_plus_rate,
    count_if(days_past_due >= $default_days) / count(*) as cumulative_90_plus_rate
from worst
group by quarter_start, is_left_censored, months_on_book
order by quarter_start, is_left_censored desc, months_on_book
"""

_ROLL_RATES = """,
buckets as (
    select unnest($buckets) as bucket, unnest($floors) as floor_days
),

states as (
    select known.firm_id, known.month, buckets.bucket
    from known
    asof inner join buckets on known.days_past_due >= buckets.floor_days
),

moves as (
    select
        states.bucket as from_bucket,
        coalesce(next_states.bucket, $left_book) as to_bucket,
        count(*) as firm_months
    from states
    left join states as next_states
        on
            states.firm_id = next_states.firm_id
            and states.month + interval 1 month = next_states.month
    where states.month < (select max(month) from known)
    group by all
),

destinations as (
    select bucket, floor_days from buckets
    union all
    select $left_book, null
)

select
    buckets.bucket as from_bucket,
    destinations.bucket as to_bucket,
    coalesce(moves.firm_months, 0) as firm_months,
    coalesce(moves.firm_months, 0)
    / sum(moves.firm_months) over (partition by buckets.bucket) as rate
from buckets
cross join destinations
left join moves
    on buckets.bucket = moves.from_bucket and destinations.bucket = moves.to_bucket
order by buckets.floor_days, destinations.floor_days nulls last
"""

# A label decides if there is one; otherwise the reason for its absence, in the label's order.
_FUNNEL = f""",
dates as (
    select distinct last_day(month) as as_of
    from known
    where month(month) in (3, 6, 9, 12)
),

book as (
    select dates.as_of, known.firm_id, max(known.days_past_due) as worst_before
    from dates
    inner join known on known.month <= dates.as_of
    group by dates.as_of, known.firm_id
    having bool_or(last_day(known.month) = dates.as_of)
),

labels as (
    select firm_id, as_of, outcome
    from warehouse.labels.default_12m
    where {known_at()}
),

stages as (
    select
        as_of,
        case
            when labels.outcome is not null then labels.outcome
            when book.worst_before >= $default_days then 'already_defaulted'
            when coalesce(profiles.profile_observed_months, 0) < $least_months
                then 'short_history'
            when as_of in (select labels.as_of from labels) then 'no_performance'
            else 'not_matured'
        end as stage
    from book
    left join labels using (firm_id, as_of)
    left join warehouse.features.feat_profile_monthly as profiles using (firm_id, as_of)
),

sampled as (
    select as_of, max(split) as split, count(*) as firms
    from sample_rows
    where split <> $excluded
    group by as_of
)

select
    stages.as_of,
    sampled.split,
    count(*) as on_book,
    count_if(stages.stage = 'already_defaulted') as already_defaulted,
    count_if(stages.stage = 'short_history') as short_history,
    count_if(stages.stage = 'not_matured') as not_matured,
    count_if(stages.stage = 'no_performance') as no_performance,
    count_if(stages.stage = 'indeterminate') as indeterminate,
    count_if(stages.stage = 'good') as good,
    count_if(stages.stage = 'bad') as bad,
    coalesce(any_value(sampled.firms), 0) as sampled
from stages
left join sampled using (as_of)
group by stages.as_of, sampled.split
order by stages.as_of
"""  # noqa: S608 - our own names

_DEFAULT_DATES = """
select cast(firm_id as varchar) as firm_id, last_day(min(month)) as defaulted_on
from known
where days_past_due >= $default_days
group by firm_id
order by firm_id
"""


def vintages(connection: duckdb.DuckDBPyConnection, as_of: date) -> pl.DataFrame:
    """Return how many firms of an origination quarter were ever in arrears, by months on book.

    A firm originates in its first month on the book, which is month 0, and stays in the
    denominator when it leaves. A cell exists once all firms of its vintage, whether still on the
    book or not, could be observed that long. Firms of the very first month may be older; their
    vintage is separate, as '2023-Q4 or earlier'.

    Returns:
        One row per vintage and number of months on book, in that order: vintage, is_left_censored,
        months_on_book, firms, cumulative_30_plus_rate, cumulative_90_plus_rate.

    Raises:
        NotReadyError: no loan performance is known on `as_of`.

    Source: Siddiqi, Credit Risk Scorecards (2006).
    """
    return _rows(
        connection,
        as_of,
        _VINTAGES,
        {
            "months": list(MONTHS_ON_BOOK),
            "arrears_days": ARREARS_DAYS,
            "default_days": DEFAULT_DAYS,
        },
    )


def without_small(vintages: pl.DataFrame) -> pl.DataFrame:
    """Return the vintages, those of fewer than `LEAST_FIRMS` without counts and rates."""
    shown = pl.col("firms") >= LEAST_FIRMS
    hidden = ("firms", "cumulative_30_plus_rate", "cumulative_90_plus_rate")
    return vintages.with_columns(pl.when(shown).then(pl.col(name)).alias(name) for name in hidden)


def roll_rates(connection: duckdb.DuckDBPyConnection, as_of: date) -> pl.DataFrame:
    """Return how firms move between buckets of days past due from one month to the next.

    A firm without a row in the next month has left the book, even if it returns later.

    Returns:
        One row per pair of buckets, best first: from_bucket, to_bucket, firm_months, rate. Rates
        sum to 1 over to_bucket; they are null if no firm was ever in from_bucket.

    Raises:
        NotReadyError: no loan performance is known on `as_of`.

    Source: Siddiqi, Credit Risk Scorecards (2006).
    """
    return _rows(
        connection,
        as_of,
        _ROLL_RATES,
        {"buckets": list(BUCKETS), "floors": list(BUCKETS.values()), "left_book": LEFT_BOOK},
    )


def funnel(
    connection: duckdb.DuckDBPyConnection, as_of: date, sample: pl.DataFrame
) -> pl.DataFrame:
    """Return the outcome of the firms on the book at each quarterly observation date.

    Args:
        connection: a session with the warehouse.
        as_of: the date on which the sample was drawn.
        sample: its labelled rows: firm_id, as_of, outcome, split.

    Returns:
        One row per date: as_of, split (null if no row of the date trains or tests), on_book,
        then its parts, which add up to it: already_defaulted, short_history (also firms without
        any observed month), not_matured, no_performance (no month of a closed outcome window is
        known), indeterminate, good, bad; last sampled, the good and bad firms in the sample.

    Raises:
        NotReadyError: no loan performance is known on `as_of`, or labels were never built.
    """
    connection.register("sample_rows", sample.select("as_of", "split"))
    try:
        return _rows(
            connection,
            as_of,
            _FUNNEL,
            {
                "default_days": DEFAULT_DAYS,
                "least_months": FEWEST_MONTHS,
                "excluded": EXCLUDED,
            },
        )
    finally:
        connection.unregister("sample_rows")


def default_dates(connection: duckdb.DuckDBPyConnection, as_of: date) -> pl.DataFrame:
    """Return the end of the first month at which each defaulted firm was 90+ days past due.

    Returns:
        One row per firm that ever defaulted, sorted: firm_id, defaulted_on.

    Raises:
        NotReadyError: no loan performance is known on `as_of`.
    """
    return _rows(connection, as_of, _DEFAULT_DATES, {"default_days": DEFAULT_DAYS})


def _rows(
    connection: duckdb.DuckDBPyConnection, as_of: date, query: str, parameters: Mapping[str, Any]
) -> pl.DataFrame:
    bound = {"as_of": as_of}
    if not all(warehouse.is_built(connection, table) for table in _READ):
        raise NotReadyError(
            f"loan facts or labels have never been built; land loan performance and run: "
            f"firmpulse night --as-of {as_of}"
        )
    known = connection.execute(_KNOWN + _COUNT, bound).fetchone()
    rows = connection.execute(_KNOWN + query, {**bound, **parameters}).pl()
    if known is None or not known[0]:
        raise NotReadyError(
            f"no loan performance was known on {as_of}; take a later date, or land it and run: "
            f"firmpulse night --as-of {as_of}"
        )
    return rows
