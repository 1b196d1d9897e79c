"""Move a fitted model to the level of defaults in the newest matured quarter, or in the portfolio.

A model learns the level of its training dates, a year and more before the night that it scores. And
of its sample, in which a bank may have gathered more defaults than its portfolio has.
"""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from scipy.special import logit

from model.bundle import CreditModel
from model.linear import Linear
from training.calibration import shift_to
from training.claims.coverage import observed_expected
from training.config import TrainingConfig
from training.evaluation import Predict
from training.frozen import FrozenFrame, bads_of
from training.metrics import Interval
from training.scorecard import Scorecard, points_of
from training.split import OOT, TRAIN, newest_quarter

_NEAREST_PROB = 1e-12


@dataclass(frozen=True)
class Level:
    """How far a model was from the newest matured quarter, and how far it is moved."""

    quarter: date
    # Defaults, and the sum of the PDs before the move.
    observed: float
    expected: float
    observed_expected: Interval
    # Added to the log odds of every firm.
    shift: float

    def metrics(self) -> dict[str, Interval | float]:
        """Return metrics named `level/<metric>`; the interval is of the level before the move."""
        return {
            "level/observed_expected": self.observed_expected,
            "level/observed": self.observed,
            "level/expected": self.expected,
            "level/shift": self.shift,
        }


@dataclass(frozen=True)
class Anchor:
    """The level of a sample, and that of the portfolio to which a model is moved."""

    # Shares of defaults.
    sample_rate: float
    portfolio_rate: float

    @property
    def shift(self) -> float:
        """Return what is added to the log odds of every firm.

        Source: prior correction; King & Zeng, Logistic Regression in Rare Events Data (2001).
        """
        return float(logit(self.portfolio_rate) - logit(self.sample_rate))

    def metrics(self) -> dict[str, float]:
        """Return metrics named `level/<metric>`."""
        return {
            "level/sample_rate": self.sample_rate,
            "level/portfolio_rate": self.portfolio_rate,
            "level/portfolio_shift": self.shift,
        }


def anchor(frame: FrozenFrame, portfolio_rate: float) -> Anchor:
    """Return the level of the good and bad rows of a frame, and the portfolio's."""
    sample = frame.part(TRAIN, OOT)
    return Anchor(float(bads_of(sample).mean()), portfolio_rate)


def to_portfolio(model: CreditModel, found: Anchor) -> CreditModel:
    """Return the model at the level of the portfolio; it keeps how far it was moved."""
    there = moved(model, found.shift)
    return replace(there, bundle=replace(there.bundle, portfolio_shift=found.shift))


def at_sample(model: CreditModel) -> CreditModel:
    """Return the model at the level of its sample, with whose outcomes it can be compared."""
    if not model.bundle.portfolio_shift:
        return model
    back = moved(model, -model.bundle.portfolio_shift)
    return replace(back, bundle=replace(back.bundle, portfolio_shift=0.0))


def find(frame: FrozenFrame, predict: Predict, config: TrainingConfig) -> Level:
    """Return the move for a model; its rank order does not change.

    Expected defaults are multiplied by (observed + k) / (expected + k), k = `level_firms`. So few
    defaults move the level a little, many move it nearly all the way.

    Args:
        frame: the frozen frame the model was fitted on.
        predict: gives calibrated PDs of rows.
        config: k, and the confidence of the interval.

    Source: the credibility of a Poisson count with a gamma prior; Bühlmann & Gisler, A Course in
    Credibility Theory and its Applications (2005).
    """
    rows = frame.part(OOT)
    quarter = newest_quarter(rows)
    newest: date = quarter["as_of"].sort()[-1]
    prob = np.clip(predict(quarter), _NEAREST_PROB, 1 - _NEAREST_PROB)
    outcome = bads_of(quarter)
    observed, expected = float(outcome.sum()), float(prob.sum())
    k = config.level_firms
    goal = expected * (observed + k) / (expected + k)
    firms = np.unique(quarter["firm_id"].to_numpy(), return_inverse=True)[1]
    return Level(
        quarter=newest,
        observed=observed,
        expected=expected,
        observed_expected=observed_expected(firms, outcome, prob, config.confidence),
        shift=shift_to(logit(prob), goal),
    )


def moved(model: CreditModel, shift: float) -> CreditModel:
    """Return the model with `shift` added to its calibrated log odds, in every segment."""
    calibration = model.bundle.calibration.shifted(shift)
    return replace(
        model,
        bundle=replace(model.bundle, calibration=calibration),
        segments={name: moved(own, shift) for name, own in model.segments.items()},
    )


def moved_card(card: Scorecard, shift: float) -> Scorecard:
    """Return the scorecard with `shift` added to its log odds, and its points."""
    intercept, count = card.intercept + shift, len(card.characteristics)
    return replace(
        card,
        intercept=intercept,
        characteristics=tuple(
            replace(item, points=points_of(intercept, item.coefficient, item.woe, count))
            for item in card.characteristics
        ),
    )


def moved_linear(model: Linear, shift: float) -> Linear:
    """Return the regression with `shift` added to its log odds."""
    return replace(model, intercept=model.intercept + shift)
