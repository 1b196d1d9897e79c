"""Monthly facts of firms as known at a date: the data of a report's tables and charts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import polars as pl

from firmpulse.bounds import BANK_UNKNOWN_SHARE
from firmpulse.calendar import add_months, month_end
from firmpulse.known_at import known_at, known_by

Row = dict[str, Any]

# Like the macro whole_month: bills of a month count once they cover half of its days.
_WHOLE_MONTH = """
    case
        when bit_count(bit_or(covered_days)) * 2 >= day(last_day(month))
            then sum(energy_kwh) * day(last_day(month)) / bit_count(bit_or(covered_days))
    end
"""


def _of_known(way: str, measure: str) -> str:
    """Return SQL of a sum of bank flows by category; null if their texts are not known."""
    total = {"in": "turnover_in_cny", "out": "turnover_cny - turnover_in_cny"}[way]
    share = f"sum(unknown_{way}_cny) / nullif(cast(sum({total}) as double), 0)"
    return f"case when coalesce({share}, 0) <= {BANK_UNKNOWN_SHARE} then sum({measure}) end"


# Fact → its measures; parts of a fact add up, day masks join.
_MONTHLY = {
    "fct_tax_invoice_monthly": {
        "sales_cny": "sum(sales_cny)", "red_cny": "sum(red_cny)", "void_cny": "sum(void_cny)",
        "sales_invoices": "sum(sales_invoice_count)", "red_count": "sum(red_count)",
        "void_count": "sum(void_count)", "issued_count": "sum(issued_count)",
        "active_days": "bit_count(bit_or(active_days))", "purchases_cny": "sum(purchases_cny)",
        "largest_cny": "max(largest_invoice_cny)",
    },
    "fct_tax_vat_monthly": {
        "declared_cny": "sum(declared_sales_cny)",
        "declared_of_month_cny":
            "case when sum(covered_months) = 1 then sum(declared_sales_cny) end",
        "payable_cny": "sum(payable_cny)",
        "returns": "sum(return_count)", "late_filings": "sum(late_filing_count)",
        "amended": "sum(amended_count)",
    },
    "fct_tax_payment_monthly": {
        "paid_cny": "sum(paid_cny)", "late_payments": "sum(late_payment_count)",
    },
    "fct_tax_arrears_monthly": {"arrears_cny": "sum(open_cny)"},
    "fct_tax_violation_monthly": {"violations": "sum(violation_count)"},
    "fct_bank_monthly": {
        "in_cny": _of_known("in", "operating_in_cny"),
        "out_cny": _of_known("out", "operating_out_cny"),
        "payroll_cny": _of_known("out", "payroll_cny"),
        "loan_in_cny": _of_known("in", "loan_in_cny"),
        "debt_service_cny": _of_known("out", "debt_service_cny"),
        "active_days": "bit_count(bit_or(active_days))", "returned": "sum(returned_count)",
        "seizures": "sum(seizure_count)",
    },
    "fct_supply_buyer_monthly": {
        "ordered_cny": "sum(ordered_cny)", "orders": "sum(order_count)",
        "cancelled": "sum(cancelled_count)",
    },
    "fct_supply_delivery_monthly": {
        "deliveries": "sum(delivery_count)", "on_time": "sum(on_time_count)",
        "quantity": "sum(quantity)", "returned": "sum(returned_quantity)",
    },
    "fct_power_bill_monthly": {
        "kwh": _WHOLE_MONTH, "valley_kwh": "sum(valley_kwh)", "billed_cny": "sum(billed_cny)",
        "arrears_cny": "sum(arrears_cny)",
    },
    "fct_power_reading_monthly": {"kwh": "sum(energy_kwh)"},
}  # fmt: skip
OF_SOURCE: Mapping[str, tuple[str, ...]] = {
    source: tuple(fact for fact in _MONTHLY if fact.startswith(prefix))
    for source, prefix in {
        "tax": "fct_tax_", "bank": "fct_bank_", "supply_chain": "fct_supply_",
        "power": "fct_power_",
    }.items()
}  # fmt: skip
BALANCE_MONTHS = 6
MOST_PARTNERS = 10

_OF_FIRMS = "firm_id in (select cast(unnest($firms) as uuid))"
_KNOWN = f"{known_at()} and {_OF_FIRMS}"
# For masked rows, which keep all versions.
_MASKED = f"{known_by()} and {_OF_FIRMS}"
_WINDOW = "month between $first and $last"
_FIRM = "cast(firm_id as varchar) as firm_id"

_FIRST = f"""
    select {_FIRM}, min(month) as month from warehouse.facts.{{fact}}
    where {_KNOWN}
    group by firm_id
"""  # noqa: S608 - our own names
_BALANCES = f"""
    with days as (
        select cast(unnest(generate_series($from, $to, interval 1 day)) as date) as day
    ),
    booked as (
        select firm_id, account_id, booked_on, max_by(balance_cny, booking_order) as balance_cny
        from warehouse.facts.fct_bank_balance_daily
        where {_KNOWN} and booked_on <= $to and booked_on >= $from - interval 31 day
        group by all
    ),
    accounts as (select distinct firm_id, account_id from booked)
    select cast(accounts.firm_id as varchar) as firm_id, days.day, sum(booked.balance_cny) as cny
    from accounts
    cross join days
    asof join booked
        on accounts.firm_id = booked.firm_id and accounts.account_id = booked.account_id
        and days.day >= booked.booked_on
    group by all
    order by all
"""  # noqa: S608 - our own names
_PARTNERS = f"""
    select {_FIRM}, direction, sum(net_cny) as cny, sum(invoice_count) as invoices
    from warehouse.facts.fct_tax_counterparty_monthly
    where {_KNOWN} and month > $year_before and month <= $last and counterparty_id is not null
    group by firm_id, direction, counterparty_id
    having sum(net_cny) > 0
    order by firm_id asc, direction asc, cny desc
"""  # noqa: S608 - our own names
# Receivables in their newest known version, by time overdue of the open amount.
_AGEING = f"""
    with known as (
        select * from warehouse.staging.stg_supply__receivable
        where {_MASKED}
        qualify row_number() over (
            partition by row_id order by available_at desc, record_version desc
        ) = 1
    ),
    open as (
        select
            firm_id,
            greatest(receivable_cny - coalesce(paid_cny, 0), 0) as open_cny,
            $as_of - due_date as overdue_days
        from known
        -- As in feat_supply_monthly: what fell due in a year, and what will.
        where due_date >= $first_due
    )
    select
        cast(firm_id as varchar) as firm_id,
        sum(open_cny) filter (overdue_days <= 0) as not_due,
        sum(open_cny) filter (overdue_days between 1 and 30) as up_to_30,
        sum(open_cny) filter (overdue_days between 31 and 90) as up_to_90,
        sum(open_cny) filter (overdue_days > 90) as over_90
    from open
    group by firm_id
"""  # noqa: S608 - our own names
# Newest month in which something of a source without monthly facts became known.
_UNTIL = f"""
    select {_FIRM}, source, cast(date_trunc('month', max(available_at)) as date) as until
    from (
        select 'project_contracts' as source, firm_id, available_at
        from warehouse.facts.landed_projects
        union all
        select 'public_records' as source, firm_id, available_at
        from warehouse.facts.landed_public
    )
    where {_MASKED}
    group by firm_id, source
"""  # noqa: S608 - our own names
# The newest state, as in feat_profile_monthly.
_REGISTRATION = f"""
    select cast(firm_id as varchar) as firm_id, * exclude (firm_id)
    from warehouse.staging.stg_tax__registration
    where {_MASKED}
    qualify row_number() over (
        partition by firm_id order by updated_on desc, record_version desc
    ) = 1
"""  # noqa: S608 - our own names
_GRADES = f"""
    select distinct {_FIRM}, assessed_year, grade_rank, is_unrated
    from warehouse.facts.fct_tax_grade_monthly
    where {_KNOWN}
    order by firm_id, assessed_year
"""  # noqa: S608 - our own names


@dataclass(frozen=True)
class Collected:
    """Rows of many firms, by firm."""

    monthly: Mapping[str, Mapping[str, list[Row]]]
    # Fact → firm → its first known month, which may be before those of `monthly`.
    firsts: Mapping[str, Mapping[str, list[Row]]]
    balances: Mapping[str, list[Row]]
    partners: Mapping[str, list[Row]]
    ageing: Mapping[str, list[Row]]
    registration: Mapping[str, list[Row]]
    grades: Mapping[str, list[Row]]
    until: Mapping[str, list[Row]]

    def of(self, firm: str, granted: frozenset[str]) -> dict[str, Any]:
        """Return a firm's part, without the sources that it did not grant."""
        names = [fact for source in OF_SOURCE if source in granted for fact in OF_SOURCE[source]]
        own: dict[str, Any] = {
            "monthly": {
                fact: {row["month"]: row for row in self.monthly[fact].get(firm, [])}
                for fact in names
            },
            "firsts": {
                fact: row["month"] for fact in names for row in self.firsts[fact].get(firm, [])
            },
        }
        if "bank" in granted:
            own["balances"] = [(row["day"], row["cny"]) for row in self.balances.get(firm, [])]
        if "supply_chain" in granted:
            own["ageing"] = next(iter(self.ageing.get(firm, [])), None)
        own["until"] = {
            row["source"]: row["until"]
            for row in self.until.get(firm, [])
            if row["source"] in granted
        }
        if "tax" in granted:
            partners = self.partners.get(firm, [])
            own["partners"] = {way: _largest(partners, way) for way in ("OUT", "IN")}
            own["registration"] = next(iter(self.registration.get(firm, [])), None)
            own["tax_grades"] = self.grades.get(firm, [])
        return own


def collect(
    connection: duckdb.DuckDBPyConnection,
    as_of: date,
    firm_ids: Sequence[str],
    last: date,
    months: int,
) -> Collected:
    """Read the facts of firms over the months up to `last`."""
    window = {"first": add_months(last, 1 - months), "last": last}
    year_before = add_months(last, -12)

    def rows(query: str, **values: Any) -> dict[str, list[Row]]:
        values = {"as_of": as_of, "firms": list(firm_ids), **values}
        found: dict[str, list[Row]] = {}
        for row in _numbers(connection.execute(query, values).pl()).to_dicts():
            found.setdefault(row.pop("firm_id"), []).append(row)
        return found

    until = month_end(last)
    return Collected(
        monthly={fact: rows(_monthly_sql(fact), **window) for fact in _MONTHLY},
        firsts={fact: rows(_FIRST.format(fact=fact)) for fact in _MONTHLY},
        balances=rows(_BALANCES, **{"from": add_months(last, 1 - BALANCE_MONTHS), "to": until}),
        partners=rows(_PARTNERS, last=last, year_before=year_before),
        ageing=rows(_AGEING, first_due=add_months(last, -11)),
        registration=rows(_REGISTRATION),
        grades=rows(_GRADES),
        until=rows(_UNTIL),
    )


def _monthly_sql(fact: str) -> str:
    measures = ", ".join(f"{sql} as {name}" for name, sql in _MONTHLY[fact].items())
    return (
        f"select {_FIRM}, month, {measures} from warehouse.facts.{fact} "  # noqa: S608 - our own names
        f"where {_KNOWN} and {_WINDOW} group by firm_id, month order by firm_id, month"
    )


def _numbers(rows: pl.DataFrame) -> pl.DataFrame:
    """Return decimals and big counts as floats, for charts and formats."""
    return rows.with_columns(pl.col(pl.Decimal, pl.Int128).cast(pl.Float64))


def _largest(partners: list[Row], way: str) -> list[Row]:
    own = [row for row in partners if row["direction"] == way]
    total = sum(row["cny"] for row in own)
    return [{**row, "share": row["cny"] / total} for row in own[:MOST_PARTNERS]]
