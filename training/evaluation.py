"""Score the splits of a frozen frame and measure a model on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from features import strength
from firmpulse.scale import FloatArray
from training import calibration_checks
from training.calibration_checks import GradeCheck
from training.config import TrainingConfig
from training.frozen import FrozenFrame, bad_firms_of, bads_of
from training.metrics import (
    Interval,
    measure,
    measure_with_intervals,
    score_stability,
)
from training.split import OOT, TRAIN

Predict = Callable[[pl.DataFrame], FloatArray]


@dataclass(frozen=True)
class Evaluation:
    """Metrics by name, and their out-of-time rows."""

    metrics: dict[str, Interval | float]
    oot_outcome: FloatArray
    oot_prob: FloatArray


def evaluate(
    frame: FrozenFrame,
    predict: Predict,
    config: TrainingConfig,
    held_out_prob: FloatArray | None = None,
) -> Evaluation:
    """Return metrics named `<rows>/<metric>`; out of time with firm-clustered intervals.

    Firms unseen in training are measured separately if they have both outcomes.

    Args:
        frame: the frozen frame the model was fitted on.
        predict: gives calibrated PDs of rows.
        config: draws, confidence and seed.
        held_out_prob: PDs of the training rows by fits without the firm, if any; measured as
            `held_out`.
    """
    learnt, oot = frame.part(TRAIN), frame.part(OOT)
    learnt_prob, oot_prob = predict(learnt), predict(oot)
    metrics: dict[str, Interval | float] = {}
    seen = {"train": learnt_prob}
    if held_out_prob is not None:
        seen["train_held_out"] = held_out_prob
    for name, prob in seen.items():
        parts = measure(bads_of(learnt), prob)
        metrics |= {f"{name}/{metric}": value for metric, value in parts.items()}
    metrics |= _with_intervals(oot, oot_prob, "oot", config)
    unseen = ~oot["firm_id"].is_in(learnt["firm_id"].unique().to_list()).to_numpy()
    metrics["oot_unseen/rows"] = float(unseen.sum())
    unseen_rows = oot.filter(unseen)
    if set(unseen_rows["outcome"]) == {"good", "bad"}:
        metrics |= _with_intervals(unseen_rows, oot_prob[unseen], "oot_unseen", config)
    metrics["stability/psi_score"] = score_stability(learnt_prob, oot_prob)
    metrics |= {
        "oot/rows": float(oot.height),
        "oot/bads": float(bads_of(oot).sum()),
        "oot/bad_firms": float(bad_firms_of(oot)),
        "oot/observed_rate": float(bads_of(oot).mean()),
        "oot/mean_prob": float(oot_prob.mean()),
    }
    grades = calibration_checks.by_grade(bads_of(oot), oot_prob, config.asset_correlation)
    metrics |= _calibration(bads_of(oot), oot_prob, grades)
    return Evaluation(metrics, bads_of(oot), oot_prob)


def _calibration(
    outcome: FloatArray, default_prob: FloatArray, grades: tuple[GradeCheck, ...]
) -> dict[str, float]:
    """Return metrics of the out-of-time PDs and grades, for the gates and the reader."""
    by_decile = calibration_checks.hosmer_lemeshow(outcome, default_prob)
    over_all = calibration_checks.spiegelhalter(outcome, default_prob)
    parts = calibration_checks.brier_parts(outcome, default_prob)
    return {
        "oot_calibration/hosmer_lemeshow": by_decile.value,
        "oot_calibration/hosmer_lemeshow_p": by_decile.p_value,
        "oot_calibration/spiegelhalter_z": over_all.value,
        "oot_calibration/spiegelhalter_p": over_all.p_value,
        "oot_calibration/brier_reliability": parts.reliability,
        "oot_calibration/brier_resolution": parts.resolution,
        "oot_calibration/brier_uncertainty": parts.uncertainty,
        "oot_grades/red": float(sum(grade.light == "red" for grade in grades)),
        **_spread(grades),
    }


def grades_of(
    outcome: FloatArray, default_prob: FloatArray, config: TrainingConfig
) -> dict[str, float]:
    """Return the metrics of the grades that do not depend on the level of the outcomes."""
    return _spread(calibration_checks.by_grade(outcome, default_prob, config.asset_correlation))


def _spread(grades: tuple[GradeCheck, ...]) -> dict[str, float]:
    largest, index = calibration_checks.concentration(grades)
    return {
        "oot_grades/largest_share": largest,
        "oot_grades/hhi": index,
        "oot_grades/disordered": float(calibration_checks.disordered(grades)),
    }


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
    return {f"{prefix}/{name}": value for name, value in measured.items()}


def strongest_feature(frame: FrozenFrame, names: Sequence[str]) -> tuple[str, float]:
    """Return the single number that ranks the training rows best, and its AUC in either direction.

    One that alone predicts nearly all defaults is most likely based on later knowledge.
    """
    learnt = frame.part(TRAIN)
    is_bad = learnt["outcome"] == "bad"
    found = {name: strength.measure(learnt[name], is_bad) for name in names}
    ranked = {
        name: max(measured.auc, 1 - measured.auc)
        for name, measured in found.items()
        if measured is not None and not np.isnan(measured.auc)
    }
    if not ranked:
        return "", 0.5
    return max(ranked.items(), key=lambda item: (item[1], item[0]))
