"""The report of one firm: what its twelve sections show, computed from its dossier."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from firmpulse import industries, scale, uscc
from firmpulse.pages import charts, page
from firmpulse.pages.page import Language
from scoring.pages import facts, words
from scoring.pages.dossier import Dossier, Row

_TEMPLATES = Path(__file__).with_name("templates")
_WAN = 10_000
_DAILY = ("fct_tax_invoice_monthly", "fct_bank_monthly", "fct_supply_buyer_monthly")
_BANK_MONTHS = facts.BALANCE_MONTHS
# Grades that speak for a firm by themselves, and those that speak against it.
_SOUND, _WEAK = ("AAA", "AA", "A", "BBB"), ("C", scale.DEFAULTED)
# Two sources agree where their change over a year differs by less.
_AGREE_WITHIN = 0.2


@dataclass(frozen=True)
class Cover:
    """What a report says of itself."""

    # Identifier that the caller gave, None where only the token is known.
    identifier: str | None
    user: str
    generated_at: datetime
    recipient: str
    # Whether the firms are simulated or delivered.
    origin: str


def report_number(dossier: Dossier) -> str:
    """Return the number of a report: the same for the same firm, date and model version."""
    content = f"{dossier.firm_id} {dossier.as_of} {dossier.score['model_version']}"
    return f"FP-{dossier.as_of:%Y%m%d}-{hashlib.sha256(content.encode()).hexdigest()[:8].upper()}"


def render(dossier: Dossier, cover: Cover, language: Language) -> str:
    """Return the report as one HTML page that needs nothing beside it."""
    values = {
        "d": dossier,
        # A feature that this home folder does not know is not observed either.
        "f": defaultdict(lambda: None, dossier.features),
        "cover": cover,
        "number": report_number(dossier),
        "advice": _advice(dossier, language),
        "charts": _charts(dossier, language),
        "grades": [*scale.GRADE_UPPER_PD.items(), (scale.DEFAULTED, None)],
        "strong": _strong(dossier, language),
        "industry": _industry(dossier, language),
        "province": _province(dossier),
        "agreement": _agreement(dossier, language),
        "invoices": _monthly(dossier, "fct_tax_invoice_monthly"),
        "months": dossier.months,
        "latest": _latest(dossier),
        "projects": _projects(dossier, language),
        "words": words,
        "word": lambda kind, code: words.word(getattr(words, kind), code, language),
        "other": "en" if language == "zh" else "zh",
    }
    return page.render(_TEMPLATES, "firm.html.j2", language, values)


def _advice(dossier: Dossier, language: Language) -> tuple[str, str]:
    """Return the advice and its lamp; it is no promise of credit."""
    t = page.translator(language)
    grade, level = dossier.final_grade, dossier.level
    if grade in _WEAK or level == "red":
        return t("建议拒绝", "speaks against"), "red"
    if grade in _SOUND and level in ("none", "blue") and not dossier.score["needs_review"]:
        return t("建议通过", "speaks for"), "good"
    return t("建议人工复核", "a person should look"), "yellow"


def _strong(dossier: Dossier, language: Language) -> list[tuple[str, float]]:
    """Return the dimensions that speak for the firm, best first."""
    found = [
        (words.word(words.DIMENSIONS, name, language), dossier.score[f"dimension_{name}"])
        for name in words.DIMENSIONS
    ]
    above = [(name, value) for name, value in found if value is not None and value > 52]
    return sorted(above, key=lambda pair: -pair[1])[:3]


def _industry(dossier: Dossier, language: Language) -> str:
    code = (dossier.registration or {}).get("industry_code") or ""
    section = industries.section_of(code)
    if section is None:
        return code or page.DASH
    return f"{code} {section.zh if language == 'zh' else section.en}"


def _province(dossier: Dossier) -> str:
    code = (dossier.registration or {}).get("province_code")
    return uscc.PROVINCES.get(code, page.DASH) if code else page.DASH


def _monthly(dossier: Dossier, fact: str) -> Mapping[date, Row]:
    return dossier.monthly.get(fact, {})


def _series(dossier: Dossier, fact: str, measure: str, per: float = 1.0) -> list[float | None]:
    """Return a measure a month: 0 where nothing was, None outside the months that are known.

    Invoices are known to the day, so a last month without any is a zero; returns and bills of it
    may still be due.
    """
    rows = _monthly(dossier, fact)
    first = min(rows, default=None)
    last = dossier.months[-1] if fact in _DAILY else max(rows, default=None)
    found: list[float | None] = []
    for month in dossier.months:
        if first is None or last is None or not first <= month <= last:
            found.append(None)
        else:
            found.append(float(rows[month][measure] or 0) / per if month in rows else 0.0)
    return found


def _charts(dossier: Dossier, language: Language) -> dict[str, Markup]:
    t = page.translator(language)
    drawn = {"history": _history(dossier, t("评分", "score"))}
    if dossier.has("tax"):
        drawn |= _tax_charts(dossier, language)
    if dossier.has("bank"):
        drawn |= _bank_charts(dossier, language)
    if dossier.has("supply_chain"):
        drawn |= _supply_charts(dossier, language)
    if dossier.has("power"):
        drawn |= _power_charts(dossier, language)
    return {name: chart for name, chart in drawn.items() if chart}


def _history(dossier: Dossier, label: str) -> Markup:
    if len(dossier.scores) < 2:
        return Markup()
    days = [row["as_of"] for row in dossier.scores]
    return charts.curve(days, [row["score"] for row in dossier.scores], charts.HALF, label)


def _tax_charts(dossier: Dossier, language: Language) -> dict[str, Markup]:
    t, unit = page.translator(language), page.translator(language)("万元", "10,000 CNY")
    invoices, returns = "fct_tax_invoice_monthly", "fct_tax_vat_monthly"
    sales = _series(dossier, invoices, "sales_cny", _WAN)
    sold = {t("开票销售", "invoiced"): sales}
    if _monthly(dossier, returns):
        sold[t("申报销售", "declared")] = _series(dossier, returns, "declared_cny", _WAN)
    void = [_part(row, "void_cny", _WAN) for row in _rows(dossier, invoices)]
    red = [_part(row, "red_cny", _WAN) for row in _rows(dossier, invoices)]
    drawn = {
        "sales": charts.columns(dossier.months, sold, unit=unit),
        "spoiled": charts.columns(
            dossier.months,
            {t("红冲", "red"): red, t("作废", "void"): void},
            charts.HALF,
            unit,
        ),
        "days": charts.columns(
            dossier.months,
            {t("有票天数", "days with invoices"): _series(dossier, invoices, "active_days")},
            charts.HALF,
            t("有票天数", "days with invoices"),
        ),
    }
    for way, letter, name in (("OUT", t("客户", "customer"), "customers"),
                              ("IN", t("供应商", "supplier"), "suppliers")):  # fmt: skip
        partners = dossier.partners.get(way, [])
        if partners:
            labels = [f"{letter} {mark}" for mark, _ in zip("ABCDEFGHIJ", partners, strict=False)]
            shares = [100 * row["share"] for row in partners]
            title = t("占比 %", "share, %")
            drawn[name] = charts.bars(labels, shares, (3.55, 0.5 + 0.19 * len(labels)), title)
    return drawn


def _bank_charts(dossier: Dossier, language: Language) -> dict[str, Markup]:
    t, unit = page.translator(language), page.translator(language)("万元", "10,000 CNY")
    months = dossier.months[-_BANK_MONTHS:]

    def last(measure: str) -> list[float | None]:
        return _series(dossier, "fct_bank_monthly", measure, _WAN)[-_BANK_MONTHS:]

    drawn = {
        "flows": charts.columns(
            months,
            {t("经营流入", "in"): last("in_cny"), t("经营流出", "out"): last("out_cny")},
            charts.HALF,
            unit,
        ),
        "payroll": charts.columns(
            months,
            {
                t("代发工资", "payroll"): last("payroll_cny"),
                t("还本付息", "debt service"): last("debt_service_cny"),
            },
            charts.HALF,
            unit,
        ),
    }
    if dossier.balances:
        days, balances = zip(*dossier.balances, strict=True)
        drawn["balance"] = charts.curve(days, [value / _WAN for value in balances], unit=unit)
    return drawn


def _supply_charts(dossier: Dossier, language: Language) -> dict[str, Markup]:
    t, unit = page.translator(language), page.translator(language)("万元", "10,000 CNY")
    ordered = _series(dossier, "fct_supply_buyer_monthly", "ordered_cny", _WAN)
    drawn = {
        "orders": charts.columns(
            dossier.months,
            {t("订单", "orders"): ordered},
            charts.HALF,
            t("订单，万元", f"orders, {unit}"),
        )
    }
    if dossier.ageing:
        parts = ("not_due", "up_to_30", "up_to_90", "over_90")
        labels = [t("未到期", "not due"), "≤ 30", "31–90", "> 90"]
        amounts = [(dossier.ageing[part] or 0) / _WAN for part in parts]
        colours = [charts.TEAL, charts.AMBER, charts.LEVELS["orange"], charts.RED]
        title = t("未收应收款按逾期天数，万元", "open receivables by days overdue, 10,000 CNY")
        drawn["ageing"] = charts.histogram(labels, amounts, charts.HALF, colours, title)
    return drawn


def _power_charts(dossier: Dossier, language: Language) -> dict[str, Markup]:
    t = page.translator(language)
    fact = _power_fact(dossier)
    energy = [None if v is None else v / 1000 for v in _series(dossier, fact, "kwh")]
    sales = _series(dossier, "fct_tax_invoice_monthly", "sales_cny", _WAN)
    line = {t("开票销售（万元，右轴）", "invoiced, 10,000 CNY (right)"): sales}
    return {
        "energy": charts.columns(
            dossier.months,
            {t("用电量", "energy"): energy},
            unit=t("千千瓦时", "1,000 kWh"),
            line=line if dossier.has("tax") else None,
        )
    }


def _power_fact(dossier: Dossier) -> str:
    bills = _monthly(dossier, "fct_power_bill_monthly")
    return "fct_power_bill_monthly" if bills else "fct_power_reading_monthly"


def _rows(dossier: Dossier, fact: str) -> list[Row | None]:
    rows = _monthly(dossier, fact)
    return [rows.get(month) for month in dossier.months]


def _part(row: Row | None, measure: str, per: float) -> float | None:
    return None if row is None else abs(float(row[measure] or 0)) / per


def _agreement(dossier: Dossier, language: Language) -> list[dict[str, Any]]:
    """Return the last 3 months of each source against the 3 before, and whether they agree."""
    t = page.translator(language)
    measures: Sequence[tuple[str, str, str, str]] = (
        (t("开票销售", "invoiced sales"), "tax", "fct_tax_invoice_monthly", "sales_cny"),
        (t("申报销售", "declared sales"), "tax", "fct_tax_vat_monthly", "declared_cny"),
        (t("银行流入", "bank receipts"), "bank", "fct_bank_monthly", "in_cny"),
        (t("订单", "orders"), "supply_chain", "fct_supply_buyer_monthly", "ordered_cny"),
        (t("用电量", "energy"), "power", _power_fact(dossier), "kwh"),
    )
    found: list[dict[str, Any]] = []
    base: float | None = None
    for name, source, fact, measure in measures:
        change = _change(_series(dossier, fact, measure)) if dossier.has(source) else None
        if base is None:
            base = change
        agrees = None
        if change is not None and base is not None and found:
            agrees = abs(change - base) <= _AGREE_WITHIN
        found.append({"name": name, "change": change, "agrees": agrees})
    return found


def _change(values: Sequence[float | None]) -> float | None:
    # Returns of the newest month may not be due yet: both halves end a month earlier.
    now, before = values[-4:-1], values[-7:-4]
    if any(value is None for value in (*now, *before)):
        return None
    earlier = sum(value or 0 for value in before)
    return sum(value or 0 for value in now) / earlier - 1 if earlier > 0 else None


def _latest(dossier: Dossier) -> dict[str, date]:
    """Return the newest month that each source tells of."""
    return {
        source: max(month for fact in names for month in _monthly(dossier, fact))
        for source, names in facts.OF_SOURCE.items()
        if dossier.has(source)
    }


def _projects(dossier: Dossier, language: Language) -> list[tuple[str, float]]:
    """Return what is known of the firm's project contracts."""
    place = 0 if language == "zh" else 1
    return [
        (dossier.names[name][place], value)
        for name, value in dossier.features.items()
        if name.startswith("project_") and value is not None
    ]
