"""Each packaged rule: it can fire, stay silent, and has texts in two languages."""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from features import registry
from features.registry import Registry
from firmpulse.errors import ContractError
from firmpulse.settings import Settings
from scoring.warnings import conditions, engine, rules
from scoring.warnings.measures import OUTAGE_DAYS
from scoring.warnings.panel import Panel
from scoring.warnings.rules import RuleBook

AS_OF = date(2026, 10, 31)
NO_STALE = pl.DataFrame(
    schema={"firm_id": pl.String, "source": pl.String, "age_days": pl.Int64, "days": pl.Int64}
)
Values = Mapping[str, float | None]

# Rule → the smallest values for which it holds, and the nearest for which it does not.
CASES: Mapping[str, tuple[Values, Values]] = {
    "SALES_DROP_BLUE": (
        {"tax_sales_growth_3m_yoy@0": -0.20}, {"tax_sales_growth_3m_yoy@0": -0.19}),
    "POWER_DROP": ({"power_growth_3m_yoy@0": -0.15}, {"power_growth_3m_yoy@0": -0.14}),
    "SALES_UNSTEADY": (
        {"tax_sales_cv_12m@0": 0.9, "tax_sales_cv_12m@12": 0.6},
        {"tax_sales_cv_12m@0": 0.9, "tax_sales_cv_12m@12": 0.7}),
    "LATE_FILING": (
        {"tax_late_filing_share_12m@0": 1 / 12, "tax_late_filing_share_12m@3": 0.0},
        {"tax_late_filing_share_12m@0": 2 / 11, "tax_late_filing_share_12m@3": 2 / 12}),
    "POWER_BILL_LATE_BLUE": ({"power_late_days@0": 15}, {"power_late_days@0": 16}),
    "PAYDAY_DRIFT": ({"bank_payday_delay_6m@0": 6}, {"bank_payday_delay_6m@0": 5}),
    "CANCELLED_INVOICES": ({"tax_cancel_share_12m@0": 0.11}, {"tax_cancel_share_12m@0": 0.10}),
    "PD_DOUBLED": (
        {"default_prob@0": 0.02, "default_prob@3": 0.01},
        {"default_prob@0": 0.014, "default_prob@3": 0.001}),
    "SALES_DROP_YELLOW": (
        {"tax_sales_growth_3m_yoy@0": -0.36, "tax_sales_growth_3m_yoy@1": -0.35},
        {"tax_sales_growth_3m_yoy@0": -0.90, "tax_sales_growth_3m_yoy@1": -0.34}),
    "ZERO_INVOICE_MONTH": ({"tax_zero_streak_months@0": 1}, {"tax_zero_streak_months@0": 0}),
    "INVOICE_GAP_60": (
        {"tax_days_since_last_invoice@0": 61}, {"tax_days_since_last_invoice@0": 60}),
    "BANK_TROUGH": ({"bank_trough_day_share_6m@0": 0.34}, {"bank_trough_day_share_6m@0": 0.33}),
    "TOP_CUSTOMER_LOST": (
        {"tax_lost_top_customer_share_24m@0": 0.4, "tax_lost_top_customer_share_24m@3": 0.2},
        {"tax_lost_top_customer_share_24m@0": 0.4, "tax_lost_top_customer_share_24m@3": 0.4}),
    "LATE_TAX_PAYMENTS": (
        {"tax_late_payment_share_12m@0": 2 / 28, "tax_late_payment_share_12m@3": 0.0},
        {"tax_late_payment_share_12m@0": 1 / 28, "tax_late_payment_share_12m@3": 0.0}),
    "SALES_UP_POWER_DOWN": (
        {"cross_sales_up_power_down@0": 1}, {"cross_sales_up_power_down@0": 0}),
    "PAYMENT_DELAY_RISE": (
        {"supply_payment_delay_days_12m@0": 40, "supply_payment_delay_days_12m@12": 10},
        {"supply_payment_delay_days_12m@0": 40, "supply_payment_delay_days_12m@12": 11}),
    "POWER_BILL_LATE_YELLOW": ({"power_late_days@0": 16}, {"power_late_days@0": 31}),
    "NEW_LENDERS": ({"bank_new_lenders_3m@0": 2}, {"bank_new_lenders_3m@0": 1}),
    "TAX_GRADE_DROP": ({"profile_tax_grade_drop@0": 1}, {"profile_tax_grade_drop@0": 0}),
    "MODEL_GRADE_DROP": (
        {"grade_rank@0": 6, "grade_rank@3": 4}, {"grade_rank@0": 6, "grade_rank@3": 5}),
    "SALES_DROP_ORANGE": (
        {"tax_sales_growth_3m_yoy@0": -0.50, "tax_sales_growth_3m_yoy@1": -0.51},
        {"tax_sales_growth_3m_yoy@0": -0.49, "tax_sales_growth_3m_yoy@1": -0.51}),
    "INVOICE_GAP_90": (
        {"tax_days_since_last_invoice@0": 91}, {"tax_days_since_last_invoice@0": 90}),
    "PAYROLL_MISSED": (
        {"bank_payroll_month_share_6m@0": 4 / 6, "bank_payroll_month_share_6m@2": 1.0},
        {"bank_payroll_month_share_6m@0": 5 / 6, "bank_payroll_month_share_6m@2": 1.0}),
    "TAX_ARREARS": (
        {"tax_arrears_share_12m@0": 0.01, "tax_arrears_months@0": 1},
        {"tax_arrears_share_12m@0": 0.01, "tax_arrears_months@0": 0}),
    "DEBT_SERVICE": (
        {"bank_debt_service_ratio_6m@0": 0.61}, {"bank_debt_service_ratio_6m@0": 0.60}),
    "RECEIVABLES_OVERDUE": (
        {"supply_overdue_share_12m@0": 0.31}, {"supply_overdue_share_12m@0": 0.30}),
    "POWER_SHUTDOWN": (
        {"power_shutdown_month_share_12m@0": 2 / 12, "power_shutdown_month_share_12m@6": 0.0},
        {"power_shutdown_month_share_12m@0": 2 / 12, "power_shutdown_month_share_12m@6": 1 / 12}),
    "TWO_WAY_TRADE": ({"tax_two_way_share_12m@0": 0.21}, {"tax_two_way_share_12m@0": 0.20}),
    "RING_TRADE": ({"graph_ring_share_12m@0": 0.11}, {"graph_ring_share_12m@0": 0.10}),
    "POWER_BILL_OVERDUE": ({"power_late_days@0": 31}, {"power_late_days@0": 30}),
    "TAX_GRADE_C": ({"profile_tax_grade@0": 4}, {"profile_tax_grade@0": 5}),
    "LOAN_30_DPD": ({"days_past_due@0": 30}, {"days_past_due@0": 29}),
    "TAX_STATUS_ABNORMAL": ({"profile_status_abnormal@0": 1}, {"profile_status_abnormal@0": 0}),
    "TAX_AUDIT_CASE": ({"tax_open_audit_case@0": 1}, {"tax_open_audit_case@0": 0}),
    "TAX_GRADE_D": ({"profile_tax_grade@0": 5}, {"profile_tax_grade@0": 4}),
    "TAX_ARREARS_OLD": ({"tax_arrears_months@0": 3}, {"tax_arrears_months@0": 2}),
    "TAX_ARREARS_LARGE": ({"tax_arrears_share_12m@0": 0.17}, {"tax_arrears_share_12m@0": 0.16}),
    "BANK_SEIZURE": ({"bank_seizure_count_6m@0": 1}, {"bank_seizure_count_6m@0": 0}),
    "POWER_CUT_OFF": ({"power_cut_off@0": 1}, {"power_cut_off@0": 0}),
    "POWER_CLOSED": ({"power_closed@0": 1}, {"power_closed@0": 0}),
    "POWER_THEFT": ({"power_theft@0": 1}, {"power_theft@0": 0}),
    "NO_ACTIVITY": (
        {"tax_days_since_last_invoice@0": 91, "bank_operating_in_2m_to_6m@0": 0,
         "bank_operating_in_2m_to_6m@1": 0},
        {"tax_days_since_last_invoice@0": 91, "bank_operating_in_2m_to_6m@0": 0,
         "bank_operating_in_2m_to_6m@1": 0.4, "bank_operating_in_mean_6m@0": 10}),
    "PD_CC": ({"default_prob@0": 0.09}, {"default_prob@0": 0.089}),
    "PD_TIMES_FOUR": (
        {"default_prob@0": 0.04, "default_prob@3": 0.01},
        {"default_prob@0": 0.02, "default_prob@3": 0.001}),
}  # fmt: skip
# Peer rule → its value, and whether a higher value is worse.
PEER_CASES = {
    "SALES_DROP_PEERS": ("tax_sales_growth_3m_yoy", False),
    "POWER_DROP_PEERS": ("power_growth_3m_yoy", False),
    "RECEIPTS_PEERS": ("bank_operating_in_2m_to_6m", False),
    "OVERDUE_PEERS": ("supply_overdue_share_12m", True),
}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Return the features of the project; dbt parses it once."""
    return registry.load(Settings(home=tmp_path_factory.mktemp("warning-rules")))


@pytest.fixture(scope="module")
def book(known: Registry) -> RuleBook:
    """Return the packaged rules."""
    return rules.parse(rules._SHIPPED.read_text(encoding="utf-8"), known, "rules.yml")


def panel_of(
    book: RuleBook, values: Values, as_of: date = AS_OF, outage_days: float | None = None
) -> Panel:
    """Return a panel of one firm without peers; unnamed values are not observed."""
    columns = {column for rule in book.rules for column in conditions.columns_read(rule)}
    assert set(values) <= columns
    row = {column: values.get(column) for column in sorted(columns)}
    rows = pl.DataFrame(
        {"firm_id": ["a"], "industry": ["13"], "province": ["33"], OUTAGE_DAYS: [outage_days],
         **{name: [value] for name, value in row.items()}},
        schema_overrides=dict.fromkeys([OUTAGE_DAYS, *row], pl.Float64),
    )  # fmt: skip
    return Panel(as_of, rows, NO_STALE)


def found_on(panel: Panel, book: RuleBook) -> set[str]:
    return set(engine.find(panel, book)["rule_id"])


def test_every_rule_has_a_case(book: RuleBook) -> None:
    assert {rule.id for rule in book.rules} == set(CASES) | set(PEER_CASES)


@pytest.mark.parametrize("rule_id", CASES)
def test_a_rule_fires_at_its_bound_and_not_before(rule_id: str, book: RuleBook) -> None:
    fires, silent = CASES[rule_id]
    assert rule_id in found_on(panel_of(book, fires), book)
    assert rule_id not in found_on(panel_of(book, silent), book)


@pytest.mark.parametrize("rule_id", CASES)
def test_a_rule_needs_every_value_that_it_reads(rule_id: str, book: RuleBook) -> None:
    fires, _ = CASES[rule_id]
    for column in fires:
        without = {name: value for name, value in fires.items() if name != column}
        assert rule_id not in found_on(panel_of(book, without), book), column


def test_no_number_is_no_observation(book: RuleBook) -> None:
    assert found_on(panel_of(book, {"days_past_due@0": float("nan")}), book) == set()


@pytest.mark.parametrize("rule_id", PEER_CASES)
def test_the_worst_of_its_peers_is_told(rule_id: str, book: RuleBook) -> None:
    value, higher_is_worse = PEER_CASES[rule_id]
    one = panel_of(book, {}).rows
    ranked = [float(place if higher_is_worse else -place) for place in range(41)]
    rows = pl.concat([one] * 41).with_columns(
        firm_id=pl.Series([f"f{place}" for place in range(41)]),
        **{f"{value}@0": pl.Series([0.01 * rank for rank in ranked])},
    )
    found = engine.find(Panel(AS_OF, rows, NO_STALE), book).filter(pl.col("rule_id") == rule_id)
    # 40, 39 and 38 of 40 others do better: 5 % of them are as bad or worse.
    assert sorted(found["firm_id"]) == ["f38", "f39", "f40"]
    shown = dict(zip(found["firm_id"], found["value"], strict=True))
    assert shown == {"f38": 0.95, "f39": 0.975, "f40": 1.0}
    assert found["peer_percentile"].to_list() == found["value"].to_list()


def test_after_the_spring_festival_silence_is_no_news(book: RuleBook) -> None:
    fires, _ = CASES["ZERO_INVOICE_MONTH"]
    for as_of, asked in (
        (date(2026, 1, 31), False),
        (date(2026, 2, 28), False),
        # February is the newest complete month until March ends.
        (date(2026, 3, 30), False),
        (date(2026, 3, 31), True),
        (date(2026, 12, 31), True),
    ):
        found = found_on(panel_of(book, fires, as_of), book)
        assert ("ZERO_INVOICE_MONTH" in found) == asked, as_of


def test_a_planned_outage_excuses_less_energy(book: RuleBook) -> None:
    fires, _ = CASES["POWER_DROP"]
    assert "POWER_DROP" in found_on(panel_of(book, fires, outage_days=4), book)
    assert "POWER_DROP" not in found_on(panel_of(book, fires, outage_days=5), book)


def test_texts_show_value_and_bound_in_both_languages(book: RuleBook) -> None:
    values = {"tax_sales_growth_3m_yoy@0": -0.352, "days_past_due@0": 42.0}
    found = engine.find(panel_of(book, values), book)
    texts = {row["rule_id"]: (row["text_zh"], row["text_en"]) for row in found.to_dicts()}
    assert texts["SALES_DROP_BLUE"] == (
        "近3个月开票销售额同比变动 -35.2%（界限 -20.0%）",
        "Invoiced sales of 3 months changed by -35.2% on the year (bound -20.0%)",
    )
    assert texts["LOAN_30_DPD"] == (
        "贷款逾期 42 天（界限 30 天）",
        "A loan is 42 days past due (bound 30)",
    )


def test_evidence_is_of_what_was_read(book: RuleBook) -> None:
    def evidence(values: Values) -> dict[str, str]:
        found = engine.find(panel_of(book, values), book)
        return dict(zip(found["rule_id"], found["evidence_hash"], strict=True))

    first = evidence({"power_late_days@0": 3, "days_past_due@0": 42})
    assert first == evidence({"power_late_days@0": 3, "days_past_due@0": 42})
    moved = evidence({"power_late_days@0": 3, "days_past_due@0": 43})
    assert moved["POWER_BILL_LATE_BLUE"] == first["POWER_BILL_LATE_BLUE"]
    assert moved["LOAN_30_DPD"] != first["LOAN_30_DPD"]


def test_a_stale_source_silences_its_rules_and_says_so(book: RuleBook) -> None:
    panel = panel_of(book, {"tax_sales_growth_3m_yoy@0": -0.9, "days_past_due@0": 42})
    stale = pl.DataFrame(
        {"firm_id": ["a", "a"], "source": ["tax", "power"], "age_days": [50, 90],
         "days": [41, 48]}
    )  # fmt: skip
    found = engine.find(Panel(AS_OF, panel.rows, stale), book)
    assert found["rule_id"].to_list() == ["DATA_STALE", "LOAN_30_DPD"]
    row = found.row(0, named=True)
    # Power is overdue by 42 days, tax by 9.
    assert (row["source"], row["value"], row["threshold"]) == ("power", 90, 48)
    assert row["text_zh"] == "数据逾期未更新：电力、税务；相关规则未评估"


_RULE = """
freshness: {}
least_peers: 20
rules:
  - {id: A_RULE, level: blue, source: tax, unit: share, zh: 文字, en: text, when: [%s]}
"""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{value: tax_sales_growth_3m_yo, below: 0}",
         "rule A_RULE: no feature 'tax_sales_growth_3m_yo'; did you mean tax_sales_growth_3m_yoy"),
        ("{value: profile_industry, below: 0}", "rule A_RULE: profile_industry is a category"),
        ("{value: tax_red_share_12m, worst_of_peers: 0.05}", "has no worse side"),
        ("{value: days_past_due, above: 0, months: 2}", "days_past_due is known only for the"),
        ("{value: default_prob, above: 0}", "comes from the model; write source: model"),
        ("{value: power_late_days}", "give one of at_least, above, at_most"),
        ("{value: power_late_days, above: 1, below: 3}", "not 2"),
        ("{value: power_late_days, above: 1, wheight: 3}", "wheight: Extra inputs"),
    ],
)  # fmt: skip
def test_a_wrong_condition_names_the_rule_and_the_next_step(
    line: str, message: str, known: Registry
) -> None:
    with pytest.raises(ContractError) as error:
        rules.parse(_RULE % line, known)
    assert message in str(error.value)
    assert str(error.value).startswith("warning_rules.yml: rule A_RULE: ")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("level: blue", "level: purple", "rule A_RULE: level: Input should be 'blue'"),
        (", zh: 文字", "", "rule A_RULE: zh: Field required"),
        ("zh: 文字", "zh: text", "zh has no Chinese text"),
        ("en: text", "en: '{valu}'", "a text takes {value} and {threshold}, not {valu}"),
        ("least_peers: 20", "least_peers: none", "least_peers: Input should be a valid integer"),
        ("rules:", "rulez: [", "is not YAML"),
    ],
)
def test_a_wrong_file_is_told(old: str, new: str, message: str, known: Registry) -> None:
    text = _RULE % "{value: power_late_days, above: 1}"
    assert old in text
    with pytest.raises(ContractError) as error:
        rules.parse(text.replace(old, new), known)
    assert message in str(error.value)


def test_two_rules_of_one_id_are_refused(known: Registry) -> None:
    text = _RULE % "{value: power_late_days, above: 1}"
    rule = text.splitlines()[-1]
    with pytest.raises(ContractError, match="A_RULE is already used"):
        rules.parse(f"{text}{rule}\n", known)


@pytest.mark.parametrize(("listed", "held"), [(1.0, ["DISHONEST_DEBTOR"]), (0.0, []), (None, [])])
def test_the_rule_of_the_page_may_be_added(
    listed: float | None, held: list[str], known: Registry
) -> None:
    page = (Path(rules.__file__).parents[2] / "docs" / "warnings.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    book = rules.parse(f"freshness: {{}}\nleast_peers: 20\nrules:\n{shown}", known)
    found = engine.find(panel_of(book, {"public_dishonest@0": listed}), book)
    assert found["rule_id"].to_list() == held
    assert book.sources == {"DISHONEST_DEBTOR": frozenset({"public_records"})}
