"""The report of one firm: its twelve sections, computed from its dossier."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from markupsafe import Markup

from firmpulse import industries, scale, uscc
from firmpulse.pages import charts, page
from firmpulse.pages.page import Language
from scoring.pages import facts, months, words
from scoring.pages.dossier import Dossier

_TEMPLATES = Path(__file__).with_name("templates")
_BANK_MONTHS, _TABLE_MONTHS = facts.BALANCE_MONTHS, 12
# Grades that are enough for a positive advice, and those for a negative one.
_SOUND, _WEAK = ("AAA", "AA", "A", "BBB"), ("C", scale.DEFAULTED)


@dataclass(frozen=True)
class Cover:
    """The cover data of a report."""

    # Identifier from the caller, None if only the token is known.
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
    """Return the report as one self-contained HTML page."""
    values = {
        "d": dossier,
        # A feature that is missing in this home folder is not observed either.
        "f": defaultdict(lambda: None, dossier.features),
        "cover": cover,
        "number": report_number(dossier),
        "advice": _advice(dossier, language),
        "charts": _charts(dossier, language),
        "grades": [*scale.GRADE_UPPER_PD.items(), (scale.DEFAULTED, None)],
        "strong": _strong(dossier, language),
        "industry": _industry(dossier, language),
        "province": _province(dossier),
        "agreement": months.agreement(dossier, language),
        "last_months": dossier.months[-_TABLE_MONTHS:],
        "has_invoices": bool(months.rows(dossier, months.INVOICES)),
        "of_months": _table(dossier),
        "latest": months.latest(dossier),
        "projects": _projects(dossier, language),
        "words": words,
        "word": lambda kind, code: words.word(getattr(words, kind), code, language),
        "other": "en" if language == "zh" else "zh",
    }
    return page.render(_TEMPLATES, "firm.html.j2", language, values)


def _advice(dossier: Dossier, language: Language) -> tuple[str, str]:
    """Return the advice and its colour; it is not a promise of credit."""
    t = page.translator(language)
    grade, level = dossier.final_grade, dossier.level
    if grade in _WEAK or level == "red":
        return t("建议拒绝", "speaks against"), "red"
    if grade in _SOUND and level in ("none", "blue") and not dossier.score["needs_review"]:
        return t("建议通过", "speaks for"), "good"
    return t("建议人工复核", "manual review advised"), "yellow"


def _industry(dossier: Dossier, language: Language) -> str:
    code = (dossier.registration or {}).get("industry_code") or ""
    section = industries.section_of(code)
    if section is None:
        return code or page.DASH
    return f"{code} {section.zh if language == 'zh' else section.en}"


def _province(dossier: Dossier) -> str:
    code = (dossier.registration or {}).get("province_code")
    return uscc.PROVINCES.get(code, page.DASH) if code else page.DASH


def _projects(dossier: Dossier, language: Language) -> list[tuple[str, float]]:
    """Return what is known about the firm's project contracts."""
    place = 0 if language == "zh" else 1
    return [
        (dossier.names[name][place], value)
        for name, value in dossier.features.items()
        if name.startswith("project_") and value is not None
    ]


def _strong(dossier: Dossier, language: Language) -> list[tuple[str, float]]:
    """Return the firm's strong dimensions, best first."""
    found = [
        (words.word(words.DIMENSIONS, name, language), dossier.score[f"dimension_{name}"])
        for name in words.DIMENSIONS
    ]
    above = [(name, value) for name, value in found if value is not None and value > 52]
    return sorted(above, key=lambda pair: -pair[1])[:3]


def _table(dossier: Dossier) -> dict[str, list[float | None]]:
    """Return the table of the last months, with the same values as the charts."""
    shown = {
        "invoiced": (months.INVOICES, "sales_cny"),
        "declared": (months.RETURNS, "declared_cny"),
        "paid": (months.PAYMENTS, "paid_cny"),
    }
    return {name: months.series(dossier, *what)[-_TABLE_MONTHS:] for name, what in shown.items()}


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
    sold = {
        t("开票销售", "invoiced"): months.series(dossier, months.INVOICES, "sales_cny", page.WAN),
        t("申报销售", "declared"): months.series(dossier, months.RETURNS, "declared_cny", page.WAN),
    }
    spoiled = {
        t("红冲", "red"): months.series(dossier, months.INVOICES, "red_cny", page.WAN),
        t("作废", "void"): months.series(dossier, months.INVOICES, "void_cny", page.WAN),
    }
    title = t("有票天数", "days with invoices")
    days = {title: months.series(dossier, months.INVOICES, "active_days")}
    drawn = {
        "sales": _columns(dossier.months, sold, unit=unit),
        "spoiled": _columns(dossier.months, spoiled, charts.HALF, unit),
        "days": _columns(dossier.months, days, charts.HALF, title),
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
    last_months = dossier.months[-_BANK_MONTHS:]

    def last(measure: str) -> list[float | None]:
        return months.series(dossier, months.BANK, measure, page.WAN)[-_BANK_MONTHS:]

    drawn = {
        "flows": _columns(
            last_months,
            {t("经营流入", "in"): last("in_cny"), t("经营流出", "out"): last("out_cny")},
            charts.HALF,
            unit,
        ),
        "payroll": _columns(
            last_months,
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
        drawn["balance"] = charts.curve(days, [value / page.WAN for value in balances], unit=unit)
    return drawn


def _supply_charts(dossier: Dossier, language: Language) -> dict[str, Markup]:
    t, unit = page.translator(language), page.translator(language)("万元", "10,000 CNY")
    ordered = months.series(dossier, months.ORDERS, "ordered_cny", page.WAN)
    drawn = {
        "orders": _columns(
            dossier.months,
            {t("订单", "orders"): ordered},
            charts.HALF,
            t("订单，万元", f"orders, {unit}"),
        )
    }
    if dossier.ageing:
        parts = ("not_due", "up_to_30", "up_to_90", "over_90")
        labels = [t("未到期", "not due"), "≤ 30", "31–90", "> 90"]
        amounts = [(dossier.ageing[part] or 0) / page.WAN for part in parts]
        colours = [charts.TEAL, charts.AMBER, charts.LEVELS["orange"], charts.RED]
        title = t("未收应收款按逾期天数，万元", "open receivables by days overdue, 10,000 CNY")
        drawn["ageing"] = charts.histogram(labels, amounts, charts.HALF, colours, title)
    return drawn


def _power_charts(dossier: Dossier, language: Language) -> dict[str, Markup]:
    t = page.translator(language)
    fact = months.power_fact(dossier)
    energy = [None if v is None else v / 1000 for v in months.series(dossier, fact, "kwh")]
    sales = months.series(dossier, months.INVOICES, "sales_cny", page.WAN)
    line = {t("开票销售（万元，右轴）", "invoiced, 10,000 CNY (right)"): sales}
    return {
        "energy": _columns(
            dossier.months,
            {t("用电量", "energy"): energy},
            unit=t("千千瓦时", "1,000 kWh"),
            line=line if months.rows(dossier, months.INVOICES) else None,
        )
    }


def _columns(
    shown: Sequence[date],
    series: Mapping[str, charts.Values],
    size: charts.Size = charts.WIDE,
    unit: str = "",
    line: Mapping[str, charts.Values] | None = None,
) -> Markup:
    """Draw the series with any known value; nothing if there is none.

    A single series has no legend; its name is beside the unit.
    """
    known = {name: values for name, values in series.items() if any(v is not None for v in values)}
    if len(known) == 1 < len(series):
        unit = f"{next(iter(known))} · {unit}"
    return charts.columns(shown, known, size, unit, line) if known else Markup()
