"""A small random vault with late rows and corrections, for the feature store's guarantees."""

import random
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from extracts import contracts
from firmpulse.calendar import add_months, month_end
from tests.features.random_tables import TABLES, Make

Row = dict[str, Any]
FIRMS = ("F1", "F2", "F3")
FIRST = date(2024, 1, 1)
# A backfill before the first night, so that the windows of two years are filled.
DAYS = range(-420, 300)
_SUMMARIES = (
    "货款",
    "代发工资",
    "缴税",
    "贷款发放",
    "还本",
    "结息",
    "内部转账",
    "社保",
    "取现",
    "扣划",
)


def make(seed: int) -> dict[str, list[Row]]:
    """Return rows of every raw table; some land long after they could be known."""
    draw = random.Random(seed)  # noqa: S311 - test data, not a secret
    rows = {table: _rows_of(draw, table, *how) for table, how in {**_TABLES, **TABLES}.items()}
    for table_rows in rows.values():
        landed: dict[int, int] = {}
        for row in table_rows:
            on_time = max((row["available_at"] - FIRST).days // 60 + 1, 1)
            late = on_time + draw.choice((0, 0, 0, 2))
            row["delivery_seq"] = max(late, landed.get(row["row_id"], 0))
            landed[row["row_id"]] = row["delivery_seq"]
    return rows


def _rows_of(draw: random.Random, table: str, count: int, maker: Make) -> list[Row]:
    rows: list[Row] = []
    taken = set()
    for row_id in range(1, count + 1):
        firm, day = draw.choice(FIRMS), FIRST + timedelta(days=draw.choice(DAYS))
        made = maker(draw, firm, day)
        key = _key(table, made)
        if key and (firm, *key) in taken:
            continue
        taken.add((firm, *key))
        known = day + timedelta(days=draw.choice((1, 1, 1, 4, 40)))
        first = {"firm": f"uscc:{firm}", "row_id": row_id, "record_version": 1} | made
        rows.append(first | {"available_at": known})
        if table == "bank_txn" and draw.random() < 0.3:
            rows.append(_taken_back(draw, first, day))
        if draw.random() < 0.25:
            later = known + timedelta(days=draw.choice((0, 3, 35)))
            changed = _redrawn(draw, table, first, maker(draw, firm, day))
            rows.append(changed | {"available_at": later, "record_version": 2})
    return rows


def _key(table: str, row: Row) -> tuple[Any, ...]:
    """Return the key of a row within its firm; empty if it needs no such check."""
    contract = contracts.load()[table]
    own = [name for name in contract.key if name != contract.firm]
    if not own:
        return (table,)
    return tuple(row[name] for name in own) if all(name in row for name in own) else ()


def known_by(rows: dict[str, list[Row]], last_seq: int) -> dict[str, list[Row]]:
    """Return the rows that had landed after `last_seq` deliveries."""
    return {t: [r for r in table if r["delivery_seq"] <= last_seq] for t, table in rows.items()}


def end_of(seq: int) -> date:
    """Return the last day whose rows are in delivery `seq`."""
    return FIRST + timedelta(days=seq * 60 - 1)


def _redrawn(draw: random.Random, table: str, row: Row, again: Row) -> Row:
    """Return a correction of any non-key column; it may move the row to another month."""
    kept = set(contracts.load()[table].key)
    changed = row | {name: value for name, value in again.items() if name not in kept}
    if "reversal_flag" in row:
        changed["reversal_flag"] = draw.choice((True, False))
    for day in ("issue_time", "booked_at", "order_date"):
        if day in row and draw.random() < 0.3:
            changed[day] = row[day] - timedelta(days=31)
    if "is_amended" in row:
        changed["is_amended"] = True
    return changed


def _invoice(draw: random.Random, firm: str, day: date) -> Row:
    direction = draw.choice(("OUT", "OUT", "IN"))
    # The firms trade with each other too, so that there are two-way trade and cycles.
    other = draw.choice(("C1", "C2", "C3", *(other for other in FIRMS if other != firm), None))
    seller, buyer = (firm, other) if direction == "OUT" else (other, firm)
    return {
        "direction": direction, "seller_tax_no": seller,
        "issue_time": datetime.combine(day, time(draw.choice((3, 10, 16)))),
        "buyer_tax_no": buyer, "tax": 1,
        "amount": draw.choice((1000, draw.randrange(-20000, 200000) / 100)),
        "status": draw.choice(("NORMAL", "NORMAL", "VOID")),
    }  # fmt: skip


def _txn(draw: random.Random, firm: str, day: date) -> Row:
    return {
        "account_no": f"6222{firm}", "booked_at": day, "dc": draw.choice(("IN", "OUT")),
        "amount": draw.choice((100, draw.randrange(1, 90000) / 100)),
        "balance": draw.randrange(-5000, 500000) / 100,
        "summary": draw.choice(_SUMMARIES),
        "reversal_flag": False, "cp_tax_no": draw.choice(("C1", None)),
    }  # fmt: skip


def _taken_back(draw: random.Random, txn: Row, day: date) -> Row:
    later = day + timedelta(days=draw.randrange(8))
    return txn | {
        "row_id": 1_000 + txn["row_id"], "booked_at": later,
        "dc": "IN" if txn["dc"] == "OUT" else "OUT", "reversal_flag": True,
        "available_at": later + timedelta(days=draw.choice((1, 1, 40))),
    }  # fmt: skip


def _order(draw: random.Random, firm: str, day: date) -> Row:
    return {
        "order_no": f"O{firm}{day}", "buyer_uscc": draw.choice(("C1", "C2")), "order_date": day,
        "due_date": day + timedelta(days=30), "amount": draw.randrange(1, 50000) / 100,
        "status": draw.choice(("ACTIVE", "CANCELLED")),
    }  # fmt: skip


def _receivable(draw: random.Random, firm: str, day: date) -> Row:
    paid = draw.choice((None, day + timedelta(days=draw.randrange(20, 90))))
    return {
        "buyer_uscc": "C1", "issued_at": day, "due_date": day + timedelta(days=45),
        "amount": 100, "confirmed": draw.random() < 0.5, "paid_amount": 100 if paid else 0,
        "paid_at": paid, "disputed": False,
    }  # fmt: skip


def _bill(draw: random.Random, firm: str, day: date) -> Row:
    month = day.replace(day=1)
    return {
        "cons_no": f"P{firm}", "bill_month": month,
        "read_date": month + timedelta(days=draw.randrange(40)),
        "kwh_total": draw.randrange(1, 900),
        "kwh_valley": 1, "amount": 10, "due_date": add_months(month, 1), "penalty": 0,
        "paid_at": add_months(month, 1) + timedelta(days=draw.randrange(-9, 9)),
        "arrears": draw.choice((0, 3)),
    }  # fmt: skip


def _vat(draw: random.Random, firm: str, day: date) -> Row:
    month = day.replace(day=1)
    return {
        "period_start": month, "filed_at": day,
        "due_date": day + timedelta(days=draw.randrange(-4, 9)),
        "period_end": month_end(month), "form_column": draw.choice(("MONTH", "MONTH", None)),
        "sales_standard": draw.choice((0, draw.randrange(1, 900))),
        "sales_simple": draw.choice((None, 5)), "output_tax": 9, "input_tax": 8,
        "payable": draw.randrange(0, 9), "credit_cf": draw.choice((None, draw.randrange(0, 90))),
        "is_amended": False,
    }  # fmt: skip


_TABLES: Mapping[str, tuple[int, Make]] = {
    "tax_invoice": (240, _invoice),
    "bank_txn": (240, _txn),
    "sc_order": (120, _order),
    "sc_receivable": (120, _receivable),
    "power_bill": (200, _bill),
    "tax_vat_return": (200, _vat),
}
