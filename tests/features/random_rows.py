"""A small random vault with late rows and corrections, for the promises of the feature store."""

import random
from collections import defaultdict
from datetime import date, timedelta
from typing import Any

from firmpulse.calendar import add_months

FIRMS = ("F1", "F2", "F3")
FIRST = date(2024, 1, 1)
DAYS = 300
_SUMMARIES = ("货款", "代发工资", "缴税", "贷款发放", "还本", "结息", "内部转账")


def make(seed: int) -> dict[str, list[dict[str, Any]]]:
    """Return rows by raw table; some land long after they could be known, as in a back-fill."""
    draw = random.Random(seed)  # noqa: S311 - test data, not a secret
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row_id in range(1, 161):
        firm = draw.choice(FIRMS)
        day = FIRST + timedelta(days=draw.randrange(DAYS))
        for table, row in (
            ("tax_invoice", _invoice(draw, firm, day)),
            ("bank_txn", _txn(draw, firm, day)),
            ("sc_order", _order(draw, firm, day)),
            ("sc_receivable", _receivable(draw, firm, day)),
            ("power_bill", _bill(draw, firm, day)),
            ("tax_vat_return", _vat(draw, firm, day)),
        ):
            known = day + timedelta(days=draw.choice((1, 1, 1, 4, 40)))
            first = {"firm": f"uscc:{firm}", "row_id": row_id, "record_version": 1} | row
            rows[table].append(first | {"available_at": known})
            if table == "bank_txn" and draw.random() < 0.3:
                rows[table].append(_taken_back(draw, first, day))
            if draw.random() < 0.25:
                later = known + timedelta(days=draw.choice((0, 3, 35)))
                rows[table].append(_corrected(draw, first) | {"available_at": later})
    for table_rows in rows.values():
        landed: dict[int, int] = {}
        for row in table_rows:
            on_time = (row["available_at"] - FIRST).days // 60 + 1
            late = on_time + draw.choice((0, 0, 0, 2))
            row["delivery_seq"] = max(late, landed.get(row["row_id"], 0))
            landed[row["row_id"]] = row["delivery_seq"]
    return dict(rows)


def known_by(
    rows: dict[str, list[dict[str, Any]]], last_seq: int
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows that had landed after `last_seq` deliveries."""
    return {t: [r for r in table if r["delivery_seq"] <= last_seq] for t, table in rows.items()}


def end_of(seq: int) -> date:
    """Return the last day whose rows are in delivery `seq`."""
    return FIRST + timedelta(days=seq * 60 - 1)


def _corrected(draw: random.Random, row: dict[str, Any]) -> dict[str, Any]:
    changed = row | {"record_version": 2}
    if "status" in row and "issue_time" in row:
        changed["status"] = draw.choice(("VOID", "NORMAL"))
    if "reversal_flag" in row:
        changed["reversal_flag"] = draw.choice((True, False))
    for day in ("issue_time", "booked_at", "order_date"):
        if day in row and draw.random() < 0.3:
            changed[day] = row[day] - timedelta(days=31)
    for column in ("amount", "kwh_total", "sales_standard", "paid_amount"):
        if column in row:
            changed[column] = draw.randrange(1, 1000)
    return changed


def _invoice(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    direction = draw.choice(("OUT", "OUT", "IN"))
    other = draw.choice(("C1", "C2", "C3", None))
    seller, buyer = (firm, other) if direction == "OUT" else (other, firm)
    return {
        "direction": direction, "issue_time": day, "seller_tax_no": seller,
        "buyer_tax_no": buyer, "amount": draw.randrange(-200, 2000), "tax": 1,
        "status": draw.choice(("NORMAL", "NORMAL", "VOID")),
    }  # fmt: skip


def _txn(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "account_no": f"6222{firm}", "booked_at": day, "dc": draw.choice(("IN", "OUT")),
        "amount": draw.choice((100, draw.randrange(1, 900))), "balance": draw.randrange(-50, 5000),
        "summary": draw.choice(_SUMMARIES),
        "reversal_flag": False, "cp_tax_no": draw.choice(("C1", None)),
    }  # fmt: skip


def _taken_back(draw: random.Random, txn: dict[str, Any], day: date) -> dict[str, Any]:
    later = day + timedelta(days=draw.randrange(8))
    return txn | {
        "row_id": 1_000 + txn["row_id"], "booked_at": later,
        "dc": "IN" if txn["dc"] == "OUT" else "OUT", "reversal_flag": True,
        "available_at": later + timedelta(days=draw.choice((1, 1, 40))),
    }  # fmt: skip


def _order(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "buyer_uscc": draw.choice(("C1", "C2")), "order_date": day,
        "due_date": day + timedelta(days=30), "amount": draw.randrange(1, 500),
        "status": draw.choice(("ACTIVE", "CANCELLED")),
    }  # fmt: skip


def _receivable(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    paid = draw.choice((None, day + timedelta(days=draw.randrange(20, 90))))
    return {
        "buyer_uscc": "C1", "issued_at": day, "due_date": day + timedelta(days=45),
        "amount": 100, "confirmed": draw.random() < 0.5, "paid_amount": 100 if paid else 0,
        "paid_at": paid, "disputed": False,
    }  # fmt: skip


def _bill(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    month = day.replace(day=1)
    return {
        "cons_no": f"P{firm}", "bill_month": month,
        "read_date": month + timedelta(days=draw.randrange(40)),
        "kwh_total": draw.randrange(1, 900),
        "kwh_valley": 1, "amount": 10, "due_date": add_months(month, 1), "penalty": 0,
        "paid_at": add_months(month, 1) + timedelta(days=draw.randrange(-9, 9)), "arrears": 0,
    }  # fmt: skip


def _vat(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    month = day.replace(day=1)
    return {
        "period_start": month, "due_date": month + timedelta(days=45), "filed_at": day,
        "sales_standard": draw.randrange(1, 900), "output_tax": 9, "input_tax": 8, "payable": 1,
        "is_amended": False,
    }  # fmt: skip
