"""Rows of firms whose behaviour is real but odd; none has a counterparty that others could feel."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count
from typing import Any

from firmpulse.calendar import add_months, month_end
from tests.vault_rows import invoice

Row = dict[str, Any]
_MONTHS = tuple(add_months(date(2022, 11, 1), step) for step in range(26))
_LARGEST = 9_999_999_999_999_999
_MOST_KWH = 999_999_999_999


def make(first_row: int) -> dict[str, list[Row]]:
    """Return rows by table, numbered from `first_row` on in each."""
    ids = count(first_row)
    tables = (_invoices, _bookings, _filings, _supply, _power, _others)
    made: dict[str, list[Row]] = {}
    for table in tables:
        for name, row in table():
            made.setdefault(name, []).append(row | {"row_id": next(ids)})
    return made


def _row(firm: str, known: date, **cells: Any) -> Row:
    return {
        "firm": f"uscc:{firm}", "row_id": 0, "record_version": 1, "delivery_seq": 1,
        "available_at": known, **cells,
    }  # fmt: skip


def _invoices() -> Iterator[tuple[str, Row]]:
    def sold(firm: str, day: date, amount: float, **more: Any) -> tuple[str, Row]:
        return "tax_invoice", dict(invoice(0, firm, day, amount, other="", **more))

    for place, month in enumerate(_MONTHS):
        day = month + timedelta(days=27)
        # Two years of reds: more is taken back than sold, until one cent is left of all.
        yield sold("RED", day, -100_000 if place % 2 else 90_000)
        yield sold("CENT", day, 100_000)
        yield sold("CENT", day, -100_000 if place < 25 else -99_999.99)
        yield sold("CENT", day, -5_000, direction="IN")
        # A red invoice that is void counts nowhere, and its sum is negative.
        yield sold("VOID", day, 10)
        yield sold("VOID", day, -9.99, status="VOID")
        yield sold("LARGE", day, _LARGEST if place % 2 else 0.01)
        yield sold("LARGE", month, -_LARGEST if place % 5 == 0 else 0.01)
        yield sold("LARGE", month, _LARGEST, direction="IN")
        yield sold("ZERO", day, 0)
    yield sold("ONE ROW", date(2024, 12, 1), 100)
    for day in range(30):
        yield sold("ONE MONTH", date(2024, 12, 1) + timedelta(days=day), 100)


def _bookings() -> Iterator[tuple[str, Row]]:
    def booked(firm: str, day: date, way: str, amount: float, **more: Any) -> tuple[str, Row]:
        cells = {"account_no": f"6222{firm}", "booked_at": day, "dc": way, "amount": amount}
        return "bank_txn", _row(firm, day + timedelta(days=1), reversal_flag=False, **cells, **more)

    for month in _MONTHS[-8:]:
        yield booked("OVERDRAWN", month, "IN", 100, balance=-9e8, summary="货款")
        yield booked("OVERDRAWN", month, "OUT", 10, balance=-1e9, summary="货款")
        yield booked("LARGE", month, "IN", _LARGEST, balance=-_LARGEST, summary="货款")
        yield booked("LARGE", month, "OUT", 0.01, balance=_LARGEST, summary="工资")
        yield booked("PAID BACK", month, "OUT", 50, balance=5, summary="货款")
        for day in range(1, 4):
            back = month + timedelta(days=day)
            yield booked("PAID BACK", back, "IN", 50, balance=55, summary="退汇")
    yield booked("ONE BOOKING", date(2024, 12, 30), "OUT", 1, balance=-1, summary="利息")


def _filings() -> Iterator[tuple[str, Row]]:
    for place, month in enumerate(_MONTHS):
        filed = month_end(month) + timedelta(days=12)
        common = {
            "period_start": month, "period_end": month_end(month), "due_date": filed,
            "filed_at": filed, "form_column": "MONTH", "is_amended": False, "output_tax": 0,
            "input_tax": 0,
        }  # fmt: skip
        amounts = {
            "RETURNS ALONE": (0.01 if place == 24 else 0, -_LARGEST, _LARGEST),
            "RED RETURNS": (-50, -5, -7),
        }
        for firm, (sales, payable, credit) in amounts.items():
            cells = {"sales_standard": sales, "payable": payable, "credit_cf": credit}
            yield "tax_vat_return", _row(firm, filed, **common, **cells)
        paid = month + timedelta(days=14)
        yield "tax_payment", _row(
            "REFUNDS ALONE", paid, tax_item="10101", period_start=month, due_date=paid,
            paid_at=paid, amount=-70, kind="TAX",
        )  # fmt: skip
        yield "tax_arrears", _row(
            "REFUNDS ALONE", paid, tax_item="10101", period_start=month, since=paid, amount=0,
        )  # fmt: skip
    yield "tax_cit_return", _row(
        "RETURNS ALONE", date(2024, 10, 15), period_start=date(2024, 7, 1), revenue=0.01,
        period_end=date(2024, 9, 30), period_kind="QUARTER", filed_at=date(2024, 10, 15),
        profit=-_LARGEST,
    )  # fmt: skip


def _supply() -> Iterator[tuple[str, Row]]:
    for place, month in enumerate(_MONTHS):
        for firm, amount in {"ORDERS ALONE": 5, "ORDERS BACK": -5 if place % 2 else 5.01}.items():
            yield "sc_order", _row(
                firm, month, order_no=f"{firm}{place}", order_date=month, due_date=month,
                amount=amount, status="ACTIVE",
            )  # fmt: skip
        yield "sc_delivery", _row(
            "ORDERS BACK", month, delivery_no=f"D{place}", order_no="O", shipped_at=month,
            due_date=month, qty=1, returned_qty=9,
        )  # fmt: skip
        yield "sc_receivable", _row(
            "ORDERS BACK", month, issued_at=month, due_date=month, amount=10, confirmed=True,
            paid_amount=90, paid_at=date(2009, 1, 1), disputed=False,
        )  # fmt: skip
    yield (
        "sc_relation",
        _row("RELATION ALONE", date(2024, 1, 1), is_core=True, tier=1, since=date(2024, 1, 1)),
    )


def _power() -> Iterator[tuple[str, Row]]:
    for place, month in enumerate(_MONTHS):
        billed = month_end(month)
        for firm, (total, valley, amount, arrears) in {
            "VALLEY": (1, 500 if place % 2 else -500, -3, 900),
            "POWER ALONE": (_MOST_KWH if place % 2 else 0, 0, 0, 0),
        }.items():
            yield "power_bill", _row(
                firm, billed, cons_no=f"P{firm}", bill_month=month, read_date=billed,
                kwh_total=total, kwh_valley=valley, amount=amount, arrears=arrears, penalty=0,
                due_date=billed, paid_at=None,
            )  # fmt: skip
        for day in range(28):
            yield "power_reading", _row(
                "FEEDS IN", month + timedelta(days=day + 1), kwh=-7 if place % 2 else 7.01,
                reading_date=month + timedelta(days=day),
            )  # fmt: skip


def _others() -> Iterator[tuple[str, Row]]:
    """Return what a firm of one booking, or of none at all, may have besides."""
    for firm, age in {"ONE ROW": date(2031, 1, 1), "RED": date(1920, 1, 1)}.items():
        yield "tax_registration", _row(
            firm, date(2024, 1, 1), status="NORMAL", taxpayer_type="GENERAL", reg_type="LLC",
            industry_code="6510", reg_date=age, updated_at=date(2024, 1, 1),
        )  # fmt: skip
        yield "annual_statement", _row(
            firm, date(2024, 5, 1), fiscal_year=2023, published_at=date(2024, 4, 30), revenue=0.01,
            profit=-_LARGEST, total_assets=-0.01, total_liabilities=_LARGEST, cash=-5, staff=0,
            current_assets=_LARGEST, current_liabilities=-0.01,
        )  # fmt: skip
        yield "capital", _row(
            firm, date(2024, 5, 1), changed_at=date(2024, 4, 30), registered=0.01, paid_in=_LARGEST,
        )  # fmt: skip
        yield "court_case", _row(
            firm, date(2024, 5, 1), case_no="1", role="DEFENDANT", filed=date(2024, 4, 1),
            amount=_LARGEST,
        )  # fmt: skip
        yield "court_enforcement", _row(
            firm, date(2024, 5, 1), case_no="1", kind="DEBTOR", filed=date(2024, 4, 24), amount=0,
        )  # fmt: skip
        yield "guarantee", _row(
            firm, date(2024, 5, 1), guarantee_no="1", guaranteed_uscc=None, amount=_LARGEST,
            guaranteed_from=date(2024, 4, 1),
        )  # fmt: skip
        for holder in range(1, 4):
            yield "shareholder", _row(
                firm, date(2024, 5, 1), holder_no=holder, holder_uscc=None, share=holder % 2,
                held_from=date(2020, 1, holder),
            )  # fmt: skip
        yield "sc_project", _row(
            firm, date(2024, 5, 1), contract_no=f"K{firm}", amount=1, milestone="1", penalty=-5,
            planned=date(2024, 4, 1), accepted=None, invoiced=0.01, received=-_LARGEST,
            terminated=False, updated_at=date(2024, 5, 1),
        )  # fmt: skip
