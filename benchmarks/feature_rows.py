"""Invented raw rows of every main source, put straight into the vault, for `benchmarks.features`.

Six of ten rows are invoices and three are bank transactions, spread evenly over the firms and 24
months. Each firm sells to `parties` others and buys from as many. The rest is what a firm has by
the month: returns, payments, orders with delivery and receivable, bills, a loan; and one
registration.
"""

from datetime import date
from typing import Any

from extracts import contracts
from firmpulse.stored_tables import LANDED

FIRST_DAY, LAST_DAY = date(2024, 1, 1), date(2025, 12, 31)
MONTHS = 24
DAYS = (LAST_DAY - FIRST_DAY).days + 1
_SHARES = {"tax_invoice": 0.6, "bank_txn": 0.3}
_META = {
    "firm": "varchar", "row_id": "bigint", "record_version": "integer",
    "available_at": "date", "delivery_seq": "bigint",
}  # fmt: skip

_CODE = "'9144' || lpad(cast({} as varchar), 14, '0')"
_OWN = "(i % $firms)"
# Of the next party in turn, another one for purchases.
_OTHER = f"({_OWN} * 31 + place // 3 % $parties * 104729 + place % 3 + 1) % ($firms * 3)"
# Row i: its firm, its place among the firm's rows, and its day. Every third row is a purchase.
_NUMBERED = f"""
    select
        i, cast(i // $firms as bigint) as place,
        {_CODE.format(_OWN)} as own, {_CODE.format(_OTHER)} as other,
        {{day}} as day,
        day + to_seconds(cast(hash(-i) % 86400 as bigint)) as moment,
        cast((hash(i + $rows) % 9999999 + 1) / 100 as decimal(18, 2)) as money
    from range($first, $last) as numbers(i)
"""
_ANY_DAY = "$start::date + cast(hash(i) % $days as integer)"
_BY_MONTH = "cast($start::date + to_months(cast(i // $firms as integer)) as date)"
_ON_START = "$start::date"
_ROWS = {
    "tax_invoice": """
        if(place % 3 = 0, 'IN', 'OUT') as direction,
        lpad(cast(i as varchar), 20, '0') as invoice_no,
        'DIGITAL_SPECIAL' as invoice_kind, moment as issue_time,
        if(place % 3 = 0, other, own) as seller_tax_no,
        if(place % 3 = 0, own, other) as buyer_tax_no,
        money as amount, cast(money * 0.13 as decimal(18, 2)) as tax, amount + tax as total,
        if(hash(i) % 50 = 0, 'VOID', 'NORMAL') as status, false as is_red
    """,
    "bank_txn": """
        own as uscc, cast(i as varchar) as txn_no, '62' || own as account_no,
        moment as booked_at, if(place % 3 = 0, 'OUT', 'IN') as dc, money as amount,
        cast(money * 7 as decimal(18, 2)) as balance, 'CNY' as ccy,
        other as cp_tax_no, '62' || other as cp_account,
        ['货款', '工资代发', '电费', '手续费', '往来款', '增值税', '还款', '利息']
            [cast(hash(i) % 8 + 1 as integer)] as summary,
        hash(i) % 400 = 0 as reversal_flag
    """,
}
# One row per firm and month; `day` is the first of the month.
_MONTHLY = {
    "tax_vat_return": """
        own as uscc, day as period_start, last_day(day) as period_end, 'MONTH' as form_column,
        last_day(day) + 15 as due_date, last_day(day) + 9 as filed_at, money as sales_standard,
        0 as output_tax, 0 as input_tax, 0 as payable, false as is_amended, 1 as version
    """,
    "tax_payment": """
        own as uscc, '10101' as tax_item, day as period_start, day + 14 as due_date,
        day + 12 as paid_at, money as amount, 'TAX' as kind
    """,
    "sc_order": """
        'O' || i as order_no, own as supplier_uscc, other as buyer_uscc, day + 3 as order_date,
        money as amount, 9 as qty, day + 20 as due_date, 'OPEN' as status
    """,
    "sc_delivery": """
        'D' || i as delivery_no, 'O' || i as order_no, own as supplier_uscc,
        day + 9 as shipped_at, day + 12 as accepted_at, day + 20 as due_date, 9 as qty,
        0 as returned_qty
    """,
    "sc_receivable": """
        'A' || i as ar_no, own as supplier_uscc, other as buyer_uscc, money as amount,
        day + 9 as issued_at, day + 20 as due_date, true as confirmed, money as paid_amount,
        day + 22 as paid_at, false as disputed, day + 22 as updated_at
    """,
    "power_bill": """
        own as uscc, 'P' || own as cons_no, day as bill_month, last_day(day) as read_date,
        money as kwh_total, 0 as kwh_sharp, 0 as kwh_peak, 0 as kwh_flat, 0 as kwh_valley,
        money as amount, last_day(day) + 9 as due_date, last_day(day) + 5 as paid_at,
        0 as penalty, 0 as arrears, 'BANK' as pay_method, last_day(day) + 5 as updated_at
    """,
    "loan_performance": """
        own as uscc, 'L' || own as loan_no, day as month, money as balance, 0 as days_past_due
    """,
}
_ONCE = {
    "tax_registration": """
        own as uscc, own as name, 'NORMAL' as status, 'GENERAL' as taxpayer_type,
        cast(1311 + hash(own) % 40 * 100 as varchar) as industry_code, 'LLC' as reg_type,
        $start::date - 900 as reg_date, $start::date as updated_at
    """,
}
TABLES = (*_ROWS, *_MONTHLY, *_ONCE)


def make_tables(connection: Any) -> None:
    """Make the raw tables of every contract."""
    for table, contract in contracts.load().items():
        types = {column.name: column.physical_type for column in contract.columns} | _META
        columns = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
        connection.execute(f"create table vault.raw.{table} ({columns})")


def fill_history(connection: Any, rows: int, firms: int, parties: int) -> None:
    """Insert a history of 24 months, about `rows` rows in all, as landing 1."""
    fixed = {"rows": rows, "firms": firms, "parties": parties, "start": FIRST_DAY, "days": DAYS}
    for table, share in _SHARES.items():
        numbers = {"first": 0, "last": int(rows * share)}
        _insert(connection, table, _ROWS[table], 1, _ANY_DAY, fixed | numbers)
    for table, columns in _MONTHLY.items():
        numbers = {"first": 0, "last": firms * MONTHS}
        _insert(connection, table, columns, 1, _BY_MONTH, fixed | numbers)
    for table, columns in _ONCE.items():
        _insert(connection, table, columns, 1, _ON_START, fixed | {"first": 0, "last": firms})
    _note_landed(connection, 1)


def fill_day(connection: Any, rows: int, firms: int, parties: int, news: int) -> None:
    """Insert about `news` invoices and bank transactions of the last day as landing 2."""
    fixed = {"rows": rows, "firms": firms, "parties": parties, "start": LAST_DAY}
    for table, share in _SHARES.items():
        first = int(rows * share)
        numbers = {"first": first, "last": first + int(news * share)}
        _insert(connection, table, _ROWS[table], 2, _ON_START, fixed | numbers)
    _note_landed(connection, 2)


def _insert(
    connection: Any, table: str, columns: str, seq: int, day: str, values: dict[str, Any]
) -> None:
    query = f"""
        insert into vault.raw.{table} by name
        select
            'uscc:' || own as firm, i as row_id, 1 as record_version,
            day + 1 as available_at, {seq} as delivery_seq,
            {columns}
        from ({_NUMBERED.format(day=day)})
    """
    used = {name: value for name, value in values.items() if f"${name}" in query}
    connection.execute(query, used)


def _note_landed(connection: Any, seq: int) -> None:
    landed = {
        "delivery_id": f"benchmark-{seq}", "source": "benchmark", "manifest_sha256": "",
        "delivery_seq": seq, "last_row_id": 0,
    }  # fmt: skip
    connection.execute(LANDED.insert_sql(landed, "vault"), landed)
