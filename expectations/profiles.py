"""Profiles of batches: counts and shares, one row per delivery table, fact table or feature.

Profiles contain no identifier of a firm, so that the Data Docs may be shown to all staff.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import duckdb

from extracts import contracts
from extracts.key_trust import STATES
from firmpulse.known_at import known_by

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from expectations.unreadable import Unreadable
    from features.registry import FeatureMeta, Registry

# A value may be beyond its bound by the rounding of its last digits.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Finding:
    """What is impossible about a firm."""

    firm_id: str
    # The feature or column.
    name: str
    # Where it is, in both languages, with the value.
    text_zh: str
    text_en: str


@dataclass(frozen=True)
class Batch:
    """A batch to check: its profile, and the firms behind it."""

    frame: "pd.DataFrame"
    # Number of firms; 0 where rows are not about firms.
    firms: int = 0
    # Column of the profile → what is impossible about which firm.
    findings: Mapping[str, Sequence[Finding]] = field(default_factory=dict)


# The deliveries of the night, and earlier ones without a good verdict; never an accepted one.
_OPEN = """(
    select * from warehouse.ops.deliveries as delivery
    where
        (as_of = $as_of or list_contains(cast($held as bigint[]), delivery_seq)
        or (delivery_seq is not null and not exists (
            select 1 from warehouse.ops.verdicts as verdict
            where
                verdict.suite = '{suite}'
                and verdict.delivery_seq = delivery.delivery_seq
                and verdict.passed
        )))
        and not exists (
            select 1 from warehouse.ops.verdicts as verdict
            where
                verdict.suite = '{suite}'
                and verdict.delivery_seq = delivery.delivery_seq
                and verdict.accepted_because is not null
        )
)"""

_DELIVERIES = """
select
    delivery_seq,
    delivery_id || coalesce(' / ' || table_name, '') as batch_table,
    source,
    status,
    rows_read,
    rows_landed,
    rows_restated,
    rows_duplicate,
    rows_refused_by_gate,
    rows_quarantined,
    columns_dropped,
    case
        when status = 'landed'
            then sum(rows_read) over (partition by delivery_seq, delivery_id)::bigint
    end as delivery_rows_read,
    rows_quarantined / nullif(rows_read, 0) as quarantined_share,
    rows_duplicate / nullif(rows_read, 0) as duplicate_share,
    case
        when table_name not in (select unnest($states)) then rows_restated / nullif(rows_read, 0)
    end as restated_share,
    rows_refused_by_gate / nullif(rows_read, 0) as refused_by_gate_share,
    rows_read - rows_landed - rows_duplicate - rows_refused_by_gate - rows_quarantined
        as unaccounted_rows,
    -- A row whose firm is not readable may be of any.
    coalesce(spread.firms, rows_quarantined) as quarantined_firms
from {open}
left join (
    select
        delivery_seq, table_name, count(distinct firm) + count(*) filter (firm is null) as firms
    from vault.ops.quarantine
    group by delivery_seq, table_name
) as spread using (delivery_seq, table_name)
order by batch_table
"""

_MASKED = """
with delivered as (
    select
        delivery_seq,
        any_value(delivery_id) as delivery_id,
        any_value(source) as source,
        any_value(kind) as kind,
        any_value(delivered_at)::date as delivered_on,
        sum(rows_landed)::bigint - coalesce(any_value(erased.rows), 0) as landed_rows
    from {open}
    left join warehouse.ops.erased_deliveries as erased using (delivery_seq)
    where status = 'landed'
    group by delivery_seq
)
select
    tonight.delivery_seq,
    tonight.delivery_id as delivery,
    tonight.source,
    tonight.kind,
    tonight.landed_rows,
    coalesce(masked.masked_rows, 0) as masked_rows,
    tonight.landed_rows - coalesce(masked.masked_rows, 0) as lost_rows,
    case when tonight.kind = 'increment' then coalesce(masked.early_rows, 0) else 0 end
        as early_rows
from delivered as tonight
left join (
    select
        versions.delivery_seq,
        count(*) as masked_rows,
        count(*) filter (where versions.available_at < delivered.delivered_on) as early_rows
    from ({versions}) as versions
    inner join delivered using (delivery_seq)
    group by versions.delivery_seq
) as masked using (delivery_seq)
order by delivery
"""

_FACT_TABLE = """
select
    '{table}' as table_name,
    count(*) filter (where {known}) as known_rows,
    max(month) filter (where {known}) as newest_month,
    date_diff('month', max(month) filter (where {known}), $as_of) as months_behind,
    count(*) filter (where superseded_at = $as_of) as superseded_tonight,
    count(*) filter (where superseded_at = $as_of)
        / nullif(count(*) filter (where available_at < $as_of), 0) as superseded_tonight_share
from warehouse.facts.{table}
"""

_NO_FACTS = """
select
    '' as table_name, 0 as known_rows, 0 as months_behind, 0.0 as superseded_tonight_share
where $as_of is null
"""

_MASKED_TABLE = "select delivery_seq, available_at from warehouse.staging.{table}"
_NO_VERSIONS = "select null::bigint as delivery_seq, null::date as available_at where false"

_SCORES = """
select firm_id::varchar as firm_id, default_prob, score, grade
from warehouse.scoring.scores
where as_of = $as_of
"""

# Firms with a score, and firms that should have one. A firm may withdraw while the night runs, so
# the grant at the time of the check decides.
_EXPECTED_SCORES = """
select count(*) from (
    select firm_id from warehouse.scoring.scores where as_of = $as_of
    union
    (
        select firm_id::varchar
        from warehouse.features.firm_snapshots
        where as_of = $as_of and list_contains($granted, firm_id::varchar)
        except
        select firm_id from warehouse.scoring.unscored where as_of = $as_of
    )
)
"""

_NIGHT = """
select
    count(distinct delivery_id) filter (where status = 'landed') as deliveries,
    count(distinct delivery_id) filter (where status = 'refused') as refused,
    coalesce(sum(rows_landed), 0)::bigint as rows_landed,
    coalesce(sum(rows_quarantined), 0)::bigint as rows_quarantined,
    (select count(*) from warehouse.features.firm_snapshots where as_of = $as_of) as firms
from warehouse.ops.deliveries
where as_of = $as_of
"""


def has_landed(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether any delivery of any night has landed."""
    query = "select 1 from warehouse.ops.deliveries where status = 'landed' limit 1"
    return connection.execute(query).fetchone() is not None


def deliveries(
    connection: duckdb.DuckDBPyConnection, as_of: date, unreadable: Sequence["Unreadable"] = ()
) -> Batch:
    """Return one row per table of the night's deliveries and of earlier ones not yet passed.

    Args:
        connection: a session with vault and warehouse attached.
        as_of: the night.
        unreadable: firms with many rows in quarantine; their deliveries are included.
    """
    query = _DELIVERIES.format(open=_OPEN.format(suite="delivery"))
    held = [one.delivery_seq for one in unreadable]
    # A bill is issued and then paid: its second row says nothing against the first.
    states = [name for name, one in contracts.load().items() if one.key_trust.repeats_are == STATES]
    values = {"as_of": as_of, "held": held, "states": states}
    frame = connection.execute(query, values).df()
    findings = [one.finding for one in unreadable]
    by_table = Counter(one.name for one in findings)
    frame["unreadable_firms"] = [by_table[name] for name in frame["batch_table"]]
    ((firms,),) = connection.execute("select count(*) from vault.ops.firm_directory").fetchall()
    return Batch(frame, firms, {"unreadable_firms": findings})


def masked(connection: duckdb.DuckDBPyConnection, as_of: date) -> "pd.DataFrame":
    """Return one row per landed delivery to check: rows landed against rows masked."""
    tables = _tables(connection, "staging", {"delivery_seq", "available_at"})
    parts = [_MASKED_TABLE.format(table=table) for table in tables]
    versions = " union all ".join(parts) or _NO_VERSIONS
    query = _MASKED.format(versions=versions, open=_OPEN.format(suite="masked"))
    return connection.execute(query, {"as_of": as_of, "held": []}).df()


def facts(connection: duckdb.DuckDBPyConnection, as_of: date) -> "pd.DataFrame":
    """Return one row per fact table: what is known on `as_of` and what changed that night."""
    tables = _tables(connection, "facts", {"month", "available_at", "superseded_at"})
    parts = [_FACT_TABLE.format(table=table, known=known_by()) for table in tables]
    query = " union all ".join(parts) or _NO_FACTS
    return connection.execute(query, {"as_of": as_of}).df()


def features(frame: "pl.DataFrame", registry: "Registry") -> Batch:
    """Return one row per feature of `frame` (firm_id, as_of, features): range and gaps."""
    import polars as pl

    firms = frame.height
    distinct = frame["firm_id"].n_unique()
    rows = []
    findings: dict[str, list[Finding]] = {"infinite_values": [], "out_of_range_values": []}
    for meta in registry.features:
        column = frame[meta.name]
        row: dict[str, object] = {
            "feature": meta.name,
            "source": meta.source,
            "unit": meta.unit,
            "firms": firms,
            "distinct_firms": distinct,
            # Not of terms of loans: most firms have none, and a lender may deliver none at all.
            "missing_share": column.null_count() / firms
            if firms and meta.valid_days is None
            else None,
            "infinite_values": 0,
            "out_of_range_values": 0,
        }
        if column.dtype.is_float():
            low, high = _bounds(meta)
            broken = {
                "infinite_values": ~column.is_finite(),
                "out_of_range_values": column.is_finite() & ((column < low) | (column > high)),
            }
            for name, where in broken.items():
                row[name] = int(where.sum())
                if row[name]:
                    found = frame.filter(where).select("firm_id", meta.name).rows()
                    findings[name] += [_finding(firm, meta, value) for firm, value in found]
            row |= {"minimum": column.min(), "maximum": column.max()}
        rows.append(row)
    return Batch(pl.DataFrame(rows, infer_schema_length=None).to_pandas(), firms, findings)


def scores(connection: duckdb.DuckDBPyConnection, as_of: date) -> Batch:
    """Return one row per firm scored for `as_of`: token, default_prob, score, grade."""
    frame = connection.execute(_SCORES, {"as_of": as_of}).df()
    return Batch(frame, len(frame))


def spine(connection: duckdb.DuckDBPyConnection, as_of: date) -> "pl.DataFrame":
    """Return firm_id and as_of of every firm with a snapshot at `as_of`."""
    query = (
        "select firm_id::varchar as firm_id, as_of from warehouse.features.firm_snapshots "
        "where as_of = $as_of order by firm_id"
    )
    return connection.execute(query, {"as_of": as_of}).pl()


def expected_scores(
    connection: duckdb.DuckDBPyConnection, as_of: date, granted: Sequence[str]
) -> int:
    """Return the number of firms that have a score at `as_of` or should have one.

    Should have: a snapshot, a grant in force (`granted`, firm_ids) and no unscored row.
    """
    values = {"as_of": as_of, "granted": list(granted)}
    row = connection.execute(_EXPECTED_SCORES, values).fetchone()
    return int(row[0]) if row else 0


def night(connection: duckdb.DuckDBPyConnection, as_of: date) -> dict[str, int]:
    """Return the counts of a night: deliveries, refused, rows landed and quarantined, firms."""
    (row,) = connection.execute(_NIGHT, {"as_of": as_of}).pl().to_dicts()
    return row


def _bounds(meta: "FeatureMeta") -> tuple[float, float]:
    """Return the closed range of a feature, widened by what rounding may add."""
    low, high = meta.bounds
    return (
        float("-inf") if low is None else low - _ROUNDING * max(1, abs(low)),
        float("inf") if high is None else high + _ROUNDING * max(1, abs(high)),
    )


def _finding(firm_id: str, meta: "FeatureMeta", value: float) -> Finding:
    low, high = ("" if end is None else f"{end:g}" for end in meta.bounds)
    return Finding(
        firm_id,
        meta.name,
        f"{meta.name_zh}（{meta.name}）为 {value:.9g}，应为 {low or '−∞'} 至 {high or '+∞'}",
        f"{meta.name} is {value:.9g}, its bounds are {low or 'none'} to {high or 'none'}",
    )


def _tables(connection: duckdb.DuckDBPyConnection, schema: str, columns: set[str]) -> list[str]:
    """Return the tables of a warehouse schema that have all of `columns`."""
    found = connection.execute(
        "select table_name from duckdb_columns() "
        "where database_name = 'warehouse' and schema_name = $schema "
        "and list_contains($columns, column_name) "
        "group by table_name having count(*) = len($columns) order by table_name",
        {"schema": schema, "columns": sorted(columns)},
    ).fetchall()
    return [table for (table,) in found]
