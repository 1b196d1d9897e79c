"""Two models' measures side by side, with intervals from redrawing whole firms."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from firmpulse.scale import FloatArray
from training import metrics
from training.claims.ranking import Rows
from training.metrics import Interval, Weights, firm_weights

# Draws are processed in chunks of about this many weights, which bounds memory.
_CHUNK_WEIGHTS = 1_000_000


@dataclass(frozen=True)
class Comparison:
    """A measure of both models, candidate minus baseline, and candidate over baseline minus 1."""

    baseline: Interval
    candidate: Interval
    difference: Interval
    uplift: Interval


@dataclass(frozen=True)
class Measured:
    """Measures by name, for the original rows and for each draw, shape (draws,)."""

    point: Mapping[str, float]
    drawn: Mapping[str, FloatArray]
    confidence: float

    def interval(self, name: str) -> Interval:
        """Return a measure with its interval."""
        return _interval(self.point[name], self.drawn[name], self.confidence)

    def compare(self, baseline: str, candidate: str) -> Comparison:
        """Return two measures side by side; both models use the same draws."""
        old, new = self.drawn[baseline], self.drawn[candidate]
        old_point, new_point = (np.array([self.point[name]]) for name in (baseline, candidate))
        change, uplift = new_point - old_point, _uplift(old_point, new_point)
        return Comparison(
            baseline=self.interval(baseline),
            candidate=self.interval(candidate),
            difference=_interval(float(change[0]), new - old, self.confidence),
            uplift=_interval(float(uplift[0]), _uplift(old, new), self.confidence),
        )


def redrawn(
    weighted: Callable[[Weights], dict[str, FloatArray]],
    firms: Rows,
    *,
    draws: int,
    confidence: float,
    seed: int,
) -> Measured:
    """Return the measures of the rows and of draws of whole firms.

    Args:
        weighted: gives measures of shape (draws,) from weights of shape (draws, rows).
        firms: number of each row's firm, from 0, shape (rows,).
        draws: number of draws of the firms.
        confidence: level of the intervals.
        seed: seed of the draws.

    Source: Cameron & Miller, A Practitioner's Guide to Cluster-Robust Inference (2015).
    """
    point = weighted(np.ones((1, len(firms))))
    random = np.random.default_rng(seed)
    chunk = max(1, _CHUNK_WEIGHTS // len(firms))
    parts = []
    for start in range(0, draws, chunk):
        drawn = firm_weights(random, int(firms.max()) + 1, min(chunk, draws - start))
        parts.append(weighted(drawn[:, firms]))
    return Measured(
        point={name: float(value[0]) for name, value in point.items()},
        drawn={name: np.concatenate([part[name] for part in parts]) for name in point},
        confidence=confidence,
    )


def _interval(value: float, drawn: FloatArray, confidence: float) -> Interval:
    if np.isnan(drawn).all():
        return Interval(value, float("nan"), float("nan"))
    return metrics.interval(value, drawn, confidence)


def _uplift(old: FloatArray, new: FloatArray) -> FloatArray:
    return np.divide(new, old, out=np.full_like(old, np.nan), where=old != 0) - 1
