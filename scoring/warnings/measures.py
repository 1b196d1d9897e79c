"""What rules read beside features: loans, power bills and events, lenders, the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import duckdb
import polars as pl

from firmpulse import warehouse
from firmpulse.known_at import known_at, known_by


@dataclass(frozen=True)
class Measure:
    """A value that is known for now only, unless the model gives it."""

    # Source that a firm must have granted; None where no grant is asked for.
    source: str | None
    of_model: bool = False


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "days_past_due": Measure(None),
        "bank_new_lenders_3m": Measure("bank"),
        "power_late_days": Measure("power"),
        "power_cut_off": Measure("power"),
        "power_closed": Measure("power"),
        "power_theft": Measure("power"),
        "default_prob": Measure(None, of_model=True),
        "grade_rank": Measure(None, of_model=True),
    }
)
# Days of planned outage in three months; what it silences is up to the rules.
OUTAGE_DAYS = "power_planned_outage_days_3m"
PROVINCE = "province"

# Table that a query reads → the query; all see versions as known at $as_of.
_QUERIES: Mapping[str, str] = {
    # A firm that left the book is not past due with its last month.
    "facts.fct_loan_monthly": f"""
        select firm_id, cast(max_by(days_past_due, month) as double) as days_past_due
        from (
            -- A month has several parts where some of its loans became known later.
            select firm_id, month, max(days_past_due) as days_past_due
            from warehouse.facts.fct_loan_monthly
            where
                {known_at()}
                and month >= $as_of - interval 3 month
            group by firm_id, month
        )
        group by firm_id
    """,  # noqa: S608 - our own names
    "staging.stg_bank__txn": f"""
        select
            firm_id,
            cast(count(*) filter (first_on > $as_of - interval 3 month) as double)
                as bank_new_lenders_3m
        from (
            select firm_id, counterparty_id, min(booked_on) as first_on
            from warehouse.staging.stg_bank__txn
            where
                category = 'loan_in' and counterparty_id is not null and {known_by()}
                and booked_on > $as_of - interval 6 month and booked_on <= $as_of
            group by firm_id, counterparty_id
        )
        group by firm_id
    """,  # noqa: S608 - our own names
    # Unpaid and overdue, or paid late just now; `is_told` as in feat_power_monthly.
    "facts.fct_power_payment": f"""
        select
            firm_id,
            cast(max(case
                when paid_on > $as_of - interval 1 month then greatest(paid_on - due_date, 0)
                when paid_on is not null then 0
                when is_told then greatest($as_of - due_date, 0)
            end) as double) as power_late_days
        from (
            select
                firm_id,
                due_date,
                case when paid_on <= $as_of then paid_on end as paid_on,
                coalesce(bool_or(paid_on <= $as_of) over (partition by firm_id), false)
                    or coalesce(arrears_cny, 1) > 0 as is_told
            from warehouse.facts.fct_power_payment
            where
                {known_at()}
                and month > $as_of - interval 12 month
        )
        where due_date is not null
        group by firm_id
    """,  # noqa: S608 - our own names
    # An event counts while it lasts and for a month after its beginning.
    "staging.stg_power__event": f"""
        with known as (
            select firm_id, meter_id, event_type, started_on, coalesce(ended_on, $as_of) as ended_on
            from warehouse.staging.stg_power__event
            where {known_by()} and started_on <= $as_of
            qualify record_version = max(record_version) over (partition by row_id)
        ),
        open_meters as (
            select distinct firm_id
            from warehouse.staging.stg_power__account
            anti join (select firm_id, meter_id from known where event_type = 'CLOSED')
                using (firm_id, meter_id)
            where {known_by()}
        ),
        recent as (
            select *, ended_on >= $as_of or started_on > $as_of - interval 1 month as is_recent
            from known
        )
        select
            recent.firm_id,
            cast(bool_or(event_type = 'CUT_OFF_FOR_ARREARS' and is_recent) as double)
                as power_cut_off,
            cast(bool_or(event_type = 'CLOSED' and open_meters.firm_id is null) as double)
                as power_closed,
            cast(bool_or(event_type = 'THEFT' and is_recent) as double) as power_theft,
            cast(coalesce(max(
                least(ended_on, $as_of)
                - greatest(started_on, cast($as_of - interval 3 month as date)) + 1
            ) filter (
                event_type = 'PLANNED_OUTAGE' and ended_on > $as_of - interval 3 month
            ), 0) as double) as {OUTAGE_DAYS}
        from recent
        left join open_meters using (firm_id)
        group by recent.firm_id
    """,  # noqa: S608 - our own names
    # For peers in reports only, never a feature: a region stands for other things too.
    "staging.stg_tax__registration": f"""
        select firm_id, max_by(province_code, (available_at, record_version)) as {PROVINCE}
        from warehouse.staging.stg_tax__registration
        where {known_by()}
        group by firm_id
    """,  # noqa: S608 - our own names
}
_GRANTED = {
    **{name: measure.source for name, measure in MEASURES.items() if not measure.of_model},
    OUTAGE_DAYS: "power",
    PROVINCE: "tax",
}


def read(
    connection: duckdb.DuckDBPyConnection,
    as_of: date,
    firms: pl.DataFrame,
    granted: pl.DataFrame,
) -> pl.DataFrame:
    """Return the firms with every measure but the model's, as known at `as_of`.

    A null says not observed or not granted.

    Args:
        connection: a session with the warehouse attached.
        as_of: only what was available by then is used.
        firms: firm_id (String); any further columns are kept.
        granted: firm_id and source of the grants in force.
    """
    rows = firms
    for table, query in _QUERIES.items():
        if warehouse.is_built(connection, table):
            found = connection.execute(query, {"as_of": as_of}).pl()
            rows = rows.join(
                found.with_columns(pl.col("firm_id").cast(pl.String)),
                on="firm_id", how="left", maintain_order="left",
            )  # fmt: skip
    absent = [name for name in _GRANTED if name not in rows.columns]
    rows = rows.with_columns(
        pl.lit(None, dtype=pl.String if name == PROVINCE else pl.Float64).alias(name)
        for name in absent
    )
    by_firm = granted.group_by("firm_id").agg(pl.col("source").unique().alias("_sources"))
    flagged = rows.join(by_firm, on="firm_id", how="left", maintain_order="left")
    return flagged.with_columns(
        pl.when(pl.col("_sources").list.contains(source)).then(pl.col(name)).alias(name)
        for name, source in _GRANTED.items()
        if source is not None
    ).drop("_sources")
