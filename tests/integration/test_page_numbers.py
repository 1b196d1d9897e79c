"""Every number in 200 firms' reports is the warehouse's; what is not collected is a dash."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from unittest.mock import patch

import pytest
from markupsafe import Markup, escape

from features import registry
from firmpulse import warehouse
from firmpulse.calendar import CHINA, add_months
from firmpulse.settings import Settings
from scoring.pages import dossier, firm, ranking, words
from tests.integration import report_page, warehouse_numbers
from tests.integration.conftest import Assessed
from tests.integration.report_page import Page
from tests.integration.warehouse_numbers import Numbers

DASH = "—"
LIGHT = {"65", "72", "73", "74", "75", "86", "87", "88", "89", "90"}


@pytest.fixture(scope="module")
def numbers(assessed: Assessed) -> Numbers:
    known = registry.load(assessed.settings)
    sources = {feature.name: feature.sources for feature in known.features}
    return warehouse_numbers.read(assessed.settings, assessed.as_of, sources)


@pytest.fixture(scope="module")
def pages(assessed: Assessed) -> Iterator[dict[str, Page]]:
    """Return every firm's page in English; charts give their numbers as text, for speed."""
    cover = firm.Cover(
        None, "analyst", datetime(2026, 11, 1, 9, 30, tzinfo=CHINA), "demo-bank", "simulated firms"
    )
    drawn = {"columns": _columns, "curve": _curve, "bars": _listed, "histogram": _listed}
    with patch.multiple("firmpulse.pages.charts", **drawn):
        yield {
            one.firm_id: report_page.read(firm.render(one, cover, "en"))
            for one in dossier.read(assessed.settings, assessed.as_of)
        }


def _columns(
    months: Sequence[date], series: Mapping[str, Sequence[float | None]], *_: Any, **more: Any
) -> Markup:
    every = {**series, **(more.get("line") or (_[2] if len(_) > 2 else None) or {})}
    return escape(" ").join(f"{name}: {_numbers(values)};" for name, values in every.items())


def _curve(days: Sequence[date], values: Sequence[float], *_: Any, **__: Any) -> Markup:
    return escape(f"{days[-1]}: {_numbers(values[-1:])};")


def _listed(labels: Sequence[str], values: Sequence[float], *_: Any, **__: Any) -> Markup:
    return escape(f"{' '.join(labels)}: {_numbers(values)};")


def _numbers(values: Sequence[float | None]) -> str:
    return " ".join(_shown(value, 3) for value in values)


def _shown(value: float | None, decimals: int = 2, per: float = 1, unit: str = "") -> str:
    """Return a number in a report's format, by the rules of docs/reports.md."""
    if value is None:
        return DASH
    text = f"{value / per:,.{decimals}f}"
    return (text.removeprefix("-") if not text.strip("-0.,") else text) + unit


def _share(value: float | None, decimals: int = 1) -> str:
    return _shown(None if value is None else 100 * value, decimals, unit="%")


def test_there_are_200_firms_of_all_kinds(pages: dict[str, Page], numbers: Numbers) -> None:
    assert len(pages) >= 200
    scores = [numbers.tables["scores"][token][0] for token in pages]
    assert {score["coverage"] for score in scores} >= {"full", "partial", "thin", "light_asset"}
    assert {s for score in scores for s in score["supplements"]} == {
        "founder_credit", "project_contracts",
    }  # fmt: skip
    divisions = {numbers.features[token].get("profile_industry") for token in pages}
    assert len(divisions) > 15
    for source in ("tax", "bank", "supply_chain", "power"):
        assert any(source not in numbers.granted(token) for token in pages), source
    for name in ("arrears", "violation"):
        known = [f"tax_{name}" in numbers.collected[token] for token in pages]
        assert 10 < sum(known) < len(pages)


def test_the_conclusion_is_the_published_row(pages: dict[str, Page], numbers: Numbers) -> None:
    for token, page in pages.items():
        score = numbers.tables["scores"][token][0]
        level = numbers.tables["warning_levels"][token][0]
        warned = numbers.tables["warnings"][token]
        tiles = page.tiles[2]
        assert tiles[0][1:] == (
            str(score["score"]),
            f"probability of default, 12 months {_share(score['default_prob'], 2)}",
        )
        assert tiles[1][1] == score["grade"]
        assert tiles[2][1:] == (level["level"], f"{len(warned)} rules hold, since {level['since']}")
        if not score["needs_review"]:
            assert tiles[3][2].endswith(f", {score['source_count']}/4")
        names = [f"pillar_{name}" for name in words.PILLARS]
        names += [f"dimension_{name}" for name in words.DIMENSIONS]
        assert [value for _, value in page.meters[2]] == [_shown(score[n], 0) for n in names]
        told = [f"{row['text_en']} {row['code']}" for row in _reasons(numbers, token)]
        assert page.items[2][: len(told)] == told
        # Strong sub-scores come after the reasons.
        values = {_shown(score[f"dimension_{name}"], 0) for name in words.DIMENSIONS}
        strong = [re.search(r" (\S+) / 100$", item) for item in page.items[2][len(told) :]]
        assert {found[1] for found in strong if found} <= values
        assert all(strong)


def _reasons(numbers: Numbers, token: str) -> list[dict[str, Any]]:
    return sorted(numbers.tables["reasons"][token], key=lambda row: row["rank"])


def test_reasons_are_about_what_was_observed_and_of_use(
    pages: dict[str, Page], numbers: Numbers
) -> None:
    told = 0
    for token in pages:
        values = numbers.features[token]
        for row in _reasons(numbers, token):
            # A default is its own reason.
            if numbers.tables["scores"][token][0]["grade"] == "D":
                continue
            told += 1
            assert values[row["feature"]] is not None, row
            assert not re.search("not observed|无可用数据", row["text_en"] + row["text_zh"])
            assert not row["feature"].startswith("profile_has_")
            if row["feature"].startswith("project_"):
                assert values["profile_industry"] in LIGHT
    assert told > 400


def test_what_is_said_of_the_firm_itself(pages: dict[str, Page], numbers: Numbers) -> None:
    without = 0
    for token, page in pages.items():
        values, told = numbers.features[token], dict(page.facts[3])
        if not told:
            without += token not in numbers.registered and "tax" in numbers.granted(token)
            assert token not in numbers.registered or "tax" not in numbers.granted(token)
            continue
        age = _DAYS(values["profile_firm_age_months"])
        assert told["Registered"] == f"{numbers.registered[token]} ({age} months)"
        assert told["Changes in 12 months"] == _DAYS(values["profile_registration_changes_12m"])
        observed = numbers.tables["scores"][token][0]["observed_months"]
        assert told["Observed"] == f"{observed} months"
    assert without > 3


# Label → feature, and how it is written.
_Written = Callable[[Any], str]
_WAN: _Written = lambda v: _shown(v, 2, 10_000)  # noqa: E731 - a table reads better
_DAYS: _Written = lambda v: _shown(v, 0)  # noqa: E731
_ONE: _Written = lambda v: _shown(v, 1)  # noqa: E731
_TWO: _Written = lambda v: _shown(v, 2)  # noqa: E731
_THREE: _Written = lambda v: _shown(v, 3)  # noqa: E731
_FINE: _Written = lambda v: _share(v, 2)  # noqa: E731
_MEASURES: dict[int, dict[str, tuple[str, _Written]]] = {
    3: {
        "Court cases against it in 24 months": ("public_defendant_count_24m", _DAYS),
        "Open claims over these and a year's sales": ("public_claimed_share_12m", _share),
        "Cases of enforcement in 24 months": ("public_enforcement_count_24m", _DAYS),
        "Amounts under enforcement over these and a year's sales": (
            "public_enforced_share_12m", _share),
        "Dishonest or restricted": ("public_dishonest", _DAYS),
        "Paid-in over registered capital": ("public_paid_in_share", _share),
        "Capital cut in 12 months": ("public_capital_cut_share_12m", _share),
        "Capital with new holders": ("public_new_holder_share_12m", _share),
        "Guarantees over these and a year's sales": ("public_guaranteed_share_12m", _share),
        "Firms in its ring of guarantees": ("link_guarantee_ring_size", _DAYS),
        "Firms of its group under enforcement": ("link_group_enforced_share", _share),
    },
    4: {
        "Invoiced a month, 10,000 CNY": ("tax_sales_mean_12m", _WAN),
        "Sales on the year": ("tax_sales_growth_12m_yoy", _share),
        "VAT payable over sales": ("tax_vat_burden_12m", _FINE),
        "Returns filed late": ("tax_late_filing_share_12m", _share),
        "Payments made late": ("tax_late_payment_share_12m", _share),
        "Arrears over a year's taxes": ("tax_arrears_share_12m", _share),
        "Violations in 24 months": ("tax_violation_count_24m", _DAYS),
    },
    5: {
        "Concentration of customers, HHI": ("tax_customer_hhi_12m", _THREE),
        "Variation of monthly sales": ("tax_sales_cv_12m", _TWO),
        "Customers that stayed": ("tax_customer_retention_24m", _share),
        "Sales to new customers": ("tax_new_customer_share_12m", _share),
        "Lost of last year's five largest": ("tax_lost_top_customer_share_24m", _share),
        "Longest gap between two invoices, days": ("tax_max_gap_days_12m", _DAYS),
        "Days since the last valid invoice": ("tax_days_since_last_invoice", _DAYS),
        "Void invoices": ("tax_void_share_12m", _share),
        "Red over blue, by amount": ("tax_red_share_12m", _share),
    },
    6: {
        "Days of cash": ("bank_days_cash_6m", _ONE),
        "Net over receipts": ("bank_net_flow_ratio_6m", _share),
        "Days in a trough": ("bank_trough_day_share_6m", _share),
        "Longest trough, days": ("bank_longest_trough_days_6m", _DAYS),
        "Months with payroll": ("bank_payroll_month_share_6m", _share),
        "Spread of the payday, days": ("bank_payday_spread_6m", _ONE),
        "Debt service over receipts": ("bank_debt_service_ratio_6m", _share),
        "Seizures": ("bank_seizure_count_6m", _DAYS),
    },
    7: {
        "Deliveries on time": ("supply_on_time_share_12m", _share),
        "Units returned": ("supply_return_share_12m", _FINE),
        "Orders from core enterprises": ("supply_core_buyer_share_12m", _share),
        "Due and unpaid": ("supply_overdue_share_12m", _share),
        "Confirmed receivables": ("supply_confirmed_share_12m", _share),
        "Delay of payments, days": ("supply_payment_delay_days_12m", _ONE),
    },
    8: {
        "Energy on the year": ("power_growth_12m_yoy", _share),
        "Share of valley hours": ("power_valley_share_12m", _share),
        "Months almost without power": ("power_shutdown_month_share_12m", _share),
        "Bills paid late, or overdue": ("power_late_payment_share_12m", _share),
        "Mean delay, days, including overdue bills": ("power_payment_delay_days_12m", _ONE),
    },
}  # fmt: skip
_LONGEST = "Longest delay of a bill that is open or was paid within a month, days"
_COMPARED = {
    "tax_sales_mean_12m", "tax_sales_growth_12m_yoy", "tax_sales_cv_12m", "tax_customer_hhi_12m",
    "tax_vat_burden_12m", "bank_days_cash_6m", "supply_on_time_share_12m", "power_growth_12m_yoy",
}  # fmt: skip


def test_every_measure_is_that_of_the_warehouse(pages: dict[str, Page], numbers: Numbers) -> None:
    seen = set()
    for token, page in pages.items():
        values = numbers.features[token]
        for section, measures in _MEASURES.items():
            rows = {row[0]: row[1:] for row in page.rows[section] if len(row) == 3}
            if not rows:
                continue
            seen.add(section)
            expected = {
                label: (write(values.get(name)), _peers(numbers, pages, token, name))
                for label, (name, write) in measures.items()
            }
            others = {"Measure", "Public records", "Tax credit grade", _LONGEST}
            assert {k: v for k, v in rows.items() if k not in others} == expected, token
        if _LONGEST in {row[0] for row in page.rows[8]}:
            shown = next(row[1] for row in page.rows[8] if row[0] == _LONGEST)
            assert shown == _DAYS(numbers.late_days.get(token)), token
    assert seen == set(_MEASURES)


def _peers(numbers: Numbers, pages: Mapping[str, Page], token: str, name: str) -> str:
    if name not in _COMPARED:
        return ""
    own = numbers.features[token]
    industry, value = own.get("profile_industry"), own.get(name)
    if industry is None or value is None:
        return DASH
    peers = [
        others[name]
        for one, others in numbers.features.items()
        if one in numbers.grants and others.get("profile_industry") == industry
        and others.get(name) is not None
    ]  # fmt: skip
    if len(peers) < 10:
        return DASH
    return f"at or above {_share(sum(p <= value for p in peers) / len(peers), 0)} of its industry"


def test_what_no_provider_of_a_firm_delivers_is_a_dash(
    pages: dict[str, Page], numbers: Numbers
) -> None:
    dashes = zeros = 0
    for token, page in pages.items():
        rows = {row[0]: row[1] for row in page.rows[4] if len(row) == 3}
        if not rows:
            continue
        for table, label in (("tax_arrears", "Arrears over a year's taxes"),
                             ("tax_violation", "Violations in 24 months")):  # fmt: skip
            collected = table in numbers.collected[token]
            assert (rows[label] == DASH) is not collected, (token, table)
            dashes += not collected
            zeros += rows[label] in ("0", "0.0%")
    assert min(dashes, zeros) > 30


def test_power_bills_are_late_in_one_way(pages: dict[str, Page], numbers: Numbers) -> None:
    """Sections 8 and 10, and the bills themselves."""
    overdue = untold = 0
    for token, page in pages.items():
        rows = {row[0]: row[1] for row in page.rows[8] if len(row) == 3}
        if "Bills paid late, or overdue" not in rows or rows["Energy on the year"] is None:
            continue
        share, days = numbers.bills.get(token, (None, None))
        assert rows["Bills paid late, or overdue"] == _share(share), token
        assert rows["Mean delay, days, including overdue bills"] == _ONE(days), token
        late = [
            float(row[2]) for row in page.rows[10]
            if len(row) == 5 and re.search("POWER_BILL_(LATE|OVERDUE)", row[1])
        ]  # fmt: skip
        if late:
            overdue += 1
            assert {_DAYS(value) for value in late} == {rows[_LONGEST]}, token
            assert rows["Bills paid late, or overdue"] not in (DASH, "0.0%"), token
        untold += rows["Bills paid late, or overdue"] == DASH
    assert overdue > 3
    assert untold > 3


def _months(as_of: date, count: int) -> list[date]:
    return [add_months(as_of.replace(day=1), step - count + 1) for step in range(count)]


def _series(
    numbers: Numbers, token: str, name: str, months: Sequence[date], *, gaps: bool
) -> list[float | None]:
    """Return a value per month; without a row it is null or, inside of what is known, zero."""
    rows = numbers.monthly[name].get(token, {})
    last = months[-1] if name not in ("paid",) else max(rows, default=months[-1])
    return [
        rows.get(month, None if gaps or not rows or not min(rows) <= month <= last else 0.0)
        for month in months
    ]


def test_the_months_of_the_tables_are_those_of_the_rows(
    assessed: Assessed, pages: dict[str, Page], numbers: Numbers
) -> None:
    months = _months(assessed.as_of, 12)
    for token, page in pages.items():
        rows = {row[0]: row[1:] for row in page.rows[4] if len(row) == 13}
        if not rows:
            continue
        assert rows["Month"] == tuple(f"{month.month:02d}" for month in months)
        for label, name, decimals, gaps in (
            ("Invoiced", "invoiced", 1, False), ("Declared", "declared", 1, True),
            ("Tax paid", "paid", 2, False),
        ):  # fmt: skip
            expected = _series(numbers, token, name, months, gaps=gaps)
            assert rows[label] == tuple(_shown(v, decimals, 10_000) for v in expected), token


def test_charts_draw_the_same_numbers(
    assessed: Assessed, pages: dict[str, Page], numbers: Numbers
) -> None:
    two_years, half_year = _months(assessed.as_of, 24), _months(assessed.as_of, 6)
    drawn = set()

    def line(token: str, name: str, key: str, months: Sequence[date], per: float) -> str:
        gaps = key in ("declared", "energy")
        found = _series(numbers, token, key, months, gaps=gaps)
        return f"{name}: {_numbers([None if v is None else v / per for v in found])};"

    wanted: dict[int, tuple[tuple[str, str, Sequence[date], float], ...]] = {
        4: (("invoiced", "invoiced", two_years, 1e4), ("declared", "declared", two_years, 1e4)),
        5: (("red", "red", two_years, 1e4), ("void", "void", two_years, 1e4),
            ("days with invoices", "days", two_years, 1)),
        6: (("in", "in", half_year, 1e4), ("out", "out", half_year, 1e4),
            ("payroll", "payroll", half_year, 1e4), ("debt service", "debt", half_year, 1e4)),
        7: (("orders", "orders", two_years, 1e4),),
        8: (("energy", "energy", two_years, 1e3),),
    }  # fmt: skip
    for token, page in pages.items():
        for section, series in wanted.items():
            text = " ".join(page.charts[section])
            for name, key, months, per in series:
                if not re.search(rf"(^|[ ;]){name}: ", text):
                    known = numbers.monthly[key].get(token, {})
                    assert page.charts[section] == [] or not any(
                        known.get(month) is not None for month in months
                    ), (token, name)
                    continue
                drawn.add(name)
                assert line(token, name, key, months, per) in text, (token, name)
        ageing = numbers.ageing.get(token)
        if ageing and (found := [c for c in page.charts[7] if c.startswith("not due")]):
            drawn.add("ageing")
            assert found == [
                f"not due ≤ 30 31–90 > 90: {_numbers([(v or 0) / 1e4 for v in ageing])};"
            ]
        for way, word in (("OUT", "customer"), ("IN", "supplier")):
            for chart in page.charts[5]:
                if chart.startswith(word):
                    drawn.add(word)
                    shares = [100 * share for share in numbers.partners[token][way]]
                    assert chart.endswith(f": {_numbers(shares)};"), token
    assert drawn >= {name for series in wanted.values() for name, *_ in series}
    # Months with bookings without texts are drawn as unknown.
    receipts = numbers.monthly["in"]
    assert sum(None in receipts[token].values() for token in pages if token in receipts) > 3
    assert {"ageing", "customer", "supplier"} <= drawn


def test_a_source_agrees_with_invoices_alone(
    assessed: Assessed, pages: dict[str, Page], numbers: Numbers
) -> None:
    months = _months(assessed.as_of, 24)
    granted = {"invoiced": "tax", "declared_of_month": "tax", "in": "bank",
               "orders": "supply_chain", "energy": "power"}  # fmt: skip
    without = 0
    for token, page in pages.items():
        shown = [row for row in page.rows[9] if len(row) == 3][1:]
        changes = [
            _change(_series(numbers, token, name, months,
                            gaps=name in ("declared_of_month", "energy")))
            if source in numbers.granted(token) else None
            for name, source in granted.items()
        ]  # fmt: skip
        assert [row[1] for row in shown] == [_share(change) for change in changes], token
        base = changes[0]
        expected = [DASH] + [
            DASH if base is None or change is None
            else "agrees" if abs(change - base) <= 0.2 else "differs"
            for change in changes[1:]
        ]  # fmt: skip
        assert [row[2] for row in shown] == expected, token
        without += base is None and any(change is not None for change in changes)
    assert without > 5


def _change(values: Sequence[float | None]) -> float | None:
    now, before = values[-4:-1], values[-7:-4]
    if None in now or None in before or sum(v or 0 for v in before) <= 0:
        return None
    return sum(v or 0 for v in now) / sum(v or 0 for v in before) - 1


def test_signs_of_fraud_and_warnings_are_the_rows(pages: dict[str, Page], numbers: Numbers) -> None:
    signs = {
        "Invoices against receipts, log": ("cross_invoice_to_bank_gap_6m", _TWO),
        "Declared against invoiced": ("tax_declared_to_invoiced_gap_12m", _share),
        "Two-way trade": ("tax_two_way_share_12m", _share),
        "Trade in rings of 3 to 5 firms": ("graph_ring_share_12m", _share),
        "Sales up and power down": ("cross_sales_up_power_down", _DAYS),
    }
    units: dict[str, _Written] = {"share": _share, "times": _ONE}
    for token, page in pages.items():
        rows = {row[0]: row[1] for row in page.rows[9] if len(row) == 2}
        rows.pop("Signs of fraud")
        values = numbers.features[token]
        assert rows == {label: write(values[name]) for label, (name, write) in signs.items()}
        warned = sorted(
            (row["level"], f"{row['text_en']} {row['rule_id']}",
             units.get(row["unit"], _DAYS)(row["value"]),
             units.get(row["unit"], _DAYS)(row["threshold"]), row["opened_on"].isoformat())
            for row in numbers.tables["warnings"][token]
        )  # fmt: skip
        shown = sorted(row for row in page.rows[10] if len(row) == 5 and row[0] != "Level")
        assert shown == warned, token


def test_grants_and_their_newest_months(
    assessed: Assessed, pages: dict[str, Page], numbers: Numbers
) -> None:
    for token, page in pages.items():
        grants = numbers.grants[token]
        rows = page.rows[12][1:]
        assert [row[0] for row in rows] == [one["authorization_id"] for one in grants]
        assert {row[2] for row in rows} <= {"monitoring of a loan", "one credit assessment"}
        supplements = numbers.tables["scores"][token][0]["supplements"]
        for row, one in zip(rows, grants, strict=True):
            assert row[3:5] == (
                str(one["window_start"]),
                f"{one['valid_from']} – {one['valid_to']}",
            )
            if one["source"] in supplements:
                assert re.fullmatch(r"20\d\d-\d\d", row[5]), "it supplements the score"


# Numbers that are not values of the firm: scales, windows, laws; and the model's own row.
_STATIC = re.compile(
    r"FP-\d{8}-[0-9A-F]{8}|\(300–900\)|≥ 16\.0%|< [\d.]+%|12 months|24 months|10,000 CNY|"
    r"\(50 is neutral\)|50 is neutral|PIPL 24|20 days|within 20 points|3 to 5 firms|"
    r"6 months|95 %|“0”"
)


def test_no_other_number_stands_on_a_page(pages: dict[str, Page], numbers: Numbers) -> None:
    """Text outside tables, tiles, lists and charts has only dates, scales and model numbers."""
    for token, page in pages.items():
        for section, texts in page.texts.items():
            if section in (1, 11):
                continue
            for text in texts:
                left = _STATIC.sub("", text)
                left = re.sub(r"^\d+(?=[A-Z])", "", left)
                code = numbers.tables["scores"][token][0]["code_version"]
                digest = numbers.tables["scores"][token][0]["feature_digest"][:16]
                left = left.replace(str(code), "").replace(digest, "")
                champion = left.startswith("Hidden champion")
                assert champion or not re.search(r"\d", left), (section, text)


def test_a_corrected_default_does_not_mark_a_firm(assessed: Assessed) -> None:
    """The ranking counts a loan as it is known now; the default that was taken back is none."""
    settings, day = assessed.settings, assessed.as_of
    before = _with_record(settings, day)
    with warehouse.connect(settings) as connection:
        ((token, month),) = connection.execute(
            "select firm_id, max(month) from warehouse.facts.fct_loan_monthly "
            "where superseded_at > ? group by firm_id having max(days_past_due) = 0 "
            "order by firm_id limit 1", [day],
        ).fetchall()  # fmt: skip
        connection.execute(
            "insert into warehouse.facts.fct_loan_monthly by name select $token as firm_id, "
            "$month as month, date '2026-01-31' as available_at, $day as superseded_at, "
            "0 as delivery_seq, 1 as balance_cny, 120 as days_past_due",
            {"token": token, "month": month, "day": day},
        )
    try:
        assert _with_record(settings, day) == before
    finally:
        with warehouse.connect(settings) as connection:
            connection.execute(
                "delete from warehouse.facts.fct_loan_monthly where delivery_seq = 0"
            )


def _with_record(settings: Settings, day: date) -> str:
    """Return the chart of the ranking, which counts firms in default."""
    with patch("firmpulse.pages.charts.grouped", _columns):
        html = ranking.render(settings, day, "en")
    return " ".join(report_page.read(html).charts[0])
