"""Tests of default probabilities by grade and over all rows, and the distribution of grades.

The binomial tests assume independent defaults. They are not: firms fail together in bad years, and
a firm appears once a quarter. So each grade has a second p-value, under a one-factor model with a
common correlation; if both differ, act on that one.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, binom, chi2, fisher_exact, norm

from firmpulse import scale
from firmpulse.scale import FloatArray

# Below these p-values a grade is yellow, or red.
YELLOW, RED = 0.05, 0.01
_QUADRATURE_POINTS = 96
_LOWEST_PROB, _HIGHEST_PROB = 1e-12, 1 - 1e-12


@dataclass(frozen=True)
class GradeCheck:
    """One grade: its rows, expected and observed defaults."""

    grade: str
    rows: int
    bads: int
    mean_prob: float
    observed_rate: float
    # Each: probability of at least this many defaults if the PD is true; small means too low a PD.
    binomial_p: float
    jeffreys_p: float
    correlated_p: float
    # 'green', 'yellow' or 'red', by the binomial p-value.
    light: str


@dataclass(frozen=True)
class BrierParts:
    """Brier score = reliability − resolution + uncertainty + within_variance − within_covariance.

    The last two terms are the loss from using groups instead of single forecasts.
    Source: Murphy (1973); Stephenson, Coelho and Jolliffe (2008).
    """

    reliability: float
    resolution: float
    uncertainty: float
    within_variance: float
    within_covariance: float

    @property
    def score(self) -> float:
        """The Brier score, the sum of the parts."""
        grouped = self.reliability - self.resolution + self.uncertainty
        return grouped + self.within_variance - self.within_covariance


@dataclass(frozen=True)
class Statistic:
    """A test statistic and its p-value."""

    value: float
    p_value: float


def by_grade(
    outcome: FloatArray, default_prob: FloatArray, correlation: float
) -> tuple[GradeCheck, ...]:
    """Return one check per grade with rows, best grade first.

    Args:
        outcome: 1 for bad, 0 for good, shape (rows,).
        default_prob: calibrated PDs of the same rows.
        correlation: asset correlation, for the correlated p-value; at least 0, below 1.
    """
    grades = scale.grade(default_prob)
    found = []
    for name in scale.GRADE_UPPER_PD:
        here = grades == name
        if here.any():
            bads = outcome[here].sum()
            mean = float(default_prob[here].mean())
            found.append(_check(name, int(here.sum()), int(bads), mean, correlation))
    return tuple(found)


def _check(name: str, rows: int, bads: int, mean: float, correlation: float) -> GradeCheck:
    plain = binomial_p(rows, bads, mean)
    return GradeCheck(
        grade=name,
        rows=rows,
        bads=bads,
        mean_prob=mean,
        observed_rate=bads / rows,
        binomial_p=plain,
        jeffreys_p=jeffreys_p(rows, bads, mean),
        correlated_p=correlated_p(rows, bads, mean, correlation),
        light="red" if plain < RED else "yellow" if plain < YELLOW else "green",
    )


def binomial_p(rows: int, bads: int, default_prob: float) -> float:
    """Return the probability of at least `bads` defaults among independent firms."""
    return float(binom.sf(bads - 1, rows, default_prob))


def jeffreys_p(rows: int, bads: int, default_prob: float) -> float:
    """Return the posterior probability that the true PD is at most `default_prob`.

    Source: ECB, Instructions for reporting the validation results of internal models (2019).
    """
    return float(beta.cdf(default_prob, bads + 0.5, rows - bads + 0.5))


def correlated_p(rows: int, bads: int, default_prob: float, correlation: float) -> float:
    """Return the probability of at least `bads` defaults when one factor moves all firms.

    Source: Vasicek, The distribution of loan portfolio value (2002).
    """
    points, weights = np.polynomial.hermite_e.hermegauss(_QUADRATURE_POINTS)
    threshold = norm.ppf(np.clip(default_prob, _LOWEST_PROB, _HIGHEST_PROB))
    in_state = norm.cdf((threshold - np.sqrt(correlation) * points) / np.sqrt(1 - correlation))
    tails = binom.sf(bads - 1, rows, in_state)
    return float(np.sum(weights * tails) / np.sqrt(2 * np.pi))


def hosmer_lemeshow(outcome: FloatArray, default_prob: FloatArray, groups: int = 10) -> Statistic:
    """Return chi-square over groups of equal size by PD, for rows that did not fit the model.

    Rows of equal PD stay together, so there may be fewer groups; degrees of freedom are the groups.

    Source: Hosmer, Lemeshow and Sturdivant, Applied Logistic Regression (2013), section 5.2.2.
    """
    cuts = np.unique(np.quantile(default_prob, np.linspace(0, 1, groups + 1)[1:-1]))
    place = np.searchsorted(cuts, default_prob, side="left")
    kept = np.unique(place)
    value = 0.0
    for group in kept:
        here = place == group
        rows, expected = here.sum(), default_prob[here].sum()
        value += (outcome[here].sum() - expected) ** 2 / (expected * (1 - expected / rows))
    return Statistic(float(value), float(chi2.sf(value, len(kept))))


def spiegelhalter(outcome: FloatArray, default_prob: FloatArray) -> Statistic:
    """Return z of the Brier score against that of calibrated PDs; two-sided p-value.

    Source: Spiegelhalter, Probabilistic prediction in patient management (1986).
    """
    tilt = 1 - 2 * default_prob
    spread = np.sqrt(np.sum(tilt**2 * default_prob * (1 - default_prob)))
    if spread == 0:
        return Statistic(0.0, 1.0)
    z = float(np.sum((outcome - default_prob) * tilt) / spread)
    return Statistic(z, float(2 * norm.sf(abs(z))))


def brier_parts(outcome: FloatArray, default_prob: FloatArray) -> BrierParts:
    """Return the decomposition of the Brier score by grade."""
    grades = scale.grade(default_prob)
    rows, base = len(outcome), float(outcome.mean())
    parts = np.zeros(4)
    for name in np.unique(grades):
        probs, bads = default_prob[grades == name], outcome[grades == name]
        share, rate, mean = len(bads) / rows, bads.mean(), probs.mean()
        parts += share * np.array(
            [
                (mean - rate) ** 2,
                (rate - base) ** 2,
                np.mean((probs - mean) ** 2),
                2 * np.mean((probs - mean) * (bads - rate)),
            ]
        )
    return BrierParts(
        reliability=float(parts[0]),
        resolution=float(parts[1]),
        uncertainty=base * (1 - base),
        within_variance=float(parts[2]),
        within_covariance=float(parts[3]),
    )


def concentration(checks: Sequence[GradeCheck]) -> tuple[float, float]:
    """Return the share of the fullest grade, and the Herfindahl index of the grades' shares."""
    rows = np.array([check.rows for check in checks], dtype=np.float64)
    shares = rows / rows.sum()
    return float(shares.max()), float(np.sum(shares**2))


def disordered(checks: Sequence[GradeCheck]) -> int:
    """Return how many grades default significantly less often than the next better one.

    Significant: Fisher's exact test, one-sided, has a p-value below RED.
    """
    return sum(_is_disordered(better, worse) for better, worse in itertools.pairwise(checks))


def _is_disordered(better: GradeCheck, worse: GradeCheck) -> bool:
    table = [[better.bads, better.rows - better.bads], [worse.bads, worse.rows - worse.bads]]
    return bool(fisher_exact(table, alternative="greater").pvalue < RED)
