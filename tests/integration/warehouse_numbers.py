"""Expected numbers of reports, by plain SQL on the warehouse and without our code."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb

from consent.ledger import Ledger
from firmpulse import warehouse
from firmpulse.settings import Settings

Months = dict[str, dict[date, float | None]]

# Newest version of each row that was known.
_NEWEST = (
    "(from warehouse.staging.{} where available_at <= $as_of qualify record_version = "
    "max(record_version) over (partition by row_id))"
)
_SOLD = "where direction = 'OUT' and status <> 'VOID'"
_MONTHLY = {
    "invoiced": ("stg_tax__invoice", "issued_on", f"coalesce(sum(net_cny) filter ({_SOLD}), 0)"),
    "red": ("stg_tax__invoice", "issued_on",
            f"coalesce(-sum(net_cny) filter ({_SOLD} and net_cny < 0), 0)"),
    "void": ("stg_tax__invoice", "issued_on",
             "coalesce(sum(net_cny) filter (where direction = 'OUT' and status = 'VOID'), 0)"),
    "days": ("stg_tax__invoice", "issued_on", f"count(distinct issued_on) filter ({_SOLD})"),
    "declared": ("stg_tax__vat_return", "period_start",
                 "sum(declared_sales_cny + coalesce(simple_sales_cny, 0) "
                 "+ coalesce(export_sales_cny, 0) + coalesce(exempt_sales_cny, 0)) "
                 "filter (where form_column in ('MONTH', 'REFUND_MONTH'))"),
    "declared_of_month": ("stg_tax__vat_return", "period_start",
                 "case when sum(datediff('month', period_start, coalesce(period_end, "
                 "period_start)) + 1) filter (where form_column = 'MONTH') = 1 then "
                 "sum(declared_sales_cny + coalesce(simple_sales_cny, 0) "
                 "+ coalesce(export_sales_cny, 0) + coalesce(exempt_sales_cny, 0)) "
                 "filter (where form_column in ('MONTH', 'REFUND_MONTH')) end"),
    "paid": ("stg_tax__payment", "paid_on",
             "coalesce(sum(paid_cny) filter (where kind = 'TAX'), 0)"),
    "orders": ("stg_supply__order", "ordered_on",
               "coalesce(sum(ordered_cny) filter (where status <> 'CANCELLED'), 0)"),
}  # fmt: skip
_ENERGY = """
    select firm_id::varchar, month, case
        when bit_count(bit_or(covered_days)) * 2 >= day(last_day(month))
            then sum(energy_kwh)::double * day(last_day(month))
                / bit_count(bit_or(covered_days))
    end
    from warehouse.facts.fct_power_bill_monthly
    where available_at <= $as_of and superseded_at > $as_of
    group by firm_id, month
"""
_BANK = """
    select firm_id::varchar, month, case
        when coalesce(sum(unknown_{way}_cny)::double, 0)
            <= 0.2 * coalesce(sum({turnover})::double, 0)
            then sum({column})::double
    end
    from warehouse.facts.fct_bank_monthly
    where available_at <= $as_of and superseded_at > $as_of
    group by all
"""
# A bill that is open, or was paid within a month; for a firm without any day of payment only bills
# with stated arrears.
_LATE = f"""
    with bills as {_NEWEST.format("stg_power__bill")},
    firms as (select firm_id, count(paid_on) > 0 as says from bills
        where bill_month > $as_of - interval 12 month group by firm_id)
    select firm_id::varchar, max(case
        when paid_on > $as_of - interval 1 month then greatest(paid_on - due_date, 0)
        when paid_on is not null then 0
        when says or arrears_cny > 0 then greatest($as_of - due_date, 0) end)
    from bills join firms using (firm_id)
    where bill_month > $as_of - interval 12 month
    group by firm_id
"""
_BILLS = f"""
    with bills as {_NEWEST.format("stg_power__bill")},
    firms as (select firm_id, count(paid_on) > 0 as says from bills
        where bill_month > $month - interval 12 month and bill_month <= $month group by firm_id)
    select firm_id::varchar,
        count(*) filter (where greatest(coalesce(paid_on, $as_of) - due_date, 0) > 0
            and (says or arrears_cny > 0)) / nullif(count(*) filter (where says or arrears_cny > 0), 0),
        avg(greatest(coalesce(paid_on, $as_of) - due_date, 0)) filter (
            where (says or arrears_cny > 0) and (paid_on is not null or due_date < $as_of))
    from bills join firms using (firm_id)
    where bill_month > $month - interval 12 month and bill_month <= $month
    group by firm_id
"""  # noqa: E501 - one condition
_AGEING = f"""
    select firm_id::varchar,
        sum(open) filter (where late <= 0), sum(open) filter (where late between 1 and 30),
        sum(open) filter (where late between 31 and 90), sum(open) filter (where late > 90)
    from (
        select firm_id, $as_of - due_date as late,
            greatest(receivable_cny - coalesce(paid_cny, 0), 0)::double as open
        from {_NEWEST.format("stg_supply__receivable")}
        where due_date > last_day($as_of + 1 - interval 1 month - interval 12 month)
    )
    group by firm_id
"""
# Shares of the ten largest counterparties that have a token.
_PARTNERS = f"""
    select firm_id::varchar, direction, share
    from (
        select firm_id, direction, counterparty_id, sum(net_cny)::double as net,
            net / sum(net) over (partition by firm_id, direction) as share
        from {_NEWEST.format("stg_tax__invoice")}
        where status <> 'VOID' and counterparty_id is not null and issued_on <= $as_of
            and issued_on > last_day($as_of - interval 12 month)
        group by firm_id, direction, counterparty_id
        having sum(net_cny) > 0
    )
    qualify row_number() over (partition by firm_id, direction order by share desc) <= 10
    order by share desc
"""
_REGISTRATIONS = """
    select firm_id::varchar, max_by(registered_on::varchar, (updated_on, record_version))
    from warehouse.staging.stg_tax__registration where available_at <= $as_of
    group by firm_id
"""
# Which tables of arrears and violations are delivered: by any row of the firm, or by the record of
# deliveries from the providers of its rows.
_COLLECTED = """
    with providers as (
        select distinct firm_id, provider
        from (
            select firm_id, delivery_seq from warehouse.staging.stg_tax__invoice
            union select firm_id, delivery_seq from warehouse.staging.stg_tax__registration
            union select firm_id, delivery_seq from warehouse.staging.stg_tax__vat_return
            union select firm_id, delivery_seq from warehouse.staging.stg_tax__payment
            union select firm_id, delivery_seq from warehouse.staging.stg_tax__grade
            union select firm_id, delivery_seq from warehouse.staging.stg_tax__arrears
            union select firm_id, delivery_seq from warehouse.staging.stg_tax__violation
        )
        join warehouse.ops.deliveries using (delivery_seq)
    )
    select distinct firm_id::varchar, table_name
    from providers join warehouse.ops.deliveries using (provider)
    where status = 'landed'
"""


@dataclass
class Numbers:
    """All numbers by firm."""

    features: dict[str, dict[str, Any]]
    # Firm → source → its grants in force.
    grants: dict[str, list[dict[str, Any]]]
    monthly: dict[str, Months]
    late_days: dict[str, float]
    bills: dict[str, tuple[float, float]]
    ageing: dict[str, tuple[float, ...]]
    collected: dict[str, set[str]]
    # Firm → OUT or IN → shares, largest first.
    partners: dict[str, dict[str, list[float]]]
    registered: dict[str, str]
    tables: dict[str, dict[str, list[dict[str, Any]]]]

    def granted(self, firm: str) -> set[str]:
        """Return the sources that the firm granted."""
        return {grant["source"] for grant in self.grants[firm]}


def read(settings: Settings, as_of: date, sources: dict[str, tuple[str, ...]]) -> Numbers:
    """Read the numbers of all firms; `sources`: feature → its required grants."""
    live = Ledger(settings).live(as_of, purposes=("CREDIT_EVAL", "POST_LOAN_MONITOR"),
                                 recipient=settings.recipient)  # fmt: skip
    grants: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in live.sort("firm_id", "source", "purpose").to_dicts():
        grants[row["firm_id"]].append(row)
    with warehouse.connect(settings) as connection:
        found = Numbers(
            features=_features(connection, as_of),
            grants=grants,
            monthly=_monthly(connection, as_of),
            late_days=dict(connection.execute(_LATE, {"as_of": as_of}).fetchall()),
            bills={
                firm: (share, days)
                for firm, share, days in connection.execute(
                    _BILLS, {"as_of": as_of, "month": _billed_month(as_of)}
                ).fetchall()
            },
            ageing={
                firm: tuple(parts)
                for firm, *parts in connection.execute(_AGEING, {"as_of": as_of}).fetchall()
            },
            collected=_collected(connection),
            partners=_partners(connection, as_of),
            registered=dict(connection.execute(_REGISTRATIONS, {"as_of": as_of}).fetchall()),
            tables={
                name: _rows(connection, name, as_of)
                for name in ("scores", "reasons", "warnings", "warning_levels")
            },
        )
    for firm, values in found.features.items():
        for name, needed in sources.items():
            if not set(needed) <= {grant["source"] for grant in grants[firm]}:
                values[name] = None
    return found


def _billed_month(as_of: date) -> date:
    """Return the month before the last day of a month: bills of the last one are not due."""
    return (as_of.replace(day=1) - timedelta(days=1)).replace(day=1)


def _features(connection: duckdb.DuckDBPyConnection, as_of: date) -> dict[str, dict[str, Any]]:
    views = connection.execute(
        "select table_name from duckdb_tables() where database_name = 'warehouse' "
        "and schema_name = 'features' and table_name like 'feat_%'"
    ).fetchall()
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for (view,) in views:
        query = f"select * exclude (through_seq) from warehouse.features.{view} where as_of = ?"
        for row in connection.execute(query, [as_of]).pl().to_dicts():
            found[str(row.pop("firm_id"))] |= row
    return found


def _monthly(connection: duckdb.DuckDBPyConnection, as_of: date) -> dict[str, Months]:
    queries = {
        name: f"select firm_id::varchar, date_trunc('month', {day})::date, "
        f"cast({sql} as double) from {_NEWEST.format(table)} where {day} <= $as_of group by 1, 2"
        for name, (table, day, sql) in _MONTHLY.items()
    } | {"energy": _ENERGY}
    for name, way, column in (("in", "in", "operating_in_cny"), ("out", "out", "operating_out_cny"),
                              ("payroll", "out", "payroll_cny"),
                              ("debt", "out", "debt_service_cny")):  # fmt: skip
        turnover = "turnover_in_cny" if way == "in" else "turnover_cny - turnover_in_cny"
        queries[name] = _BANK.format(way=way, turnover=turnover, column=column)
    found: dict[str, Months] = {}
    for name, query in queries.items():
        found[name] = defaultdict(dict)
        for firm, month, value in connection.execute(query, {"as_of": as_of}).fetchall():
            found[name][firm][month] = value
    return found


def _partners(
    connection: duckdb.DuckDBPyConnection, as_of: date
) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: {"OUT": [], "IN": []})
    for firm, way, share in connection.execute(_PARTNERS, {"as_of": as_of}).fetchall():
        found[firm][way].append(share)
    return found


def _collected(connection: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for firm, table in connection.execute(_COLLECTED).fetchall():
        found[firm].add(table)
    return found


def _rows(
    connection: duckdb.DuckDBPyConnection, table: str, as_of: date
) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    query = f"from warehouse.scoring.{table} where as_of = ? order by all"
    for row in connection.execute(query, [as_of]).pl().to_dicts():
        found[row["firm_id"]].append(row)
    return found
