"""Repeated stratified cross-validation of trees, logistic regression and single features."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from features.registry import FeatureMeta
from firmpulse.bundle import matrix_of, pool_of
from firmpulse.scale import FloatArray
from firmpulse.settings import Settings
from training import boosted, logistic
from training.boosted import FeatureList
from training.config import UndatedConfig
from training.frozen import FrozenFrame, bads_of
from training.metrics import Interval, firm_weights, interval, weighted

_METRICS = ("auc", "ks")


@dataclass(frozen=True)
class OutOfFold:
    """Scores of firms by models that had not seen them; higher means riskier."""

    # Model → scores, shape (repeats, firms).
    scores: Mapping[str, FloatArray]


def predict_out_of_fold(
    settings: Settings,
    frame: FrozenFrame,
    listed: FeatureList,
    repeats: int,
    folds: int,
    config: UndatedConfig,
) -> OutOfFold:
    """Return log odds of trees, logistic regression and their average, and single features."""
    from sklearn.model_selection import StratifiedKFold

    rows, outcome = frame.rows, bads_of(frame.rows)
    trees, linear = np.empty((repeats, rows.height)), np.empty((repeats, rows.height))
    for repeat in range(repeats):
        cut = StratifiedKFold(folds, shuffle=True, random_state=config.seed + repeat)
        for seen, unseen in cut.split(outcome, outcome):
            trees[repeat, unseen], linear[repeat, unseen] = _both(
                settings, rows[seen], rows[unseen], listed, config
            )
    average = config.trees_weight * trees + (1 - config.trees_weight) * linear
    single = {
        feature.name: np.tile(_single(rows, feature), (repeats, 1))
        for feature in frame.features
        if feature.name in config.trivial
    }
    scores = {"catboost": trees, "logistic": linear, "average": average, **single}
    return OutOfFold(scores)


def measure_out_of_fold(
    is_bad: pl.Series, predicted: OutOfFold, config: UndatedConfig
) -> dict[str, dict[str, Interval]]:
    """Return model → auc, ks: the mean over the repeats, with an interval from redrawing firms.

    Each repeat is measured over all firms at once: within one small fold KS would be optimistic.
    """
    outcome = is_bad.to_numpy().astype(np.float64)
    drawn = firm_weights(np.random.default_rng(config.seed), len(outcome), config.bootstrap_draws)
    weights = np.vstack([np.ones(len(outcome)), drawn])
    measured = {}
    for name, scores in predicted.scores.items():
        by_metric = _mean_over_repeats(outcome, scores, weights)
        measured[name] = {
            metric: interval(float(values[0]), values[1:], config.confidence)
            for metric, values in by_metric.items()
        }
    return measured


def _mean_over_repeats(
    outcome: FloatArray, scores: FloatArray, weights: FloatArray
) -> dict[str, FloatArray]:
    """Return each metric's mean over repeats, shape (draws,)."""
    # AUC and KS need the order alone; the logistic curve keeps it.
    found = [weighted(outcome, 1 / (1 + np.exp(-own)), weights) for own in scores]
    return {metric: np.mean([part[metric] for part in found], axis=0) for metric in _METRICS}


def _both(
    settings: Settings,
    seen: pl.DataFrame,
    unseen: pl.DataFrame,
    listed: FeatureList,
    config: UndatedConfig,
) -> tuple[FloatArray, FloatArray]:
    """Return the log odds of both models for unseen firms."""
    model = boosted.fit_trees(seen, listed, config.boosting, settings, config.seed)
    matrix = matrix_of(unseen, listed.names, listed.categorical)
    pool = pool_of(matrix, listed.categorical)
    raw = model.predict(pool, prediction_type="RawFormulaVal", thread_count=settings.threads)
    linear = logistic.fit_linear(seen, listed, config.logistic_c)
    return np.asarray(raw, dtype=np.float64), linear.logit(matrix)


def _single(rows: pl.DataFrame, feature: FeatureMeta) -> FloatArray:
    """Return the feature's standardised rank, turned so that higher means riskier.

    Not observed counts as zero.
    """
    rank = rows[feature.name].fill_null(0).rank().to_numpy() / rows.height
    return rank if feature.expected_sign == "+" else -rank
