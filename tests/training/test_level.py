"""A model is moved to the level of the newest quarter, as far as its defaults can carry it."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import logit

from firmpulse import tracking
from firmpulse.scale import OFFSET, SLOPE
from model.bundle import Bundle, CreditModel
from model.calibration import Beta, Calibration, Isotonic, Platt
from model.linear import Linear
from tests.credit_economy import AS_OF, CONFIG, Trained
from training import frozen, level
from training.config import DEFAULT, TrainingConfig
from training.frozen import FrozenFrame, bads_of
from training.scorecard import bins_of
from training.split import OOT, TRAIN
from training.validation import subject

EARLIER, NEWEST = date(2025, 6, 30), date(2025, 9, 30)


def _frame(firms: int, bads: int) -> FrozenFrame:
    """Return a frame whose newest quarter has these defaults; the earlier ones all default."""
    parts = [(date(2024, 6, 30), TRAIN, firms), (EARLIER, OOT, firms), (NEWEST, OOT, bads)]
    rows = pl.concat(
        pl.DataFrame({
            "firm_id": [f"firm {i}" for i in range(firms)],
            "as_of": [day] * firms,
            "split": [split] * firms,
            "outcome": ["bad"] * bad + ["good"] * (firms - bad),
        })
        for day, split, bad in parts
    )  # fmt: skip
    return FrozenFrame(
        date(2026, 10, 31), "training.frame", "digest", (), rows, rows.height, "simulated firms"
    )


def _two_percent(rows: pl.DataFrame) -> np.ndarray:
    """Return PDs around 2 percent, whose sum is 2 percent of the rows."""
    return np.where(np.arange(rows.height) % 2 == 0, 0.01, 0.03)


@pytest.mark.parametrize(
    ("firms", "bads", "goal"),
    [
        # Expected 200: (300 + 100) / (200 + 100) of it.
        (10_000, 300, 200 * 400 / 300),
        (10_000, 200, 200),
        (10_000, 0, 200 * 100 / 300),
        # A small portfolio with the same rate: (30 + 100) / (20 + 100).
        (1_000, 30, 20 * 130 / 120),
        (50, 50, 1 * 150 / 101),
    ],
)
def test_level_moves_by_the_credibility_of_the_newest_quarters_defaults(
    firms: int, bads: int, goal: float
) -> None:
    frame = _frame(firms, bads)
    found = level.find(frame, _two_percent, DEFAULT)
    quarter = frame.rows.filter(pl.col("as_of") == NEWEST)
    moved = 1 / (1 + np.exp(-(logit(_two_percent(quarter)) + found.shift)))
    assert moved.sum() == pytest.approx(goal, rel=1e-9)
    assert (found.quarter, found.observed, found.expected) == (
        NEWEST,
        bads,
        pytest.approx(firms / 50),
    )
    assert found.observed_expected.value == pytest.approx(bads / (firms / 50))


def test_without_weight_on_the_past_the_level_is_that_of_the_quarter() -> None:
    found = level.find(_frame(1_000, 30), _two_percent, TrainingConfig(level_firms=0))
    prob = _two_percent(_frame(1_000, 30).rows.head(1_000))
    assert (1 / (1 + np.exp(-(logit(prob) + found.shift)))).sum() == pytest.approx(30)


@pytest.mark.parametrize(
    "calibration",
    [Platt(0.9, -0.2), Beta(0.8, 1.1, 0.3), Isotonic((-4.0, -2.0, 0.0), (-3.5, -2.5, 0.5), 0.7)],
)
def test_a_moved_model_differs_by_the_shift_in_every_segment(calibration: Calibration) -> None:
    bundle = Bundle(("x",), (), calibration, NEWEST, "digest", 1, 0, linear=Linear(0.0, ()))
    own = CreditModel(replace(bundle, calibration=Platt(1.0, 0.5)))
    model = level.moved(CreditModel(bundle, segments={"a": own}), 0.25)
    raw = np.linspace(-6, 3, 50)
    for before, after in ((calibration, model), (own.bundle.calibration, model.segments["a"])):
        assert after.bundle.calibration.logit(raw) == pytest.approx(before.logit(raw) + 0.25)


def test_the_quarter_is_the_newest_whatever_the_order_of_the_rows() -> None:
    frame = _frame(100, 5)
    turned = replace(frame, rows=frame.rows.reverse())
    assert level.find(turned, _two_percent, DEFAULT).observed == 5
    assert bads_of(frame.rows).sum() > 5


def test_the_registered_candidate_and_scorecards_are_at_the_level_of_the_quarter(
    trained: Trained,
) -> None:
    frame = frozen.read(trained.settings, AS_OF)
    oot = frame.part(OOT)
    quarter = oot.filter(pl.col("as_of") == pl.col("as_of").max())
    found = subject.read(trained.settings, AS_OF, trained.candidate.version, CONFIG)
    for fitted, predict in (
        (trained.candidate, found.model.default_prob),
        (trained.baseline, found.statements.default_prob),
    ):
        observed, before = fitted.metrics["level/observed"], fitted.metrics["level/expected"]
        assert observed == bads_of(quarter).sum() > 0
        k = CONFIG.level_firms
        goal = before * (observed + k) / (before + k)
        assert predict(quarter).sum() == pytest.approx(goal, rel=1e-6)
        assert goal != pytest.approx(before, rel=1e-3)


def test_points_of_a_moved_scorecard_are_those_of_its_log_odds(trained: Trained) -> None:
    found = subject.read(trained.settings, AS_OF, trained.candidate.version, CONFIG)
    rows = frozen.read(trained.settings, AS_OF).part(OOT).head(50)
    card = found.statements
    points = np.zeros(rows.height)
    for item in card.characteristics:
        points += np.asarray(item.points)[bins_of(rows[item.feature], item.splits)]
    exact = OFFSET - SLOPE * logit(card.default_prob(rows))
    assert np.abs(points - exact).max() <= 0.5 * len(card.characteristics)


def test_what_a_run_left_out_is_in_a_table_with_the_reason(trained: Trained) -> None:
    client = tracking.client(trained.settings)
    path = client.download_artifacts(trained.candidate.run_id, "tables/features_left_out.json")
    table = json.loads(Path(path).read_text(encoding="utf-8"))
    frame = frozen.read(trained.settings, AS_OF)
    assert table["columns"] == ["feature", "because"]
    assert dict(table["data"]) == frame.left_out
    params = client.get_run(trained.candidate.run_id).data.params
    assert int(params["features_left_out"]) == len(frame.left_out)
