"""Stress scenarios against values computed by hand, and on the economy's own model."""

import itertools
from dataclasses import replace
from types import MappingProxyType

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from features.registry import FeatureMeta, UnderSales
from firmpulse import warehouse
from firmpulse.errors import NotReadyError
from firmpulse.scale import FloatArray
from firmpulse.settings import Settings
from model import stress
from model.stress import PaymentsLater, SalesFall, TopCustomerLost
from tests.credit_economy import AS_OF, build_warehouse
from training import boosted, frozen, pipeline
from training.config import DEFAULT

QUICK = replace(DEFAULT, boosting=MappingProxyType({"iterations": 40, "depth": 3, "rsm": 0.7}))
WORDS: dict[str, UnderSales | None] = {
    "tax_sales_mean_12m": "proportional",
    "tax_ticket_mean_12m": "proportional",
    "tax_purchase_to_sales_12m": "inverse",
    "tax_sales_growth_12m_yoy": "growth",
    "tax_sales_cv_12m": None,
    "tax_customer_hhi_12m": None,
    "tax_top_customer_share_12m": None,
    "tax_top5_customer_share_12m": None,
    "tax_customer_count_12m": None,
    "tax_customer_count_6m": None,
    "bank_operating_in_mean_6m": "proportional",
    "bank_net_flow_ratio_6m": "margin",
    "bank_debt_service_ratio_6m": "inverse",
    "bank_loan_in_share_6m": "inverse_share",
    "bank_days_cash_6m": None,
    "bank_lowest_balance_to_outflow_6m": None,
    "supply_payment_delay_days_12m": None,
    "supply_overdue_share_12m": None,
}


def _meta(name: str, word: UnderSales | None) -> FeatureMeta:
    return FeatureMeta(
        name=name,
        view="feat",
        source=name.split("_")[0],
        dimension="scale",
        window="12m",
        unit="1",
        expected_sign="U",
        null_means="not observed",
        kind="number",
        name_zh="指标",
        name_en=name,
        under_sales=word,
    )


METAS = tuple(_meta(name, word) for name, word in WORDS.items())


def _moved(scenario: stress.Scenario, **features: list[float | None]) -> dict[str, list[object]]:
    rows = pl.DataFrame(features, schema=dict.fromkeys(features, pl.Float64))
    return stress.shocked(rows, METAS, scenario).to_dict(as_series=False)


def _near(expected: dict[str, list[float | None]]) -> dict[str, list[object]]:
    return {
        name: [None if value is None else pytest.approx(value) for value in values]
        for name, values in expected.items()
    }


def test_each_word_at_four_fifths_of_sales() -> None:
    moved = _moved(
        SalesFall(0.2),
        tax_sales_mean_12m=[1000, -50, None],
        tax_purchase_to_sales_12m=[0.4, 0, None],
        tax_sales_growth_12m_yoy=[0.5, -1, None],
        bank_net_flow_ratio_6m=[0.2, -4, None],
        bank_debt_service_ratio_6m=[0.2, 9, None],
        bank_loan_in_share_6m=[0.5, 1, None],
        tax_sales_cv_12m=[0.7, 2, None],
        tax_top_customer_share_12m=[0.7, 1, None],
    )
    assert moved == _near({
        "tax_sales_mean_12m": [800, -40, None],
        "tax_purchase_to_sales_12m": [0.5, 0, None],
        "tax_sales_growth_12m_yoy": [0.2, -1, None],
        # Of 100 in and 80 out, 80 in and 80 out are left; clipped below -5.
        "bank_net_flow_ratio_6m": [0, -5, None],
        "bank_debt_service_ratio_6m": [0.25, 10, None],
        "bank_loan_in_share_6m": [5 / 9, 1, None],
        "tax_sales_cv_12m": [0.7, 2, None],
        "tax_top_customer_share_12m": [0.7, 1, None],
    })  # fmt: skip


def test_a_value_at_its_limit_stays_because_the_true_one_is_not_known() -> None:
    at_limits: dict[str, list[float | None]] = {
        "tax_sales_growth_12m_yoy": [10],
        "bank_net_flow_ratio_6m": [-5],
        "bank_debt_service_ratio_6m": [10],
    }
    assert _moved(SalesFall(0.3), **at_limits) == at_limits


def test_the_top_customer_lost() -> None:
    """The first firm sells 50, 30 and 20; the second 20 to one and 10 to each of eight."""
    moved = _moved(
        TopCustomerLost(),
        tax_top_customer_share_12m=[0.5, 0.2, 1, None],
        tax_customer_hhi_12m=[0.38, 0.12, 1, None],
        tax_top5_customer_share_12m=[1, 0.6, 1, None],
        tax_customer_count_12m=[3, 9, 1, 0],
        tax_customer_count_6m=[3, 7, 1, 0],
        tax_sales_mean_12m=[100, 100, 100, 100],
        tax_ticket_mean_12m=[10, 10, 10, 10],
        tax_purchase_to_sales_12m=[0.4, 0.4, 0.4, 0.4],
        tax_sales_growth_12m_yoy=[0.1, 10, 10, 0.1],
        bank_debt_service_ratio_6m=[0.1, 0.1, 10, 0.1],
        bank_loan_in_share_6m=[0.5, 0.2, 0, 0.2],
    )
    assert moved == _near({
        # Known to be at least the index of those left; the first firm's is 0.6 in truth.
        "tax_top_customer_share_12m": [0.52, 0.125, None, None],
        "tax_customer_hhi_12m": [0.6**2 + 0.4**2, 0.125, None, None],
        # Of eight equal ones, five.
        "tax_top5_customer_share_12m": [1, 5 / 8, None, None],
        "tax_customer_count_12m": [2, 8, 0, 0],
        # Two did not buy in six months, and may be the lost ones.
        "tax_customer_count_6m": [2, 7, 0, 0],
        "tax_sales_mean_12m": [50, 80, 0, 100],
        "tax_ticket_mean_12m": [10, 10, 10, 10],
        "tax_purchase_to_sales_12m": [0.8, 0.5, None, 0.4],
        "tax_sales_growth_12m_yoy": [-0.45, 10, -1, 0.1],
        "bank_debt_service_ratio_6m": [0.2, 0.125, None, 0.1],
        "bank_loan_in_share_6m": [2 / 3, 5 / 21, None, 0.2],
    })  # fmt: skip


def test_buyers_that_pay_thirty_days_later() -> None:
    moved = _moved(
        PaymentsLater(30),
        supply_payment_delay_days_12m=[12, None, -3],
        supply_overdue_share_12m=[0.27, None, 1],
        tax_sales_mean_12m=[1000, 1000, 1000],
        bank_operating_in_mean_6m=[600, None, 0],
        bank_net_flow_ratio_6m=[0.5, None, None],
        bank_days_cash_6m=[100, None, 40],
        bank_lowest_balance_to_outflow_6m=[3, None, 1],
    )
    assert moved == _near({
        "supply_payment_delay_days_12m": [42, None, 27],
        "supply_overdue_share_12m": [0.27 + 0.73 * 30 / 365, None, 1],
        "tax_sales_mean_12m": [1000, 1000, 1000],
        "bank_operating_in_mean_6m": [500, None, 0],
        "bank_net_flow_ratio_6m": [0.4, None, None],
        # Two in for one out: 30 days of receipts are 60 days of payments.
        "bank_days_cash_6m": [40, None, 40],
        "bank_lowest_balance_to_outflow_6m": [3 - 60 / 30.4375, None, 1],
    })  # fmt: skip


def test_what_a_frame_lacks_is_passed_over() -> None:
    rows = pl.DataFrame({"firm_id": ["a"], "tax_sales_mean_12m": [100.0]})
    only_share = pl.DataFrame({"tax_top_customer_share_12m": [0.5], "bank_days_cash_6m": [9.0]})
    assert_frame_equal(stress.shocked(rows, METAS, TopCustomerLost()), rows)
    assert_frame_equal(stress.shocked(rows, METAS, PaymentsLater(60)), rows)
    for scenario in stress.SCENARIOS:
        assert_frame_equal(stress.shocked(only_share, METAS, scenario), only_share)


def _by_sales(rows: pl.DataFrame) -> FloatArray:
    return 1 / rows["tax_sales_mean_12m"].to_numpy()


def test_measures_of_four_firms() -> None:
    """PDs 10, 4, 0.9 and 0.2 % become 12.5, 5, 1.125 and 0.25 %: CC, CCC, BBB and AA."""
    rows = pl.DataFrame({"tax_sales_mean_12m": [10.0, 25.0, 1 / 0.009, 500.0]})
    worse, same = stress.measure(rows, METAS, _by_sales, (SalesFall(0.2), PaymentsLater(60)))
    assert (worse.scenario, worse.firms, worse.firms_moved) == ("sales -20 %", 4, 4)
    assert worse.mean_prob_before == pytest.approx(0.151 / 4)
    assert worse.mean_prob_after == pytest.approx(0.18875 / 4)
    # B becomes CCC; 0.2 % is already AA, whose band begins there.
    assert worse.downgraded_share == 0.25
    # 403.724 + 57.708·ln(odds): 531→516, 587→574, 675→662, 762→749.
    assert worse.mean_score_change == pytest.approx((-15 - 13 - 13 - 13) / 4)
    # A quarter more for two tenths of sales.
    assert worse.sensitivity == pytest.approx(0.125)
    counts = {row[0]: sum(row[1:]) for row in worse.migration.iter_rows()}
    assert counts == dict(AAA=0, AA=1, A=0, BBB=1, BB=0, B=1, CCC=0, CC=1, C=0)
    assert worse.migration.filter(grade="B")["CCC"].item() == 1
    assert worse.migration.columns == ["grade", *counts]
    assert (same.scenario, same.firms_moved) == ("DSO +60 days", 0)
    assert (same.sensitivity, same.downgraded_share, same.mean_score_change) == (0, 0, 0)
    shown = stress.table((worse, same))
    assert shown["scenario"].to_list() == ["sales -20 %", "DSO +60 days"]
    assert "migration" not in shown.columns
    with pytest.raises(NotReadyError, match="no firm to stress"):
        stress.measure(rows.clear(), METAS, _by_sales)


def test_a_fall_of_sales_lowers_no_default_probability(settings: Settings) -> None:
    build_warehouse(settings)
    pipeline.sample(settings, AS_OF)
    frame = frozen.read(settings, AS_OF)
    words = {"tax_sales_12m": "proportional", "tax_sales_growth_12m": "growth"}
    metas = [replace(meta, under_sales=words.get(meta.name)) for meta in frame.features]
    # The economy draws its features from a normal distribution; only positive sales fall.
    rows = frame.rows.filter(pl.col("tax_sales_12m") > 0, pl.col("tax_sales_growth_12m") > -1)
    assert rows.height > 500
    model = boosted.fit(settings, frame, QUICK).model
    levels = [model.default_prob(rows)] + [
        model.default_prob(stress.shocked(rows, metas, SalesFall(share)))
        for share in (0.1, 0.2, 0.3)
    ]
    for milder, harsher in itertools.pairwise(levels):
        assert (harsher >= milder).all()
        assert (harsher > milder).any()
    results = stress.measure(rows, metas, model.default_prob)
    assert results[2].mean_prob_after == pytest.approx(float(levels[3].mean()))
    assert 0 < results[0].downgraded_share <= results[2].downgraded_share < 1
    assert results[2].migration.drop("grade").to_numpy().sum() == rows.height


def test_a_frame_frozen_before_there_were_words_is_read_without_them(settings: Settings) -> None:
    rows = pl.DataFrame(
        {
            "firm_id": ["00000000-0000-0000-0000-000000000001"],
            "as_of": [AS_OF],
            "outcome": ["bad"],
            "split": ["train"],
            "tax_sales_mean_12m": [1.0],
        }
    )
    meta = METAS[0]
    with warehouse.connect(settings) as connection:
        frozen.write(connection, AS_OF, rows, (meta,), frozen.table_name(AS_OF))
    assert frozen.read(settings, AS_OF).features == (meta,)
    with warehouse.connect(settings) as connection:
        connection.execute(
            "update warehouse.training.frames set features_json = "
            "replace(features_json, ', \"under_sales\": \"proportional\"', '')"
        )
    assert frozen.read(settings, AS_OF).features == (replace(meta, under_sales=None),)
