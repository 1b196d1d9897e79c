"""The plain-number models: calibration, logistic regression, scorecard."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize

from features.registry import FeatureMeta
from model.linear import Linear, Term
from training import scorecard, scorecard_fit
from training.boosted import FeatureList
from training.config import TrainingConfig
from training.frozen import FrozenFrame
from training.logistic import choose_strength, fit_linear, fit_signed


def _logistic(margin: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-margin))


def test_linear_model_adds_up_by_hand() -> None:
    model = Linear(
        intercept=-2.0,
        terms=(
            Term("sales", (0.0, 10.0), (0.0, 1.0), (), coefficients=(-1.0, 0.5), centre=-0.5),
            Term("industry", (), (), ("C17", "F51"), coefficients=(0.2, -0.2), centre=0.1),
        ),
    )
    rows = pl.DataFrame({"sales": [5.0, 20.0, float("nan")], "industry": ["C17", "G54", "F51"]})
    # Ranks 0.5, 1, and the median with a flag; beyond the grid the ends apply.
    assert model.logit(rows).tolist() == pytest.approx([-1.9, -2.6, -1.8])
    assert model.contributions(rows)[0].tolist() == pytest.approx([0.0, 0.1])
    assert Linear.from_json(json.loads(json.dumps(model.to_json()))) == model


def _rows(count: int) -> pl.DataFrame:
    random = np.random.default_rng(8)
    quality = random.normal(size=count)
    bad = random.random(count) < _logistic(-2 - 1.5 * quality)
    margin = np.where(random.random(count) < 0.2, np.nan, quality + random.normal(size=count))
    return pl.DataFrame(
        {
            "firm_id": [f"firm {i}" for i in range(count)],
            "as_of": [date(2026, 1, 31)] * count,
            "outcome": np.where(bad, "bad", "good").tolist(),
            "split": ["train"] * count,
            "statement_margin": margin,
            "statement_leverage": -quality + random.normal(size=count),
            "profile_industry": [("C17", "F51")[i % 2] for i in range(count)],
        }
    ).with_columns(pl.col("statement_margin").fill_nan(None))


def test_linear_contributions_are_centred_and_sum_to_the_log_odds() -> None:
    rows = _rows(500)
    names = ("statement_margin", "statement_leverage", "profile_industry")
    listed = FeatureList(names, ("profile_industry",), (0, 0, 0))
    model = fit_linear(rows, listed, c=1.0)
    matrix = rows.with_columns(pl.col("statement_margin").fill_null(float("nan")))
    parts = model.contributions(matrix)
    assert np.abs(parts.mean(axis=0)).max() < 1e-12
    assert model.logit(matrix) == pytest.approx(model.intercept + parts.sum(axis=1))
    # An intercept without penalty puts the mean PD on the observed rate.
    observed = (rows["outcome"] == "bad").mean()
    assert _logistic(model.logit(matrix)).mean() == pytest.approx(observed, abs=1e-3)


NAMES = ("statement_margin", "statement_leverage", "profile_industry")
# Leverage raises risk in `_rows`, margin lowers it.
RIGHT, WRONG = FeatureList(NAMES, NAMES[2:], (-1, 1, 0)), FeatureList(NAMES, NAMES[2:], (1, 1, 0))


def test_signed_regression_is_sklearns_where_no_sign_binds() -> None:
    rows = _rows(500)
    signed, free = fit_signed(rows, RIGHT, c=0.7), fit_linear(rows, RIGHT, c=0.7)
    assert signed.intercept == pytest.approx(free.intercept, abs=5e-3)
    for own, other in zip(signed.terms, free.terms, strict=True):
        assert own.coefficients == pytest.approx(other.coefficients, abs=5e-3)


def test_signed_regression_is_the_smallest_loss_where_a_sign_binds() -> None:
    rows, c = _rows(500), 0.7
    model = fit_signed(rows, WRONG, c)
    bad = (rows["outcome"] == "bad").to_numpy()
    # Ranks by another route: quantiles of the observed, the median and a flag for a missing one.
    margin = rows["statement_margin"].to_numpy().astype(float)
    grid, missing = np.linspace(0, 1, 41), np.isnan(margin)
    place = np.interp(margin, np.nanquantile(margin, grid), grid)
    leverage = rows["statement_leverage"].to_numpy()
    industry = rows["profile_industry"].to_numpy()
    columns = np.column_stack(
        [
            np.where(missing, 0.5, place), missing,
            np.interp(leverage, np.quantile(leverage, grid), grid), np.zeros(len(rows)),
            industry == "C17", industry == "F51", np.ones(len(rows)),
        ]
    ).astype(float)  # fmt: skip

    def loss(point: np.ndarray) -> float:
        right = np.where(bad, 1, -1) * (columns @ point)
        return float(np.log1p(np.exp(-right)).sum() + (point[:-1] ** 2).sum() / (2 * c))

    signs = [{"type": "ineq", "fun": lambda point, i=i: point[i]} for i in (0, 2)]
    expected = minimize(
        loss, np.zeros(7), method="SLSQP", constraints=signs, options={"ftol": 1e-12}
    ).x
    got = [weight for term in model.terms for weight in term.coefficients]
    assert got == pytest.approx(expected[:-1], abs=2e-3)
    base = model.intercept - sum(term.centre for term in model.terms)
    assert base == pytest.approx(expected[-1], abs=2e-3)
    # The wrong sign leaves nothing of the margin; its flag stays free.
    assert model.terms[0].coefficients[0] == 0
    assert model.terms[0].coefficients[1] != 0
    assert model.terms[1].coefficients[0] > 1


def test_signed_regression_explains_itself_and_survives_json() -> None:
    rows = _rows(500)
    model = fit_signed(rows, WRONG, c=1.0)
    matrix = rows.with_columns(pl.col("statement_margin").fill_null(float("nan")))
    parts = model.contributions(matrix)
    assert np.abs(parts.mean(axis=0)).max() < 1e-12
    assert model.logit(matrix) == pytest.approx(model.intercept + parts.sum(axis=1))
    observed = (rows["outcome"] == "bad").mean()
    assert _logistic(model.logit(matrix)).mean() == pytest.approx(observed, abs=1e-4)
    assert Linear.from_json(json.loads(json.dumps(model.to_json()))) == model


def test_strength_follows_the_evidence() -> None:
    rows, among = _rows(500), (0.001, 1.0)
    assert choose_strength(rows, RIGHT, among, repeats=1, seed=1) == 1.0
    # Random outcomes: the stronger penalty has the lower loss.
    shuffled = rows.with_columns(pl.col("outcome").shuffle(seed=2))
    assert choose_strength(shuffled, RIGHT, among, repeats=1, seed=1) == 0.001


def _statement(name: str, sign: str) -> FeatureMeta:
    return FeatureMeta(
        name=name,
        view="feat_statement",
        source="statement",
        dimension="liquidity",
        window="1y",
        unit="1",
        expected_sign=sign,
        null_means="no statement",
        kind="number",
        name_zh=name,
        name_en=name,
    )


METAS = (_statement("statement_margin", "-"), _statement("statement_leverage", "+"))


def test_scorecard_scores_as_optbinning_does(tmp_path: Path) -> None:
    rows = _rows(1_500)
    frame = FrozenFrame(
        date(2026, 1, 31), "training.frame", "digest", METAS, rows, rows.height, "delivered data"
    )
    card = scorecard_fit.fit_statements(frame, TrainingConfig())
    binning, model = scorecard_fit.fit_optbinning(rows, list(METAS), c=1.0)
    values = rows.select("statement_margin", "statement_leverage").to_pandas()
    evidence = binning.transform(values, metric="woe", metric_missing="empirical")
    expected = model.predict_proba(evidence.to_numpy())[:, 1]
    assert rows["statement_margin"].null_count() > 200
    np.testing.assert_allclose(card.default_prob(rows), expected, rtol=0, atol=1e-12)
    scorecard.save(card, tmp_path)
    assert scorecard.load(tmp_path) == card


def test_scorecard_points_add_up_to_the_score() -> None:
    rows = _rows(1_500)
    frame = FrozenFrame(
        date(2026, 1, 31), "training.frame", "digest", METAS, rows, rows.height, "delivered data"
    )
    card = scorecard_fit.fit_statements(frame, TrainingConfig())
    first = rows.head(1)
    points = 0
    for item in card.characteristics:
        evidence = item.weights_of_evidence(first[item.feature])[0]
        points += item.points[item.woe.index(evidence)]
    prob = card.default_prob(first)[0]
    # Base 600 at odds of 30, 40 points double the odds; each characteristic is rounded once.
    assert points == pytest.approx(403.724 + 57.708 * np.log((1 - prob) / prob), abs=1.1)


@pytest.mark.parametrize(
    ("known", "instead"),
    [
        (("statement_margin", "profile_firm_age_months"), ""),
        (("profile_firm_age_months", "profile_status_abnormal"),
         "profile_firm_age_months, profile_status_abnormal"),
        (("profile_status_abnormal", "tax_sales_12m"), "profile_status_abnormal"),
        (("tax_sales_12m",), "the default rate alone"),
    ],
)  # fmt: skip
def test_without_statements_the_scorecard_reads_what_is_there(
    tmp_path: Path, known: tuple[str, ...], instead: str
) -> None:
    rows = _rows(1_500)
    others = ("profile_firm_age_months", "profile_status_abnormal", "tax_sales_12m")
    metas = (
        METAS[0],
        *(replace(METAS[0], name=name, source=name.partition("_")[0]) for name in others),
    )
    value, unknown = pl.col("statement_margin"), pl.lit(None, pl.Float64)
    rows = rows.with_columns(
        (value if meta.name in known else unknown).alias(meta.name) for meta in metas
    )
    frame = FrozenFrame(
        date(2026, 1, 31), "training.frame", "digest", metas, rows, rows.height, "delivered data"
    )
    card = scorecard_fit.fit_statements(frame, TrainingConfig())
    assert scorecard_fit.without_statements(card, metas) == instead
    scorecard.save(card, tmp_path)
    assert scorecard.load(tmp_path) == card
    prob = card.default_prob(rows)
    share = (rows["outcome"] == "bad").mean()
    if instead == "the default rate alone":
        assert prob == pytest.approx(np.full(rows.height, share))
    else:
        assert np.unique(prob).size > 1
    # Points of a firm are its score, whatever the scorecard reads.
    assert all(item.points for item in card.characteristics)


# 1,900 good and 100 bad firms; the value has no information. A share of them lacks it.
GOODS, BADS = 1_900, 100
OVERALL = np.log(GOODS / BADS)


@pytest.mark.parametrize(
    ("missing_goods", "missing_bads", "odds", "low", "high"),
    [
        # Half a row of each class: 0.5 to 30.5 and 200.5 to 0.5. By hand.
        (0, 30, 0.5 / 30.5, 0.96, 0.999),
        (1, 29, 1 / 29, 0.93, 0.97),
        (200, 0, 200.5 / 0.5, 0.0005, 0.005),
        (199, 1, 199 / 1, 0.005, 0.007),
        # No row lacks it: no evidence.
        (0, 0, GOODS / BADS, 0.045, 0.055),
    ],
)
def test_a_bin_of_one_class_is_more_evidence_than_the_same_with_one_of_the_other(
    missing_goods: int, missing_bads: int, odds: float, low: float, high: float
) -> None:
    """It was zero: a PD of 0.51 where all 30 were bad, 0.053 where all 200 were good."""
    count = GOODS + BADS
    bad = np.arange(count) >= GOODS
    missing = np.r_[np.arange(GOODS) < missing_goods, np.arange(BADS) < missing_bads]
    value = np.random.default_rng(3).normal(size=count)
    rows = _rows(count).with_columns(
        pl.Series("outcome", np.where(bad, "bad", "good")),
        pl.Series("statement_margin", np.where(missing, np.nan, value)).fill_nan(None),
        pl.Series("statement_leverage", np.random.default_rng(4).normal(size=count)),
    )
    frame = FrozenFrame(
        date(2026, 1, 31), "training.frame", "digest", METAS, rows, rows.height, "delivered data"
    )
    card = scorecard_fit.fit_statements(frame, TrainingConfig())
    (item,) = [one for one in card.characteristics if one.feature == "statement_margin"]
    assert item.woe[-1] == pytest.approx(np.log(odds) - OVERALL, abs=1e-9)
    unknown = pl.DataFrame({"statement_margin": [None], "statement_leverage": [0.0]})
    assert low < card.default_prob(unknown.cast(pl.Float64))[0] < high
