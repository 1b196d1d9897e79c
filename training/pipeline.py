"""The steps of a training run, each safe to repeat: sample, fit, promote."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from features import registry
from firmpulse import runlog, tracking
from firmpulse.bundle import CreditModel, matrix_of
from firmpulse.scale import FloatArray
from firmpulse.settings import Settings
from training import boosted, frozen, logistic, plots, recording, sampling, serving
from training.config import DEFAULT, EXPERIMENT, TrainingConfig
from training.evaluation import Evaluation, evaluate, strongest_feature
from training.frozen import FrozenFrame
from training.promotion import promote
from training.sampling import SampleReport
from training.scorecard import Scorecard
from training.split import OOT, TRAIN

__all__ = ["FitReport", "fit_baseline", "fit_candidate", "promote", "sample"]


@dataclass(frozen=True)
class FitReport:
    """A registered model version and how it did; metrics as MLflow has them."""

    as_of: date
    model: str
    version: str
    run_id: str
    frame_digest: str
    features: int
    metrics: Mapping[str, float]
    seconds: Mapping[str, float]


def sample(settings: Settings, as_of: date, config: TrainingConfig = DEFAULT) -> SampleReport:
    """Freeze the training frame of `as_of` in warehouse.training.

    Raises:
        NotReadyError: labels are missing or too few to train, validate and test.
    """
    with runlog.step(settings, as_of, "train", "sample") as step:
        report = sampling.freeze(settings, as_of, registry.load(settings), config)
        step.rows_out = sum(report.rows.values())
    return report


def fit_candidate(settings: Settings, as_of: date, config: TrainingConfig = DEFAULT) -> FitReport:
    """Fit, evaluate, log and register the boosted candidate, and log the logistic run beside it.

    Raises:
        NotReadyError: nothing was sampled for `as_of`.
    """
    with runlog.step(settings, as_of, "train", "fit_candidate") as step:
        frame = frozen.read(settings, as_of)
        clock = _Clock()
        candidate = boosted.fit(settings, frame, config)
        model = candidate.model
        clock.lap("fit")
        evaluation = evaluate(frame, model.default_prob, config, candidate.held_out_prob)
        clock.lap("evaluate")
        report = _record_candidate(settings, frame, model, evaluation, config, clock)
        _record_logistic(settings, frame, config)
        step.rows_out, step.note = frame.rows.height, f"version {report.version}"
    return report


def fit_baseline(settings: Settings, as_of: date, config: TrainingConfig = DEFAULT) -> FitReport:
    """Fit, evaluate, log and register the scorecard on annual statements.

    Raises:
        NotReadyError: nothing was sampled for `as_of`, or no statement was ever observed.
    """
    from training import scorecard_fit

    with runlog.step(settings, as_of, "train", "fit_baseline") as step:
        frame = frozen.read(settings, as_of)
        clock = _Clock()
        card = scorecard_fit.fit(frame, config)
        clock.lap("fit")
        evaluation = evaluate(frame, card.default_prob, config)
        clock.lap("evaluate")
        report = _record_baseline(settings, frame, card, evaluation, clock)
        step.rows_out, step.note = frame.rows.height, f"version {report.version}"
    return report


class _Clock:
    """Seconds of the parts of a fit."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name], self._last = now - self._last, now


def _record_candidate(
    settings: Settings,
    frame: FrozenFrame,
    model: CreditModel,
    evaluation: Evaluation,
    config: TrainingConfig,
    clock: _Clock,
) -> FitReport:
    title = f"{tracking.CREDIT_MODEL}, out of time, as of {frame.as_of}, {frame.origin}"
    with recording.run(settings, EXPERIMENT, f"catboost {frame.as_of}", frame) as run:
        strongest, strongest_auc = strongest_feature(frame, model.bundle.features)
        recording.record(
            recording.Artifacts(
                parameters={
                    **config.boosting,
                    "trees": model.trees.tree_count_,
                    "seed": config.seed,
                    "threads": settings.threads,
                    "features": len(model.bundle.features),
                    "calibration": model.bundle.calibration.kind,
                },
                metrics={**evaluation.metrics, "strongest_feature_auc": strongest_auc},
                figures=_figures(frame, model, evaluation, title),
                tags={"strongest_feature": strongest},
            )
        )
        served = serving.credit(frame.part(OOT), model)
        version = recording.register(settings, served, serving.tags(frame))
        clock.lap("log")
        return _report(frame, served, version, run.info.run_id, evaluation, clock)


def _record_logistic(settings: Settings, frame: FrozenFrame, config: TrainingConfig) -> None:
    listed = boosted.candidate_features(frame.features)
    learnt = frame.part(TRAIN)
    model = logistic.fit_linear(learnt, listed, config.logistic_c)
    evaluation = evaluate(frame, lambda rows: logistic.linear_prob(model, rows, listed), config)
    with recording.run(settings, EXPERIMENT, f"logistic {frame.as_of}", frame):
        parameters = {"c": config.logistic_c, "features": len(listed.names)}
        recording.record(recording.Artifacts(parameters, evaluation.metrics, figures={}))


def _record_baseline(
    settings: Settings,
    frame: FrozenFrame,
    card: Scorecard,
    evaluation: Evaluation,
    clock: _Clock,
) -> FitReport:
    title = f"{tracking.STATEMENTS_MODEL}, out of time, as of {frame.as_of}, {frame.origin}"
    with recording.run(settings, EXPERIMENT, f"statements {frame.as_of}", frame) as run:
        figures = plots.of_predictions(evaluation.oot_outcome, evaluation.oot_prob, title)
        parameters = {"features": len(card.features), "intercept": card.intercept}
        recording.record(recording.Artifacts(parameters, evaluation.metrics, figures))
        served = serving.statements(frame.part(OOT), card)
        version = recording.register(settings, served, serving.tags(frame))
        clock.lap("log")
        return _report(frame, served, version, run.info.run_id, evaluation, clock)


def _figures(
    frame: FrozenFrame, model: CreditModel, evaluation: Evaluation, title: str
) -> dict[str, object]:
    rows, names = frame.part(OOT), model.bundle.features
    matrix = matrix_of(rows, names, model.bundle.categorical)
    return {
        **plots.of_predictions(evaluation.oot_outcome, evaluation.oot_prob, title),
        **plots.of_contributions(names, model.contributions(rows), _numbers(matrix), title),
    }


def _numbers(matrix: pl.DataFrame) -> FloatArray:
    """Return the matrix with NaN for categories, shape (rows, features)."""
    columns = [
        column.to_numpy() if column.dtype == pl.Float64 else np.full(matrix.height, np.nan)
        for column in matrix
    ]
    return np.column_stack(columns)


def _report(
    frame: FrozenFrame,
    served: recording.ServedModel,
    version: str,
    run_id: str,
    evaluation: Evaluation,
    clock: _Clock,
) -> FitReport:
    return FitReport(
        as_of=frame.as_of,
        model=served.name,
        version=version,
        run_id=run_id,
        frame_digest=frame.digest,
        features=served.matrix.width,
        metrics=recording.flat(evaluation.metrics),
        seconds=clock.seconds,
    )
