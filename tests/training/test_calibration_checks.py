import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binom, binomtest, norm
from sklearn.metrics import brier_score_loss

from firmpulse import scale
from training import calibration_checks as checks

CORRELATION = 0.04


def _drawn(factor: float = 1.0, rows: int = 4_000) -> tuple[np.ndarray, np.ndarray]:
    """PDs, and outcomes that occur `factor` times as often as predicted."""
    random = np.random.default_rng(11)
    prob = random.beta(1.2, 25, size=rows).clip(1e-4, 0.4)
    return (random.random(rows) < prob * factor).astype(float), prob


def test_a_grade_is_tested_like_scipy_tests_a_coin() -> None:
    # 20 defaults of 400 at a PD of 3 %.
    expected = binomtest(20, 400, 0.03, alternative="greater").pvalue
    assert checks.binomial_p(400, 20, 0.03) == pytest.approx(expected, rel=1e-12)
    assert checks.binomial_p(400, 0, 0.03) == 1.0


def test_jeffreys_agrees_with_the_integral_of_its_posterior() -> None:
    def density(prob: float) -> float:
        return prob ** (3 - 0.5) * (1 - prob) ** (100 - 3 - 0.5)

    expected = quad(density, 0, 0.02)[0] / quad(density, 0, 1)[0]
    assert checks.jeffreys_p(100, 3, 0.02) == pytest.approx(expected, rel=1e-6)


def test_correlated_defaults_agree_with_the_integral_over_the_factor() -> None:
    def tail(factor: float) -> float:
        level = norm.ppf(0.03) - np.sqrt(CORRELATION) * factor
        in_state = norm.cdf(level / np.sqrt(1 - CORRELATION))
        return binom.sf(19, 400, in_state) * norm.pdf(factor)

    expected = quad(tail, -8, 8, limit=200)[0]
    assert checks.correlated_p(400, 20, 0.03, CORRELATION) == pytest.approx(expected, rel=1e-6)
    assert checks.correlated_p(400, 20, 0.03, 0.0) == pytest.approx(
        checks.binomial_p(400, 20, 0.03), rel=1e-9
    )
    # Correlation within a year makes a bad year less surprising.
    assert checks.correlated_p(400, 20, 0.03, CORRELATION) > checks.binomial_p(400, 20, 0.03)


def test_hosmer_lemeshow_by_hand() -> None:
    # Two groups of ten: 2 bads where 1 is expected, 4 where 5 are.
    prob = np.repeat([0.1, 0.5], 10)
    outcome = np.r_[np.ones(2), np.zeros(8), np.ones(4), np.zeros(6)]
    found = checks.hosmer_lemeshow(outcome, prob, groups=2)
    assert found.value == pytest.approx(1 / 0.9 + 1 / 2.5, rel=1e-12)
    # Chi-square with 2 degrees of freedom.
    assert found.p_value == pytest.approx(np.exp(-found.value / 2), rel=1e-12)


def test_spiegelhalter_by_hand() -> None:
    outcome, prob = np.array([1.0, 0, 0, 1]), np.array([0.2, 0.1, 0.4, 0.7])
    top = 0.8 * 0.6 - 0.1 * 0.8 - 0.4 * 0.2 + 0.3 * -0.4
    under = 0.36 * 0.16 + 0.64 * 0.09 + 0.04 * 0.24 + 0.16 * 0.21
    found = checks.spiegelhalter(outcome, prob)
    assert found.value == pytest.approx(top / np.sqrt(under), rel=1e-12)
    assert found.p_value == pytest.approx(2 * norm.sf(found.value), rel=1e-12)


def test_parts_of_the_brier_score_add_up_to_it() -> None:
    outcome, prob = _drawn()
    parts = checks.brier_parts(outcome, prob)
    assert parts.score == pytest.approx(brier_score_loss(outcome, prob), abs=1e-12)
    assert parts.uncertainty == pytest.approx(outcome.var(), abs=1e-12)
    # One forecast per grade leaves nothing within.
    flat = np.where(prob < 0.03, 0.01, 0.06)
    parts = checks.brier_parts(outcome, flat)
    assert parts.within_variance == pytest.approx(0, abs=1e-15)
    assert parts.within_covariance == pytest.approx(0, abs=1e-15)


def test_true_probabilities_pass_and_too_low_ones_do_not() -> None:
    outcome, prob = _drawn()
    assert checks.hosmer_lemeshow(outcome, prob).p_value > 0.05
    assert checks.spiegelhalter(outcome, prob).p_value > 0.05
    outcome, prob = _drawn(factor=1.8)
    assert checks.hosmer_lemeshow(outcome, prob).p_value < 0.001
    assert checks.spiegelhalter(outcome, prob).p_value < 0.001
    graded = checks.by_grade(outcome, prob, CORRELATION)
    assert "red" in {check.light for check in graded}


def test_grades_are_complete_and_in_order() -> None:
    outcome, prob = _drawn()
    graded = checks.by_grade(outcome, prob, CORRELATION)
    assert sum(check.rows for check in graded) == len(outcome)
    assert sum(check.bads for check in graded) == outcome.sum()
    names = [check.grade for check in graded]
    assert names == [name for name in scale.GRADE_UPPER_PD if name in names]
    means = [check.mean_prob for check in graded]
    assert means == sorted(means)


def test_concentration_and_order_of_grades() -> None:
    # 60 firms of grade B, none bad; 20 of CC, ten bad; 20 of C, none or eight bad.
    prob = np.array([0.04] * 60 + [0.12] * 20 + [0.4] * 20)
    outcome = np.zeros(100)
    outcome[60:70] = 1
    for bads_of_last, expected in ((0, 1), (8, 0)):
        outcome[80:] = np.arange(20) < bads_of_last
        graded = checks.by_grade(outcome, prob, CORRELATION)
        largest, index = checks.concentration(graded)
        assert largest == pytest.approx(0.6)
        assert index == pytest.approx(0.36 + 0.04 + 0.04)
        # 8 of 20 against 10 of 20 may be chance, none of 20 is not.
        assert checks.disordered(graded) == expected
