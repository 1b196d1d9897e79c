"""Monthly values of a report's charts and tables, and whether the sources agree."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from firmpulse.bounds import AGREE_WITHIN
from firmpulse.calendar import add_months
from firmpulse.pages import page
from firmpulse.pages.page import Language
from scoring.pages import facts
from scoring.pages.dossier import Dossier, Row

INVOICES, RETURNS, PAYMENTS = (
    "fct_tax_invoice_monthly", "fct_tax_vat_monthly", "fct_tax_payment_monthly",
)  # fmt: skip
BANK, ORDERS = "fct_bank_monthly", "fct_supply_buyer_monthly"
BILLS, READINGS = "fct_power_bill_monthly", "fct_power_reading_monthly"
# Booked daily: the newest month is complete, and a month without a row is zero.
_DAILY: Mapping[str, str] = {INVOICES: "tax", BANK: "bank", ORDERS: "supply_chain"}
# A month without a return, bill or reading is unknown, not zero.
_TOLD = (RETURNS, BILLS, READINGS)


def rows(dossier: Dossier, fact: str) -> Mapping[date, Row]:
    """Return month → row of a fact."""
    return dossier.monthly.get(fact, {})


def series(dossier: Dossier, fact: str, measure: str, per: float = 1.0) -> list[float | None]:
    """Return a measure per month: 0 if there was nothing, None if unknown.

    For an overdue source, nothing is known after its last month with data.
    """
    known = rows(dossier, fact)
    first, last = dossier.firsts.get(fact), max(known, default=None)
    source = _DAILY.get(fact)
    if source is not None and source not in dossier.stale:
        last = dossier.months[-1]
    found: list[float | None] = []
    for month in dossier.months:
        row = known.get(month)
        inside = first is not None and last is not None and first <= month <= last
        if row is not None:
            found.append(None if row[measure] is None else float(row[measure]) / per)
        else:
            found.append(0.0 if inside and fact not in _TOLD else None)
    return found


def power_fact(dossier: Dossier) -> str:
    """Return the fact that measures the firm's energy: bills, or readings without bills."""
    return BILLS if rows(dossier, BILLS) else READINGS


def agreement(dossier: Dossier, language: Language) -> list[dict[str, Any]]:
    """Return the last 3 months of each source against the 3 before, and whether they agree.

    They are compared with invoiced sales; without these, no source agrees with another.
    """
    t = page.translator(language)
    base = _change(series(dossier, INVOICES, "sales_cny"))
    measures: Sequence[tuple[str, str, str]] = (
        (t("申报销售", "declared sales"), RETURNS, "declared_of_month_cny"),
        (t("银行流入", "bank receipts"), BANK, "in_cny"),
        (t("订单", "orders"), ORDERS, "ordered_cny"),
        (t("用电量", "energy"), power_fact(dossier), "kwh"),
    )
    found: list[dict[str, Any]] = [
        {"name": t("开票销售", "invoiced sales"), "change": base, "agrees": None}
    ]
    for name, fact, measure in measures:
        change = _change(series(dossier, fact, measure))
        known = change is not None and base is not None
        agrees = abs((change or 0) - (base or 0)) <= AGREE_WITHIN if known else None
        found.append({"name": name, "change": change, "agrees": agrees})
    return found


def _change(values: Sequence[float | None]) -> float | None:
    # Returns of the newest month may not be due yet, so both periods end a month earlier.
    now, before = values[-4:-1], values[-7:-4]
    if any(value is None for value in (*now, *before)):
        return None
    earlier = sum(value or 0 for value in before)
    return sum(value or 0 for value in now) / earlier - 1 if earlier > 0 else None


def latest(dossier: Dossier) -> dict[str, date]:
    """Return the newest month with data from each source."""
    found = {
        source: max(month for fact in names for month in rows(dossier, fact))
        for source, names in facts.OF_SOURCE.items()
        if dossier.has(source)
    }
    found |= dossier.until
    # A founder's report is used only if the firm's own data are short; otherwise not even its day.
    age = dossier.features.get("founder_report_age_months")
    if "founder_credit" in dossier.granted and age is not None:
        found["founder_credit"] = add_months(dossier.as_of.replace(day=1), -int(age))
    return found
