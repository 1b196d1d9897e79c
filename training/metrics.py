"""Discrimination, calibration and stability, with firm-clustered bootstrap intervals."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from firmpulse import stability
from firmpulse.scale import FloatArray

Weights = npt.NDArray[np.float64]

# Draws are processed in chunks of about this many weights, which bounds memory.
_CHUNK_WEIGHTS = 4_000_000
_LOWEST_PROB = 1e-15


@dataclass(frozen=True)
class Interval:
    """A value with its confidence interval."""

    value: float
    low: float
    high: float


def measure(outcome: FloatArray, default_prob: FloatArray) -> dict[str, float]:
    """Return auc, gini, ks, pr_auc, brier, log_loss and observed_expected.

    `observed_expected` is the number of defaults over the sum of the PDs; 1 is right.

    Args:
        outcome: 1 for bad, 0 for good, shape (rows,).
        default_prob: PDs of the same rows.
    """
    once = np.ones((1, len(outcome)))
    return {name: float(value[0]) for name, value in weighted(outcome, default_prob, once).items()}


def measure_with_intervals(
    outcome: FloatArray,
    default_prob: FloatArray,
    firms: npt.NDArray[np.str_],
    *,
    draws: int,
    confidence: float,
    seed: int,
) -> dict[str, Interval]:
    """Return each metric with a percentile interval from redrawing whole firms.

    Source: Cameron & Miller, A Practitioner's Guide to Cluster-Robust Inference (2015).
    """
    points = measure(outcome, default_prob)
    _, firm_of_row = np.unique(firms, return_inverse=True)
    clusters = int(firm_of_row.max()) + 1
    random = np.random.default_rng(seed)
    chunk = max(1, _CHUNK_WEIGHTS // len(outcome))
    parts: list[Mapping[str, FloatArray]] = []
    for start in range(0, draws, chunk):
        weights = firm_weights(random, clusters, min(chunk, draws - start))[:, firm_of_row]
        parts.append(weighted(outcome, default_prob, weights))
    return {
        name: interval(value, np.concatenate([part[name] for part in parts]), confidence)
        for name, value in points.items()
    }


def interval(value: float, drawn: FloatArray, confidence: float) -> Interval:
    """Return the percentile interval; draws without both outcomes are NaN and left out."""
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def firm_weights(random: np.random.Generator, clusters: int, draws: int) -> Weights:
    """Return how often each firm is drawn, shape (draws, clusters)."""
    picks = random.integers(0, clusters, size=(draws, clusters))
    picks += np.arange(draws)[:, None] * clusters
    counts = np.bincount(picks.ravel(), minlength=draws * clusters)
    return counts.reshape(draws, clusters).astype(np.float64)


def weighted(
    outcome: FloatArray, default_prob: FloatArray, weights: Weights
) -> dict[str, FloatArray]:
    """Return the metrics under each row of weights, shape (draws,); NaN without both classes."""
    order = np.argsort(-default_prob, kind="stable")
    prob, bad = default_prob[order], outcome[order].astype(np.float64)
    ordered = weights[:, order]
    # Ties share one threshold: sum within runs of equal probability.
    starts = np.flatnonzero(np.r_[True, np.diff(prob) != 0])
    bads = np.add.reduceat(ordered * bad, starts, axis=1)
    goods = np.add.reduceat(ordered * (1 - bad), starts, axis=1)
    bads_above, goods_above = np.cumsum(bads, axis=1), np.cumsum(goods, axis=1)
    all_bads, all_goods = bads_above[:, -1], goods_above[:, -1]
    safe = np.clip(prob, _LOWEST_PROB, 1 - _LOWEST_PROB)
    losses = -(bad * np.log(safe) + (1 - bad) * np.log1p(-safe))
    total = all_bads + all_goods
    with np.errstate(invalid="ignore", divide="ignore"):
        outranked = all_goods[:, None] - goods_above + goods / 2
        gaps = np.abs(bads_above / all_bads[:, None] - goods_above / all_goods[:, None])
        precision = bads_above / np.maximum(bads_above + goods_above, 1e-300)
        auc = (bads * outranked).sum(axis=1) / (all_bads * all_goods)
        return {
            "auc": auc,
            "gini": 2 * auc - 1,
            "ks": gaps.max(axis=1),
            "pr_auc": (bads * precision).sum(axis=1) / all_bads,
            "brier": ordered @ (prob - bad) ** 2 / total,
            "log_loss": ordered @ losses / total,
            "observed_expected": all_bads / (ordered @ prob),
        }


def losses(logit: FloatArray, outcome: FloatArray) -> FloatArray:
    """Return the log loss of each row from its log odds, same shape."""
    return np.asarray(np.logaddexp(0, logit) - outcome * logit, dtype=np.float64)


def score_stability(expected: FloatArray, actual: FloatArray) -> float:
    """Return the PSI of two samples over the deciles of the first; 0 means identical."""
    cuts = stability.decile_cuts(expected)
    return stability.population_stability_index(
        stability.shares(expected, cuts), stability.shares(actual, cuts)
    )
