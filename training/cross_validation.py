"""Repeated stratified cross-validation of trees, logistic regressions and single features."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from features.registry import FeatureMeta
from firmpulse.scale import FloatArray
from firmpulse.settings import Settings
from model.bundle import matrix_of
from training import boosted, logistic
from training.boosted import FeatureList
from training.config import UndatedConfig
from training.frozen import FrozenFrame, bads_of
from training.metrics import Interval, firm_weights, interval, weighted

# Chosen for its few parameters and exact contributions; see decision 17.
REGISTERED = "logistic_signed"
_METRICS = ("auc", "auc_pooled", "ks")


@dataclass(frozen=True)
class OutOfFold:
    """Scores of firms by models fitted without them; higher means riskier."""

    # Model → scores, shape (repeats, firms).
    scores: Mapping[str, FloatArray]
    # Number of the fold that held the firm out, shape (repeats, firms).
    folds: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Comparison:
    """How well each model and each single feature ranks unseen firms."""

    # Model → auc, auc_pooled, ks and, except for the baseline, lead (AUC above the baseline's).
    metrics: Mapping[str, Mapping[str, Interval]]
    # The single feature with the highest AUC; None if none is observed.
    baseline: str | None


def predict_out_of_fold(
    settings: Settings,
    frame: FrozenFrame,
    listed: FeatureList,
    repeats: int,
    folds: int,
    config: UndatedConfig,
) -> OutOfFold:
    """Return log odds of each model, and single features; folds follow the order of the rows."""
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits

    rows, outcome = frame.rows, bads_of(frame.rows)
    held_out = np.empty((repeats, rows.height), dtype=np.int64)
    scores: dict[str, FloatArray] = {}
    for repeat in range(repeats):
        cut = StratifiedKFold(folds, shuffle=True, random_state=config.seed + repeat)
        for fold, (seen, unseen) in enumerate(cut.split(outcome, outcome)):
            held_out[repeat, unseen] = fold
            # Thousands of tiny fits; threads of BLAS made each ten times slower.
            with threadpool_limits(1, user_api="blas"):
                logits = _logits(settings, rows[seen], rows[unseen], listed, config)
            for name, logit in logits.items():
                scores.setdefault(name, np.empty(held_out.shape))[repeat, unseen] = logit
    single = {
        feature.name: np.tile(_single(rows, feature), (repeats, 1))
        for feature in frame.features
        if feature.name in config.trivial
    }
    return OutOfFold({**scores, **single}, held_out)


def measure_out_of_fold(
    is_bad: pl.Series, predicted: OutOfFold, config: UndatedConfig
) -> Comparison:
    """Return each metric's mean over the repeats, with an interval from redrawing firms.

    `auc` compares firms of one fold, scored by the same model; `auc_pooled` compares all firms of a
    repeat, and is too low if folds differ in their share of bads. `ks` is pooled: within one small
    fold it would be too high. Models are not refitted on redrawn firms.

    Source: Parker, Günter & Bedo, Stratification bias in low signal microarray studies (2007).
    """
    outcome = is_bad.to_numpy().astype(np.float64)
    drawn = firm_weights(np.random.default_rng(config.seed), len(outcome), config.bootstrap_draws)
    weights = np.vstack([np.ones(len(outcome)), drawn])
    measured = {
        name: _mean_over_repeats(outcome, scores, predicted.folds, weights)
        for name, scores in predicted.scores.items()
    }
    trivial = [name for name in measured if name in config.trivial]
    baseline = max(trivial, key=lambda name: measured[name]["auc"][0], default=None)
    if baseline is not None:
        for name in measured.keys() - {baseline}:
            measured[name]["lead"] = measured[name]["auc"] - measured[baseline]["auc"]
    metrics = {
        name: {
            metric: interval(float(values[0]), values[1:], config.confidence)
            for metric, values in by_metric.items()
        }
        for name, by_metric in measured.items()
    }
    return Comparison(metrics, baseline)


def _mean_over_repeats(
    outcome: FloatArray, scores: FloatArray, folds: npt.NDArray[np.int64], weights: FloatArray
) -> dict[str, FloatArray]:
    """Return each metric's mean over repeats, shape (draws,)."""
    found: dict[str, list[FloatArray]] = {metric: [] for metric in _METRICS}
    for own, fold in zip(scores, folds, strict=True):
        # AUC and KS need only the order; the logistic curve keeps it.
        risk = 1 / (1 + np.exp(-own))
        pooled = weighted(outcome, risk, weights)
        found["auc"].append(_auc_within(outcome, risk, fold, weights))
        found["auc_pooled"].append(pooled["auc"])
        found["ks"].append(pooled["ks"])
    return {metric: np.mean(values, axis=0) for metric, values in found.items()}


def _auc_within(
    outcome: FloatArray, risk: FloatArray, folds: npt.NDArray[np.int64], weights: FloatArray
) -> FloatArray:
    """Return the share of correctly ranked bad-good pairs within one fold, (draws,)."""
    won, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for fold in np.unique(folds):
        own = folds == fold
        bads = weights[:, own] @ outcome[own]
        of_fold = bads * (weights[:, own].sum(axis=1) - bads)
        auc = weighted(outcome[own], risk[own], weights[:, own])["auc"]
        won += np.where(of_fold > 0, of_fold * auc, 0)
        pairs += of_fold
    with np.errstate(invalid="ignore"):
        return np.asarray(won / pairs)


def _logits(
    settings: Settings,
    seen: pl.DataFrame,
    unseen: pl.DataFrame,
    listed: FeatureList,
    config: UndatedConfig,
) -> dict[str, FloatArray]:
    """Return each model's log odds for unseen firms."""
    trees = boosted.fit_trees(seen, listed, config.boosting, settings, config.seed)
    matrix = matrix_of(unseen, listed.names, listed.categorical)
    boosting = boosted.raw_logit(trees, unseen, listed, settings)
    signed = logistic.fit_signed(seen, listed, config.logistic_c).logit(matrix)
    strength = logistic.choose_strength(
        seen, listed, config.strengths, config.strength_repeats, config.seed
    )
    return {
        REGISTERED: signed,
        f"{REGISTERED}_nested": logistic.fit_signed(seen, listed, strength).logit(matrix),
        "logistic": logistic.fit_linear(seen, listed, config.logistic_c).logit(matrix),
        "catboost": boosting,
        "average": (boosting + signed) / 2,
    }


def _single(rows: pl.DataFrame, feature: FeatureMeta) -> FloatArray:
    """Return the feature's standardised rank, oriented so that higher means riskier.

    Not observed counts as zero.
    """
    rank = rows[feature.name].fill_null(0).rank().to_numpy() / rows.height
    return rank if feature.expected_sign == "+" else -rank
