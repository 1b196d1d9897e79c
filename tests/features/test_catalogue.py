"""The catalogue: origin, distribution and strength of a feature, and its pages."""

import math
import re

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from extracts import contracts
from features import catalogue, catalogue_page, distribution, lineage, registry, strength
from features.catalogue import Catalogue
from firmpulse import dbt_runner
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings

CONTRACTS = {
    table: tuple(column.name for column in contract.columns)
    for table, contract in contracts.load().items()
}


@pytest.fixture(scope="module")
def collected(random_home: Settings) -> Catalogue:
    """Return the catalogue of a home with features of random rows."""
    return catalogue.collect(random_home, CONTRACTS)


def test_every_feature_is_traced_to_columns_of_contracts(
    collected: Catalogue, random_home: Settings
) -> None:
    assert [entry.meta.name for entry in collected.entries] == list(
        registry.load(random_home).names()
    )
    for entry in collected.entries:
        assert entry.origin.delivered, entry.meta.name
        for table, column in entry.origin.delivered:
            assert column == "*" or column in CONTRACTS[table], entry.meta.name


def test_the_columns_behind_a_feature(random_home: Settings) -> None:
    traced = lineage.read(random_home, CONTRACTS)
    slope = traced.origin("feat_bank_monthly", "bank_payroll_slope_6m")
    # Wages, and the share of payments with a known text.
    assert slope.facts == (
        ("fct_bank_monthly", "payroll_cny"),
        ("fct_bank_monthly", "turnover_cny"),
        ("fct_bank_monthly", "turnover_in_cny"),
        ("fct_bank_monthly", "unknown_out_cny"),
    )
    assert ("stg_bank__txn", "amount_cny") in slope.masked
    assert {("bank_txn", "amount"), ("bank_txn", "fx_rate"), ("bank_txn", "summary")} <= set(
        slope.delivered
    )
    # It counts sources with any rows.
    present = traced.origin("feat_profile_monthly", "profile_has_power")
    assert present.masked == ()
    assert ("power_bill", "*") in present.delivered


def test_before_a_build_there_is_no_lineage(settings: Settings) -> None:
    with pytest.raises(NotReadyError, match="firmpulse night"):
        lineage.read(settings, CONTRACTS)


def test_strength_agrees_with_sklearn_and_with_a_count_by_hand() -> None:
    random = np.random.default_rng(5)
    bad = pl.Series(random.random(500) < 0.3)
    values = pl.Series(random.normal(size=500) + bad.to_numpy())
    found = strength.measure(values, bad)
    assert found is not None
    assert found.auc == pytest.approx(roc_auc_score(bad, values))
    assert (found.rows, found.bads) == (500, int(bad.sum()))
    # Two categories: of 20 bad ones 15 in A, of 80 good ones 20.
    kinds = pl.Series(["A"] * 35 + ["B"] * 65)
    outcome = pl.Series([True] * 15 + [False] * 20 + [True] * 5 + [False] * 60)
    by_kind = strength.measure(kinds, outcome)
    assert by_kind is not None
    bad_a, good_a = 15.5 / 21, 20.5 / 81
    expected = (good_a - bad_a) * math.log(good_a / bad_a)
    expected += (bad_a - good_a) * math.log((1 - good_a) / (1 - bad_a))
    assert by_kind.information_value == pytest.approx(expected)
    assert math.isnan(by_kind.auc)


def test_a_few_outcomes_say_nothing() -> None:
    bad = pl.Series([True] * 9 + [False] * 50)
    assert strength.measure(pl.Series(range(59), dtype=pl.Float64), bad) is None
    assert strength.measure(pl.Series([1.0] * 100), pl.Series([True, False] * 50)) is None


def test_no_bar_shows_fewer_than_five_firms() -> None:
    values = pl.Series([float(n) for n in range(100)] + [50.0] * 30 + [None] * 70)
    found = distribution.of_values(values)
    assert found.missing_share == pytest.approx(0.35)
    assert found.quantiles[0.5] == pytest.approx(50)
    assert all(count == 0 or count >= 5 for _, count in found.bars)
    assert max(count for _, count in found.bars) > 30
    kinds = distribution.of_values(pl.Series(["C"] * 30 + ["F"] * 5 + ["Z"] * 4))
    assert kinds.bars == (("C", 30), ("F", 5))
    few = distribution.of_values(pl.Series([1.0] * 19 + [None]))
    assert (few.quantiles, few.bars, few.missing_share) == ({}, (), 0.05)


def test_the_pages_hold_every_feature_and_need_no_network(collected: Catalogue) -> None:
    pages = catalogue_page.pages(collected)
    assert next(iter(pages)) == "index.html"
    for entry in collected.entries:
        assert entry.meta.name_zh in pages["index.html"]
        link = f"{entry.meta.view}.html#{entry.meta.name}"
        assert link in pages["index.html"]
        assert f'id="{entry.meta.name}"' in pages[f"{entry.meta.view}.html"]
    for text in pages.values():
        assert not re.search(r"https?://", text)
        assert 'src="' not in text
    assert "bank_txn.amount" in pages["feat_bank_monthly.html"]
    assert "snapshots_to_build" in pages["feat_bank_monthly.html"]
    seasonal = [entry for entry in collected.entries if entry.meta.seasonal]
    assert 0 < len(seasonal) < 40
    assert sum(text.count("训练日期覆盖四个季度") for text in pages.values()) == len(seasonal)


def test_the_documentation_of_dbt_names_no_folder_and_no_key(random_home: Settings) -> None:
    page = dbt_runner.document(random_home)
    assert "feat_bank_monthly" in page
    assert str(random_home.root) not in page
    assert str(dbt_runner.DBT_PROJECT.parent) not in page
    for key in random_home.keys_dir.iterdir():
        assert key.read_text().strip() not in page
