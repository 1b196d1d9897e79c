import numpy as np
import pytest
from scipy.stats import ks_2samp
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
)

from training.metrics import (
    measure,
    measure_with_intervals,
    score_stability,
    weighted,
)


@pytest.fixture
def sample() -> tuple[np.ndarray, np.ndarray]:
    """Outcomes and rounded probabilities, so that there are many ties."""
    random = np.random.default_rng(3)
    prob = np.round(random.beta(1, 6, size=800), 2) * 0.98 + 0.01
    return (random.random(800) < prob).astype(float), prob


def test_metrics_agree_with_sklearn_and_scipy(sample: tuple[np.ndarray, np.ndarray]) -> None:
    outcome, prob = sample
    found = measure(outcome, prob)
    assert found["auc"] == pytest.approx(roc_auc_score(outcome, prob), abs=1e-12)
    assert found["pr_auc"] == pytest.approx(average_precision_score(outcome, prob), abs=1e-12)
    assert found["brier"] == pytest.approx(brier_score_loss(outcome, prob), abs=1e-12)
    assert found["log_loss"] == pytest.approx(log_loss(outcome, prob), abs=1e-12)
    distance = ks_2samp(prob[outcome == 1], prob[outcome == 0]).statistic
    assert found["ks"] == pytest.approx(distance, abs=1e-12)


def test_weights_count_as_repeated_rows(sample: tuple[np.ndarray, np.ndarray]) -> None:
    outcome, prob = sample
    times = np.random.default_rng(5).integers(0, 4, size=len(outcome))
    found = weighted(outcome, prob, times[None, :].astype(float))
    repeated, again = np.repeat(outcome, times), np.repeat(prob, times)
    assert found["auc"][0] == pytest.approx(roc_auc_score(repeated, again), abs=1e-12)
    assert found["log_loss"][0] == pytest.approx(log_loss(repeated, again), abs=1e-12)


def test_known_ranking() -> None:
    outcome, prob = np.array([1.0, 0, 1, 0]), np.array([0.9, 0.6, 0.4, 0.1])
    # Three of four bad-good pairs are in order.
    assert measure(outcome, prob)["auc"] == 0.75
    assert measure(outcome, prob)["ks"] == 0.5


def test_draws_without_a_default_give_no_number() -> None:
    found = weighted(np.array([1.0, 0]), np.array([0.9, 0.1]), np.array([[0.0, 2.0]]))
    assert np.isnan(found["auc"][0])


def test_interval_redraws_firms_and_not_rows(sample: tuple[np.ndarray, np.ndarray]) -> None:
    outcome, prob = sample
    firms = np.array([f"firm {i}" for i in range(len(prob))])
    once = measure_with_intervals(outcome, prob, firms, draws=300, confidence=0.95, seed=1)
    # Four copies of each row within its firm add nothing new.
    copies = measure_with_intervals(
        np.tile(outcome, 4), np.tile(prob, 4), np.tile(firms, 4), draws=300, confidence=0.95, seed=1
    )
    assert once["auc"].low < once["auc"].value < once["auc"].high
    assert copies["auc"].low == pytest.approx(once["auc"].low, abs=1e-12)
    assert copies["auc"].high == pytest.approx(once["auc"].high, abs=1e-12)


def test_interval_is_as_wide_as_theory_says() -> None:
    random = np.random.default_rng(11)
    prob = np.full(4_000, 0.2) + random.normal(scale=0.01, size=4_000)
    outcome = (random.random(4_000) < 0.2).astype(float)
    firms = np.arange(4_000).astype(str)
    found = measure_with_intervals(outcome, prob, firms, draws=500, confidence=0.95, seed=2)
    # Scores without information: the standard error of the AUC is sqrt((P+N+1) / (12 P N)).
    bads, goods = outcome.sum(), (1 - outcome).sum()
    expected = 2 * 1.96 * np.sqrt((bads + goods + 1) / (12 * bads * goods))
    assert found["auc"].high - found["auc"].low == pytest.approx(expected, rel=0.15)


def test_psi_of_known_shares() -> None:
    expected = np.arange(1_000.0)
    # All rows in the lowest decile: (1 − 0.1)·ln 10 + 9·(0.0001 − 0.1)·ln 0.001.
    assert score_stability(expected, np.zeros(50)) == pytest.approx(8.28311, abs=1e-4)
    assert score_stability(expected, expected) == 0
    # Half in the lowest decile, half in the next: 2·0.4·ln 5 + 8·(0.0001 − 0.1)·ln 0.001.
    two = np.r_[np.zeros(10), np.full(10, 150.0)]
    assert score_stability(expected, two) == pytest.approx(6.80815, abs=1e-4)
