"""Random rows of tables with few rows per firm: filings, accounts, events, loans."""

import random
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from firmpulse.calendar import add_months, month_end

Make = Callable[[random.Random, str, date], dict[str, Any]]


def _payment(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "tax_item": draw.choice(("10101", "10104")), "period_start": day.replace(day=1),
        "due_date": day + timedelta(days=draw.randrange(-3, 9)),
        "paid_at": draw.choice((day, day, None)), "amount": draw.randrange(-20, 90),
        "kind": draw.choice(("TAX", "TAX", "SURCHARGE")),
    }  # fmt: skip


def _arrears(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "tax_item": "10101", "period_start": day.replace(day=1), "since": day,
        "amount": draw.randrange(1, 90),
        "cleared_at": draw.choice((None, day + timedelta(days=draw.randrange(1, 60)))),
    }  # fmt: skip


def _violation(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "violation_type": "LATE", "registered": day, "audit_case": draw.random() < 0.5,
        "handled": draw.choice(("OPEN", "IN_PROGRESS", "CLOSED")),
    }  # fmt: skip


def _grade(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {"year": day.year - 1, "grade": draw.choice("ABMCD"), "published_at": day}


def _income_return(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    kind = draw.choice(("QUARTER", "YEAR"))
    start = date(day.year, day.month - (day.month - 1) % 3 if kind == "QUARTER" else 1, 1)
    return {
        "period_start": start, "period_kind": kind, "filed_at": day,
        "period_end": month_end(add_months(start, 2 if kind == "QUARTER" else 11)),
        "revenue": draw.randrange(0, 9000), "cost": 1, "profit": draw.randrange(-900, 900),
        "staff_avg": draw.randrange(1, 400), "assets_avg": draw.randrange(1, 9000),
    }  # fmt: skip


def _registration(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "status": draw.choice(("NORMAL", "NORMAL", "SUSPENDED", "ABNORMAL")),
        "taxpayer_type": draw.choice(("GENERAL", "SMALL_SCALE")),
        "industry_code": draw.choice(("1352", "5123")), "reg_type": "LLC",
        "updated_at": day,
        # One is young enough for its founder's report to be read.
        "reg_date": date(2023, 11, 1) if firm == "F3" else date(2022, 5, 1),
    }  # fmt: skip


def _invoice_line(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    direction = draw.choice(("OUT", "IN"))
    other = draw.choice(("C1", "C2"))
    seller, buyer = (firm, other) if direction == "OUT" else (other, firm)
    return {
        "direction": direction, "line_no": 1, "issue_time": day, "seller_tax_no": seller,
        "buyer_tax_no": buyer, "goods_code": draw.choice(("1010101000000000000", None)),
        "qty": 2, "unit_price": 3, "amount": draw.randrange(-9, 99), "rate": 0.13, "tax": 1,
    }  # fmt: skip


def _invoice_summary(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "month": day.replace(day=1), "invoiced_amount": draw.randrange(0, 900),
        "invoice_count": 3, "red_amount": 1, "effective_red_amount": 1, "negative_amount": 1,
        "active_days": 4, "idle_days": 9, "largest_invoice": 50,
    }  # fmt: skip


def _bank_account(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "account_no": f"6222{firm}", "acct_type": "BASIC", "opened": day, "status": "NORMAL",
    }  # fmt: skip


def _delivery(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    ordered = day - timedelta(days=draw.randrange(3))
    return {
        "delivery_no": f"D{firm}{day}", "order_no": f"O{firm}{ordered}", "shipped_at": day,
        "accepted_at": draw.choice((None, day + timedelta(days=draw.randrange(9)))),
        "due_date": day + timedelta(days=draw.randrange(-5, 9)), "qty": draw.randrange(1, 50),
        "returned_qty": draw.choice((0, 0, 1)),
    }  # fmt: skip


def _relation(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    # One of the firms, too, so that there are partners of which other things are known.
    neighbour = {"F1": "F2", "F2": "F3", "F3": "F1"}[firm]
    return {
        "buyer_uscc": draw.choice(("C1", "C2", neighbour)), "is_core": draw.random() < 0.5,
        "tier": 1, "since": day,
    }  # fmt: skip


def _terms(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "buyer_uscc": draw.choice(("C1", "C2")), "effective_from": day,
        "net_days": draw.choice((30, 60, 90)), "method": draw.choice(("CASH", "BANK_BILL")),
    }  # fmt: skip


def _project(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "contract_no": f"K{firm}", "buyer_uscc": "C1", "amount": 500, "milestone": f"{day:%Y%m%d}",
        "planned": day, "accepted": draw.choice((None, day + timedelta(days=draw.randrange(20)))),
        "invoiced": draw.randrange(1, 500), "received": draw.randrange(0, 500), "penalty": 0,
        "terminated": draw.random() < 0.2, "updated_at": day,
    }  # fmt: skip


def _power_account(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "cons_no": f"P{firm}", "contract_cap_kva": 315, "run_cap_kva": draw.choice((200, 315)),
        "tariff": "LARGE_INDUSTRIAL", "status": draw.choice(("NORMAL", "PAUSED")), "opened": day,
    }  # fmt: skip


def _power_event(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    kinds = (
        "CUT_OFF_FOR_ARREARS", "PLANNED_OUTAGE", "CAPACITY_REDUCED", "CAPACITY_RAISED", "PAUSED",
        "BREACH", "THEFT",
    )  # fmt: skip
    return {
        "cons_no": f"P{firm}", "event_type": draw.choice(kinds), "started": day,
        "ended": draw.choice((None, day + timedelta(days=draw.randrange(40)))),
    }  # fmt: skip


def _power_reading(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {"reading_date": day, "kwh": draw.randrange(0, 90)}


def _loan(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "loan_no": f"L{firm}", "month": day.replace(day=1), "balance": draw.randrange(0, 900),
        "days_past_due": draw.choice((0, 0, 0, 45, 120)),
    }  # fmt: skip


def _statement(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "fiscal_year": day.year - 1, "published_at": day, "revenue": draw.randrange(0, 9000),
        "profit": draw.randrange(-900, 900), "total_assets": draw.randrange(1, 900),
        "total_liabilities": draw.randrange(1, 900), "current_assets": 90,
        "current_liabilities": draw.randrange(1, 90), "cash": 9, "staff": draw.randrange(1, 400),
    }  # fmt: skip


def _founder(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "founder_no": 1, "report_date": day, "overdue_count_24m": draw.randrange(3),
        "longest_overdue_days_24m": draw.randrange(90), "card_utilisation": "UNDER_30",
        "guarantee_balance": 1,
    }  # fmt: skip


def _case(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "case_no": f"M{firm}{day:%Y%m%d}", "role": draw.choice(("PLAINTIFF", "DEFENDANT")),
        "cause": "SALE", "filed": day, "amount": draw.choice((None, draw.randrange(900))),
        "closed": draw.choice((None, day + timedelta(days=draw.randrange(200)))),
    }  # fmt: skip


def _enforcement(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "case_no": f"Z{firm}{day:%Y%m}", "kind": draw.choice(("DEBTOR", "DISHONEST")),
        "filed": day, "amount": draw.choice((None, draw.randrange(900))),
        "ended": draw.choice((None, day + timedelta(days=draw.randrange(200)))),
    }  # fmt: skip


def _capital(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    registered = draw.choice((0, 500, 1000))
    paid_in = draw.choice((None, draw.randrange(900)))
    return {"changed_at": day, "registered": registered, "paid_in": paid_in}


def _holding(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "holder_no": draw.randrange(1, 4), "holder_uscc": draw.choice((None, "F1", "F2", "H1")),
        "share": draw.choice((0.1, 0.3, 0.6)), "held_from": day,
        "held_to": draw.choice((None, day + timedelta(days=draw.randrange(400)))),
    }  # fmt: skip


def _guarantee(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "guarantee_no": f"G{firm}{day:%Y%m}", "amount": draw.randrange(1, 900), "kind": "SURETY",
        "guaranteed_uscc": draw.choice((None, "F1", "F2", "F3")), "guaranteed_from": day,
        "released": draw.choice((None, day + timedelta(days=draw.randrange(400)))),
    }  # fmt: skip


def _outcome(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {"defaulted": draw.random() < 0.5}


def _decided(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "loan_no": f"D{firm}{day:%Y%m}", "decided_at": day,
        "decision": draw.choice(("GRANTED", "GRANTED", "REFUSED")),
        "amount": draw.randrange(1, 900), "term_months": draw.choice((6, 12, None)),
    }  # fmt: skip


def _loan_outcome(draw: random.Random, firm: str, day: date) -> dict[str, Any]:
    return {
        "loan_no": f"D{firm}{day:%Y%m}",
        "outcome": draw.choice(("PERFORMING", "REPAID", "DEFAULTED", "SOLD")),
        "outcome_at": draw.choice((None, day + timedelta(days=draw.randrange(300)))),
        "observed_until": day + timedelta(days=draw.randrange(600)),
    }  # fmt: skip


# Number of rows to draw, and how to make one; rows with an existing key are dropped.
TABLES: Mapping[str, tuple[int, Make]] = {
    "tax_payment": (60, _payment),
    "tax_arrears": (12, _arrears),
    "tax_violation": (9, _violation),
    "tax_grade": (9, _grade),
    "tax_cit_return": (20, _income_return),
    "tax_registration": (9, _registration),
    "tax_invoice_line": (40, _invoice_line),
    "tax_invoice_summary": (20, _invoice_summary),
    "bank_account": (4, _bank_account),
    "sc_delivery": (60, _delivery),
    "sc_relation": (9, _relation),
    "sc_terms": (12, _terms),
    "sc_project": (12, _project),
    "power_account": (4, _power_account),
    "power_event": (20, _power_event),
    "power_reading": (60, _power_reading),
    "loan_performance": (30, _loan),
    "annual_statement": (6, _statement),
    "founder_credit": (4, _founder),
    "outcome_label": (3, _outcome),
    "loan": (9, _decided),
    "loan_outcome": (9, _loan_outcome),
    "court_case": (12, _case),
    "court_enforcement": (9, _enforcement),
    "capital": (9, _capital),
    "shareholder": (12, _holding),
    "guarantee": (9, _guarantee),
}
