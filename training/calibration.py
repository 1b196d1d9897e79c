"""Fit the map from raw log odds to default probability."""

import numpy as np
from scipy.optimize import minimize

from firmpulse.scale import FloatArray, PlattCalibration


def fit_platt(raw_logit: FloatArray, outcome: FloatArray) -> PlattCalibration:
    """Return the Platt calibration of raw log odds on rows that did not train the model.

    The targets are shrunk by one row of each class, so that perfect separation stays finite.
    A slope is never negative: where the held-out rows contradict the ranking, only the level
    is calibrated.

    Source: Platt, Probabilistic Outputs for Support Vector Machines (1999).
    """
    bads, goods = outcome.sum(), len(outcome) - outcome.sum()
    target = np.where(outcome == 1, (bads + 1) / (bads + 2), 1 / (goods + 2))

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        margin = parameters[0] * raw_logit + parameters[1]
        value = np.sum(np.logaddexp(0, margin) - target * margin)
        error = 1 / (1 + np.exp(-margin)) - target
        return float(value), np.array([np.sum(error * raw_logit), np.sum(error)])

    def level_loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        value, slopes = loss(np.array([1.0, parameters[0]]))
        return value, slopes[1:]

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
    if slope <= 0:
        slope, intercept = 1.0, minimize(level_loss, np.array([0.0]), jac=True, method="BFGS").x[0]
    return PlattCalibration(slope=float(slope), intercept=float(intercept))
