"""Fit scorecards with optbinning, on annual statements and on the candidate's features."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from features.registry import FeatureMeta
from firmpulse.errors import NotReadyError
from training.config import TrainingConfig
from training.frozen import FrozenFrame, bads_of
from training.narrowed import twice
from training.scorecard import Characteristic, Scorecard, bins_of, evidence_of, points_of
from training.split import TRAIN

# Weak, for a handful of statement features.
_SKLEARN_C = 1.0
_MOST_STEPS = 2_000
_TRENDS = {"+": "ascending", "-": "descending", "U": "auto"}


def statement_features(
    features: tuple[FeatureMeta, ...], config: TrainingConfig
) -> tuple[FeatureMeta, ...]:
    """Return the numbers of the annual statements and the configured extras."""
    return tuple(
        feature
        for feature in features
        if feature.kind == "number"
        and (feature.source == "statement" or feature.name in config.baseline_extra)
    )


def fit_statements(frame: FrozenFrame, config: TrainingConfig) -> Scorecard:
    """Return the traditional scorecard, on annual statements, firm age and tax credit grade.

    Without any statement it reads what a lender has else: age, credit grade and registration. If
    nothing of these is known either, it gives every firm the default rate of the training rows.
    """
    listed = _observed(frame, statement_features(frame.features, config))
    if all(feature.source != "statement" for feature in listed):
        others = (f for f in frame.features if f.name in config.baseline_without_statements)
        listed += _observed(frame, [f for f in others if f.kind == "number"])
    if not listed:
        return _of_nothing(frame)
    return _fit(frame, frame.part(TRAIN), listed, c=_SKLEARN_C)


def without_statements(card: Scorecard, features: Sequence[FeatureMeta]) -> str:
    """Return what a scorecard reads instead of annual statements; empty if it reads these.

    Args:
        card: the traditional scorecard.
        features: definitions, a superset of the card's.
    """
    of_statements = {f.name for f in features if f.source == "statement"}
    read = [item.feature for item in card.characteristics if item.coefficient]
    if of_statements & set(read):
        return ""
    return ", ".join(read) or "the default rate alone"


def _of_nothing(frame: FrozenFrame) -> Scorecard:
    """Return a scorecard of one characteristic that says nothing."""
    rate = float(bads_of(frame.part(TRAIN)).mean())
    intercept, silent = float(np.log(rate / (1 - rate))), (0.0, 0.0)
    number = next(feature.name for feature in frame.features if feature.kind == "number")
    points = points_of(intercept, 0.0, silent, 1)
    only = Characteristic(number, (), silent, 0.0, points)
    return Scorecard(intercept, (only,), frame.as_of, frame.digest)


def fit_woe(frame: FrozenFrame, config: TrainingConfig) -> Scorecard:
    """Return the logistic regression on weights of evidence of the candidate's numbers.

    If enough firms defaulted, each row is learnt twice, as by the candidate.

    Raises:
        NotReadyError: no feature was ever observed.
    """
    numbers = [f for f in frame.learnable if f.kind == "number" and f.source != "statement"]
    listed = _observed(frame, numbers)
    if not listed:
        raise NotReadyError(
            f"no feature of the training frame of {frame.as_of} was ever observed; "
            f"land deliveries and sample again"
        )
    rows = twice(frame, frame.learnable, config)
    return _fit(frame, rows, listed, c=config.woe_c)


def _observed(frame: FrozenFrame, features: Sequence[FeatureMeta]) -> list[FeatureMeta]:
    rows = frame.part(TRAIN)
    return [f for f in features if rows[f.name].drop_nulls().n_unique() > 1]


def _fit(frame: FrozenFrame, rows: pl.DataFrame, listed: list[FeatureMeta], c: float) -> Scorecard:
    binning, model = fit_optbinning(rows, listed, c)
    intercept, coefficients = float(model.intercept_[0]), model.coef_[0]
    return Scorecard(
        intercept=intercept,
        characteristics=tuple(
            _characteristic(
                feature.name, *_binned(binning, rows, feature.name), intercept, own, len(listed)
            )
            for feature, own in zip(listed, coefficients, strict=True)
        ),
        trained_as_of=frame.as_of,
        frame_digest=frame.digest,
    )


def fit_optbinning(rows: pl.DataFrame, listed: list[FeatureMeta], c: float) -> tuple[Any, Any]:
    """Return optbinning's fitted BinningProcess and sklearn's regression on its bins' evidence.

    Event rates of the bins follow the features' signs. The evidence is computed here, because
    optbinning gives a bin of one class 0, as if it had no information.
    """
    with warnings.catch_warnings():
        # optbinning 1.0 still uses names that its requirements deprecate.
        warnings.simplefilter("ignore")
        from optbinning import BinningProcess
        from sklearn.linear_model import LogisticRegression

        names = [feature.name for feature in listed]
        values = rows.select(pl.col(names).cast(pl.Float64)).to_pandas()
        binning = BinningProcess(
            names,
            binning_fit_params={
                feature.name: {"monotonic_trend": _TRENDS[feature.expected_sign]}
                for feature in listed
            },
        )
        outcome = bads_of(rows)
        binning.fit(values, outcome)
        evidence = [
            np.asarray(woe)[bins_of(rows[name], splits)]
            for name in names
            for splits, woe in [_binned(binning, rows, name)]
        ]
        model = LogisticRegression(C=c, max_iter=_MOST_STEPS)
        return binning, model.fit(np.column_stack(evidence), outcome)


def _binned(
    binning: Any, rows: pl.DataFrame, name: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the splits of a feature, and the weight of evidence of each bin and of missing."""
    found = np.asarray(binning.get_binned_variable(name).splits, dtype=np.float64)
    splits = tuple(found.tolist())
    return splits, evidence_of(bins_of(rows[name], splits), bads_of(rows), len(splits) + 2)


def _characteristic(
    name: str,
    splits: tuple[float, ...],
    woe: tuple[float, ...],
    intercept: float,
    coefficient: float,
    characteristics: int,
) -> Characteristic:
    return Characteristic(
        feature=name,
        splits=splits,
        woe=woe,
        coefficient=float(coefficient),
        points=points_of(intercept, float(coefficient), woe, characteristics),
    )
