"""Choose and fit the map from raw log odds to default probability."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit
from scipy.stats import chi2

from firmpulse.scale import FloatArray
from model.calibration import Beta, Calibration, Isotonic, Platt
from training.metrics import losses

# From this many firms in default, a stepwise map is preferred to a curve.
ISOTONIC_FROM = 300
# Significance level for two slopes instead of one.
_SIGNIFICANCE = 0.05
# Minimum numbers of bads and goods per knot of the isotonic map.
_LEAST_BEHIND_KNOT = 10
_WIDEST_SHIFT = 20.0

# Parameters → loss and its gradient.
_Loss = Callable[[FloatArray], tuple[float, FloatArray]]


def choose(raw_logit: FloatArray, outcome: FloatArray, bad_firms: int) -> Calibration:
    """Return the calibration on rows that did not train the model: isotonic, beta or Platt.

    From 300 firms in default the map is isotonic. With fewer it has two slopes if these are
    significantly better (a likelihood-ratio test; the rows of one default count once), else one.

    Args:
        raw_logit: uncalibrated log odds, shape (rows,).
        outcome: 1 for bad, 0 for good, shape (rows,).
        bad_firms: distinct firms among the bad rows.
    """
    platt = fit_platt(raw_logit, outcome)
    if bad_firms >= ISOTONIC_FROM:
        return fit_isotonic(raw_logit, outcome, platt.slope)
    beta = fit_beta(raw_logit, outcome)
    gain = _log_loss(platt, raw_logit, outcome) - _log_loss(beta, raw_logit, outcome)
    repeated = max(outcome.sum() / max(bad_firms, 1), 1)
    if chi2.sf(2 * max(gain, 0) / repeated, 1) < _SIGNIFICANCE:
        return beta
    return platt


def fit_platt(raw_logit: FloatArray, outcome: FloatArray) -> Platt:
    """Return the Platt calibration of raw log odds on rows that did not train the model.

    The targets are shrunk by one row of each class, so that perfect separation stays finite.
    A slope is never negative: if the held-out rows contradict the ranking, only the level is
    calibrated.

    Source: Platt, Probabilistic Outputs for Support Vector Machines (1999).
    """
    loss = _loss(np.column_stack([raw_logit, np.ones_like(raw_logit)]), outcome)
    slope, intercept = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
    if slope <= 0:
        return Platt(1.0, _level(raw_logit, outcome))
    return Platt(float(slope), float(intercept))


def fit_beta(raw_logit: FloatArray, outcome: FloatArray) -> Beta:
    """Return the beta calibration; neither slope is negative.

    Source: Kull, Silva Filho & Flach, Beta calibration (2017).
    """
    parts = [-np.logaddexp(0, -raw_logit), np.logaddexp(0, raw_logit), np.ones_like(raw_logit)]
    start, bounds = np.array([1.0, 1.0, 0.0]), [(0, None), (0, None), (None, None)]
    loss = _loss(np.column_stack(parts), outcome)
    low, high, intercept = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    if low == high == 0:
        return Beta(1.0, 1.0, _level(raw_logit, outcome))
    return Beta(float(low), float(high), float(intercept))


def fit_isotonic(raw_logit: FloatArray, outcome: FloatArray, outer_slope: float) -> Isotonic:
    """Return the isotonic calibration, with the right level on these rows.

    Args:
        raw_logit: uncalibrated log odds, shape (rows,).
        outcome: 1 for bad, 0 for good, both present, shape (rows,).
        outer_slope: slope beyond the outermost knots, where rows are too few to fit one.
    """
    from sklearn.isotonic import IsotonicRegression

    order = np.argsort(raw_logit, kind="stable")
    steps = IsotonicRegression().fit_transform(raw_logit[order], outcome[order])
    starts = np.flatnonzero(np.r_[True, np.diff(steps) > 0])
    counts = [
        np.add.reduceat(values, starts)
        for values in (outcome[order], 1 - outcome[order], raw_logit[order])
    ]
    bads, goods, raw = _joined(np.column_stack(counts)).T
    knots = raw / (bads + goods)
    rates = np.log(bads / goods)
    found = Isotonic(tuple(knots.tolist()), tuple(rates.tolist()), outer_slope)
    return found.shifted(shift_to(found.logit(raw_logit), float(outcome.sum())))


def _joined(blocks: FloatArray) -> FloatArray:
    """Return blocks of bads, goods and sums; neighbours are joined until each has enough."""
    joined: list[FloatArray] = []
    waiting = np.zeros(blocks.shape[1])
    for block in blocks:
        waiting = waiting + block
        if min(waiting[0], waiting[1]) >= _LEAST_BEHIND_KNOT:
            joined.append(waiting)
            waiting = np.zeros(blocks.shape[1])
    if waiting[:2].any():
        # The last ones join the previous block, or are the only block.
        joined.append((joined.pop() if joined else 0) + waiting)
    return np.array(joined)


def _loss(parts: FloatArray, outcome: FloatArray) -> _Loss:
    """Return the log loss of log odds that are a weighted sum of `parts`, shape (rows, parts)."""
    bads, goods = outcome.sum(), len(outcome) - outcome.sum()
    target = np.where(outcome == 1, (bads + 1) / (bads + 2), 1 / (goods + 2))

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        margin = parts @ weights
        value = np.sum(np.logaddexp(0, margin) - target * margin)
        return float(value), (expit(margin) - target) @ parts

    return loss


def _level(raw_logit: FloatArray, outcome: FloatArray) -> float:
    """Return the best-fitting intercept-only model, with targets as for Platt."""
    ones = np.ones_like(raw_logit)
    rest = _loss(np.column_stack([raw_logit, ones]), outcome)

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        value, slopes = rest(np.array([1.0, weights[0]]))
        return value, slopes[1:]

    return float(minimize(loss, np.array([0.0]), jac=True, method="BFGS").x[0])


def shift_to(calibrated: FloatArray, defaults: float) -> float:
    """Return the shift of the log odds that makes their PDs sum to a number of defaults.

    Args:
        calibrated: log odds, shape (rows,).
        defaults: between 0 and the number of rows, both excluded.
    """

    def surplus(shift: float) -> float:
        return float(expit(calibrated + shift).sum() - defaults)

    return float(brentq(surplus, -_WIDEST_SHIFT, _WIDEST_SHIFT))


def _log_loss(calibration: Calibration, raw_logit: FloatArray, outcome: FloatArray) -> float:
    return float(np.sum(losses(calibration.logit(raw_logit), outcome)))
