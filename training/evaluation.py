"""Score the splits of a frozen frame and measure a model on them."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from firmpulse.scale import FloatArray
from training.config import TrainingConfig
from training.frozen import FrozenFrame, bads_of
from training.metrics import (
    Interval,
    measure,
    measure_with_intervals,
    score_stability,
)
from training.split import OOT, TRAIN, VALIDATION

Predict = Callable[[pl.DataFrame], FloatArray]


@dataclass(frozen=True)
class Evaluation:
    """Metrics by name, and the out-of-time rows they come from."""

    metrics: dict[str, Interval | float]
    oot_outcome: FloatArray
    oot_prob: FloatArray
    train_prob: FloatArray


def evaluate(frame: FrozenFrame, predict: Predict, config: TrainingConfig) -> Evaluation:
    """Return metrics named `<split>_<metric>`; out of time with firm-clustered intervals.

    Firms unseen in training are measured apart where they show both outcomes.
    """
    learnt, oot = frame.part(TRAIN, VALIDATION), frame.part(OOT)
    learnt_prob, oot_prob = predict(learnt), predict(oot)
    metrics: dict[str, Interval | float] = {}
    for split in (TRAIN, VALIDATION):
        here = (learnt["split"] == split).to_numpy()
        parts = measure(bads_of(learnt)[here], learnt_prob[here])
        metrics |= {f"{split}_{name}": value for name, value in parts.items()}
    metrics |= _with_intervals(oot, oot_prob, "oot", config)
    unseen = ~oot["firm_id"].is_in(learnt["firm_id"].unique().to_list()).to_numpy()
    metrics["oot_unseen_rows"] = float(unseen.sum())
    unseen_rows = oot.filter(unseen)
    if set(unseen_rows["outcome"]) == {"good", "bad"}:
        metrics |= _with_intervals(unseen_rows, oot_prob[unseen], "oot_unseen", config)
    metrics["psi_score"] = score_stability(learnt_prob, oot_prob)
    metrics |= {
        "oot_rows": float(oot.height),
        "oot_bads": float(bads_of(oot).sum()),
        "oot_observed_rate": float(bads_of(oot).mean()),
        "oot_mean_prob": float(oot_prob.mean()),
    }
    return Evaluation(metrics, bads_of(oot), oot_prob, learnt_prob)


def _with_intervals(
    rows: pl.DataFrame, default_prob: FloatArray, prefix: str, config: TrainingConfig
) -> dict[str, Interval | float]:
    measured = measure_with_intervals(
        bads_of(rows),
        default_prob,
        rows["firm_id"].to_numpy(),
        draws=config.bootstrap_draws,
        confidence=config.confidence,
        seed=config.seed,
    )
    return {f"{prefix}_{name}": value for name, value in measured.items()}
