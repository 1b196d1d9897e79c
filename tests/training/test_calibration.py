"""Maps from raw log odds to default probability: recovered, chosen by rule, rising."""

import json

import numpy as np
import pytest
from scipy.special import expit, logit

from firmpulse.scale import FloatArray
from model import calibration as kernel
from model.calibration import Beta, Isotonic, Platt
from training import calibration
from training.calibration import fit_beta, fit_isotonic, fit_platt

Sample = tuple[FloatArray, FloatArray]


def _drawn(true: kernel.Calibration, rows: int, seed: int = 4) -> Sample:
    """Return raw log odds, and outcomes drawn by the true map."""
    random = np.random.default_rng(seed)
    raw = random.normal(-2, 1.5, size=rows)
    return raw, (random.random(rows) < true.apply(raw)).astype(float)


def test_platt_finds_the_distortion_again() -> None:
    random = np.random.default_rng(4)
    raw = random.normal(size=60_000)
    outcome = (random.random(60_000) < expit(0.6 * raw - 2)).astype(float)
    found = fit_platt(raw, outcome)
    assert found.slope == pytest.approx(0.6, abs=0.05)
    assert found.intercept == pytest.approx(-2, abs=0.05)


def test_platt_never_turns_the_ranking_round() -> None:
    raw = np.linspace(-1, 1, 200)
    outcome = (raw < -0.8).astype(float)
    found = fit_platt(raw, outcome)
    assert found.slope == 1
    # 20 of 200 rows are bad, and the level is right on average.
    assert found.apply(raw).mean() == pytest.approx(0.1, abs=0.01)


def test_beta_finds_both_slopes_again() -> None:
    raw, outcome = _drawn(Beta(0.5, 2.0, -0.5), 200_000)
    found = fit_beta(raw, outcome)
    assert (found.low, found.high, found.intercept) == pytest.approx((0.5, 2.0, -0.5), abs=0.1)


def test_beta_with_equal_slopes_is_platt() -> None:
    raw = np.linspace(-6, 6, 50)
    assert Beta(0.7, 0.7, -1).logit(raw) == pytest.approx(Platt(0.7, -1).logit(raw))
    # ln of the PD and of its complement, as in the source.
    prob = expit(raw)
    by_hand = 0.3 * np.log(prob) - 1.7 * np.log(1 - prob) + 0.2
    assert Beta(0.3, 1.7, 0.2).logit(raw) == pytest.approx(by_hand)


def test_isotonic_follows_a_bend_and_keeps_level_and_order() -> None:
    true = Isotonic((-4.0, -2.0, 0.0), (-6.0, -2.5, 0.5), 0.3)
    raw, outcome = _drawn(true, 200_000)
    found = fit_isotonic(raw, outcome, outer_slope=0.3)
    inside = np.linspace(-4.5, 1, 60)
    assert found.apply(inside) == pytest.approx(true.apply(inside), abs=0.02)
    assert found.apply(raw).sum() == pytest.approx(outcome.sum())
    ordered = np.sort(np.unique(raw))
    assert (np.diff(found.logit(ordered)) > 0).all()


def test_every_knot_rests_on_ten_of_both() -> None:
    raw = np.r_[np.linspace(-5, -1, 400), np.linspace(-1, 3, 40)]
    outcome = np.r_[np.zeros(400), np.ones(40)]
    outcome[30:400:30] = 1
    outcome[405:425] = 0
    found = fit_isotonic(raw, outcome, outer_slope=1.0)
    # 20 goods among the riskiest and 43 bads are enough for two to four knots.
    assert 2 <= len(found.raw) <= 4
    assert np.isfinite(found.calibrated).all()
    assert found.apply(raw).sum() == pytest.approx(outcome.sum())


@pytest.mark.parametrize(
    ("true", "bad_firms", "kind"),
    [
        (Platt(0.8, -1.0), 250, "platt"),
        (Beta(0.3, 2.5, -1.0), 250, "beta"),
        (Beta(0.3, 2.5, -1.0), 300, "isotonic"),
        (Platt(0.8, -1.0), 300, "isotonic"),
        # The same rows, but each default is in very many of them.
        (Beta(0.3, 2.5, -1.0), 2, "platt"),
    ],
)
def test_the_rule_chooses(true: kernel.Calibration, bad_firms: int, kind: str) -> None:
    raw, outcome = _drawn(true, 4_000)
    assert calibration.choose(raw, outcome, bad_firms).kind == kind


@pytest.mark.parametrize(
    "made", [Platt(0.7, -1.0), Beta(0.4, 1.3, 0.1), Isotonic((-3.0, 0.0), (-4.0, 1.0), 0.5)]
)
def test_a_calibration_is_the_same_after_writing_and_rises(made: kernel.Calibration) -> None:
    again = kernel.from_json(json.loads(json.dumps(made.to_json())))
    assert again == made
    raw = np.linspace(-8, 8, 200)
    assert (np.diff(made.apply(raw)) > 0).all()
    assert made.apply(raw) == pytest.approx(expit(made.logit(raw)))


def test_the_rise_between_two_points_is_their_difference_over_the_distance() -> None:
    made = Beta(0.4, 1.3, 0.1)
    raw = np.array([-3.0, 0.5, 2.0, 0.5 + 1e-9])
    rise = made.rise(0.5, raw)
    assert rise[[0, 2]] == pytest.approx(
        (made.logit(raw) - made.logit(np.array([0.5])))[[0, 2]] / (raw - 0.5)[[0, 2]]
    )
    # At the point itself: the derivative.
    slope = 0.4 * expit(-0.5) + 1.3 * expit(0.5)
    assert rise[[1, 3]] == pytest.approx([slope, slope], rel=1e-5)
    assert logit(made.apply(raw)) == pytest.approx(made.logit(raw))
