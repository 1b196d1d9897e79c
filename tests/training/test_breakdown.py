"""A model on parts of the rows: kinds of firm, removed sources."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from scipy.stats import chi2
from sklearn.metrics import brier_score_loss, roc_auc_score

from features.registry import FeatureMeta
from firmpulse import warehouse
from firmpulse.scale import FloatArray
from firmpulse.settings import Settings
from tests.credit_economy import REGISTRY
from training.config import DEFAULT
from training.validation import breakdown, segments

CONFIG = replace(DEFAULT, segment_draws=100)


def test_kinds_of_firms_are_told_by_their_features() -> None:
    rows = pl.DataFrame(
        {
            "firm_id": ["a", "b", "c", "d"],
            "as_of": [date(2025, 6, 30), date(2025, 6, 30), date(2025, 9, 30), date(2026, 1, 31)],
            "profile_industry": ["17", "51", "99", None],
            # Per month; 3 and 20 million per year are bounds, each of the band above.
            "tax_sales_mean_12m": [249_999.0, 250_000.0, 2_000_000.0, None],
            "profile_firm_age_months": [35.9, 36.0, 120.0, None],
            "profile_has_tax": [1.0, 1.0, 0.0, 0.0],
            "profile_has_bank": [0.0, 1.0, 0.0, 0.0],
            "profile_has_supply_chain": [0.0, 0.0, 0.0, 0.0],
            "profile_has_power": [0.0, 1.0, 0.0, None],
            "profile_observed_months": [24.0, 24.0, 5.0, 2.0],
            "profile_source_count": [3.0, 4.0, 4.0, 4.0],
            "founder_report_age_months": [None, None, 1.0, None],
            "project_running_count": [2.0, None, None, None],
        }
    )
    provinces = pl.DataFrame({"firm_id": ["d", "b", "a"], "province_code": ["31", "62", "44"]})
    assert segments.label(rows, provinces).to_dict(as_series=False) == {
        "industry": ["C manufacturing", "F wholesale and retail", "unknown", "unknown"],
        "size": [
            "below 3 million a year", "3 to 20 million", "from 20 million", "unknown",
        ],
        "age": ["below 3 years", "3 to 6 years", "from 10 years", "unknown"],
        "sources": ["tax", "tax + bank + power", "none", "none"],
        "coverage": ["partial", "full", "thin", "insufficient"],
        "history": ["from 24 months"] * 2 + ["below 6 months"] * 2,
        "quarter": ["2025 Q2", "2025 Q2", "2025 Q3", "2026 Q1"],
        "region": ["central and south", "north-west", "unknown", "east"],
    }  # fmt: skip
    # Missing columns are left out.
    assert segments.label(rows.select("firm_id", "profile_industry")).columns == ["industry"]
    types = segments.types_of(segments.label(rows))
    assert types[0] == "C manufacturing · below 3 million a year · below 3 years"


def test_the_mix_compares_training_rows_with_the_firms_of_a_night() -> None:
    def rows(months: list[float], bank: list[float]) -> pl.DataFrame:
        return pl.DataFrame({
            "firm_id": [f"{place}" for place in range(len(months))],
            "profile_observed_months": months,
            "profile_has_tax": [1.0] * len(months),
            "profile_has_bank": bank,
            "profile_has_supply_chain": [0.0] * len(months),
            "profile_has_power": [0.0] * len(months),
        })  # fmt: skip

    found = segments.mix(
        rows([5, 8, 8, 9], [0, 1, 1, 1]), rows([30, 30, 30, 8, 8], [1, 1, 1, 0, 0])
    )
    assert found.with_columns(pl.col("trained", "scored").round(6)).rows() == [
        ("history", "from 24 months", 0.0, 0.6),
        ("history", "6 to 12 months", 0.75, 0.4),
        ("history", "below 6 months", 0.25, 0.0),
        ("sources", "tax + bank", 0.75, 0.6),
        ("sources", "tax", 0.25, 0.4),
    ]
    bare = rows([5], [1]).select("firm_id")
    assert segments.mix(bare, bare).is_empty()


def test_a_group_with_enough_defaults_whose_level_is_wrong_is_named() -> None:
    """Of six hundred firms a quarter, 120 default in one and 240 in the other; PDs say a fifth."""
    per_quarter = {"2025 Q2": 120, "2025 Q3": 240}
    rows = pl.DataFrame([
        {"firm_id": f"{quarter} {firm}", "outcome": "bad" if firm < bads else "good",
         "quarter": quarter, "industry": quarter}
        for quarter, bads in per_quarter.items() for firm in range(600)
    ])  # fmt: skip
    labelled, prob = rows.select("industry", "quarter"), np.full(rows.height, 0.2)
    found = breakdown.by_segment(rows, labelled, prob, CONFIG)
    gates = CONFIG.gates
    # An industry may be off; it is listed among the findings.
    assert breakdown.off_level(found, gates)["cut", "segment"].rows() == [("quarter", "2025 Q3")]
    assert breakdown.off_level(found, replace(gates, group_bads=241)).is_empty()
    assert breakdown.off_level(found, replace(gates, most_observed_expected=1.9)).is_empty()


def test_every_province_is_in_one_region() -> None:
    # GB/T 2260: the first two digits of the 31 provinces, of Taiwan, Hong Kong and Macau.
    codes = [
        *range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55),
        *range(61, 66), 71, 81, 82,
    ]  # fmt: skip
    provinces = pl.DataFrame({"firm_id": codes, "province_code": [str(code) for code in codes]})
    labelled = segments.label(provinces.select("firm_id"), provinces)["region"]
    assert (labelled != "unknown").all()
    assert labelled.value_counts().height == 7


def test_provinces_come_from_the_newest_registration(settings: Settings) -> None:
    rows = pl.DataFrame({"firm_id": ["00000000-0000-0000-0000-000000000001"]})
    day = date(2025, 6, 30)
    assert segments.provinces(settings, rows, day) is None
    with warehouse.connect(settings) as connection:
        connection.execute("create schema warehouse.staging")
        connection.execute(
            "create table warehouse.staging.stg_tax__registration (firm_id uuid, "
            "available_at date, updated_on date, record_version integer)"
        )
    # A table from before provinces were kept.
    assert segments.provinces(settings, rows, day) is None
    with warehouse.connect(settings) as connection:
        connection.execute(
            "alter table warehouse.staging.stg_tax__registration add column province_code varchar"
        )
        connection.executemany(
            "insert into warehouse.staging.stg_tax__registration values (?, ?, ?, ?, ?)",
            [
                (rows["firm_id"][0], date(2024, 1, 2), date(2024, 1, 1), 1, "44"),
                (rows["firm_id"][0], date(2025, 1, 2), date(2025, 1, 1), 2, "31"),
                # Known only later.
                (rows["firm_id"][0], date(2025, 7, 2), date(2025, 7, 1), 3, "11"),
                ("00000000-0000-0000-0000-000000000002", day, day, 1, "61"),
            ],
        )
    found = segments.provinces(settings, rows, day)
    assert found is not None
    assert found.rows() == [(rows["firm_id"][0], "31")]


@pytest.fixture
def scored() -> tuple[pl.DataFrame, pl.DataFrame, FloatArray]:
    """Return rows of 300 firms of three kinds, one tiny, with PDs that rank only one kind."""
    random = np.random.default_rng(11)
    kind = np.repeat(["big", "flat", "tiny"], [180, 117, 3])
    outcome = random.random(300) < 0.25
    outcome[-3:] = [True, False, False]
    prob = np.where(kind == "big", 0.1 + 0.3 * outcome + 0.1 * random.random(300), 0.25)
    rows = pl.DataFrame(
        {
            "firm_id": [f"{i:03}" for i in range(300)],
            "outcome": np.where(outcome, "bad", "good").tolist(),
        }
    )
    return rows, pl.DataFrame({"kind": kind.tolist()}), prob


def test_segments_are_measured_apart(
    scored: tuple[pl.DataFrame, pl.DataFrame, FloatArray],
) -> None:
    rows, kinds, prob = scored
    found = {
        row["segment"]: row for row in breakdown.by_segment(rows, kinds, prob, CONFIG).to_dicts()
    }
    # Three firms are too few to be shown, under any name.
    assert list(found) == ["big", "flat", "few"]
    assert found["few"] == {name: None for name in found["few"]} | {
        "cut": "kind", "segment": "few", "firms": 3, "rows": 3,
    }  # fmt: skip
    big = (kinds["kind"] == "big").to_numpy()
    is_bad = (rows["outcome"] == "bad").to_numpy()
    assert found["big"]["bads"] == is_bad[big].sum()
    assert found["big"]["auc"] == pytest.approx(roc_auc_score(is_bad[big], prob[big]))
    assert found["big"]["brier"] == pytest.approx(brier_score_loss(is_bad[big], prob[big]))
    level = is_bad[big].sum() / prob[big].sum()
    assert found["big"]["observed_expected"] == pytest.approx(level)
    # Exact for a Poisson count, by way of the chi-square distribution.
    count, expected = is_bad[big].sum(), prob[big].sum()
    assert found["big"]["observed_expected_low"] == pytest.approx(
        chi2.ppf(0.025, 2 * count) / 2 / expected
    )
    assert found["flat"]["auc"] == 0.5
    assert found["big"]["auc_low"] <= found["big"]["auc"] <= found["big"]["auc_high"]
    # Without a default there is nothing to rank, and PDs may still be too high.
    one_kind = rows.with_columns(outcome=pl.lit("good"))
    silent = breakdown.by_segment(one_kind, kinds, prob, CONFIG)
    assert silent.columns == breakdown.by_segment(rows, kinds, prob, CONFIG).columns
    assert silent["auc"].null_count() == silent.height
    assert silent["observed_expected_high"][0] < 1


def test_one_firm_in_default_does_not_rank_a_segment() -> None:
    rows = pl.DataFrame(
        {
            "firm_id": [*["a"] * 6, *(f"{i}" for i in range(20))],
            "outcome": ["bad"] * 6 + ["good"] * 20,
        }
    )
    kinds = pl.DataFrame({"kind": ["one"] * 26})
    (row,) = breakdown.by_segment(rows, kinds, np.linspace(0.1, 0.3, 26), CONFIG).to_dicts()
    assert row["bads"] == 6
    assert row["auc"] is None
    # The firm's six rows are one default, which shows little of the level.
    assert row["observed_expected"] == pytest.approx(6 / 5.2)
    assert row["observed_expected_low"] < 0.1
    assert row["observed_expected_high"] > 5


def test_the_value_of_sources_is_told_as_it_is_and_refitted() -> None:
    random = np.random.default_rng(5)
    outcome = random.random(400) < 0.3
    rows = pl.DataFrame(
        {
            "firm_id": [f"{i}" for i in range(400)],
            "outcome": np.where(outcome, "bad", "good").tolist(),
            "tax_sales_12m": random.normal(size=400),
            "bank_days_cash_6m": outcome + random.normal(size=400),
        }
    )
    read: list[list[str]] = []

    def predict(seen: pl.DataFrame) -> FloatArray:
        cash = seen["bank_days_cash_6m"].fill_null(0.0).to_numpy()
        return np.asarray(1 / (1 + np.exp(-cash)), dtype=np.float64)

    def refit(features: list[FeatureMeta]) -> FloatArray:
        read.append([feature.name for feature in features])
        return np.full(400, 0.3)

    metas = [
        REGISTRY["tax_sales_12m"], REGISTRY["bank_days_cash_6m"], REGISTRY["profile_source_count"],
    ]  # fmt: skip
    found = breakdown.by_source(rows, metas, predict, refit, CONFIG)
    as_it_is = found.filter(pl.col("model") == "as it is")
    cash = pytest.approx(roc_auc_score(outcome, rows["bank_days_cash_6m"]))
    assert as_it_is["auc"].to_list() == [cash, 0.5, cash, cash, cash]
    assert as_it_is["features"].to_list() == [1, 1, 2, 2, 2]
    assert read[:2] == [["bank_days_cash_6m"], ["tax_sales_12m"]]
    assert read[2] == ["tax_sales_12m", "bank_days_cash_6m"]
    assert found["sources"][-1] == "tax + bank + supply_chain + power"
