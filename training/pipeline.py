"""The steps of a training run, each safe to repeat: sample, fit, validate, promote."""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType

import polars as pl

from features import registry
from firmpulse import runlog, tracking
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings
from training import (
    boosted,
    candidates,
    frozen,
    level,
    logistic,
    plots,
    recording,
    sampling,
    scorecard_fit,
    segmented,
    serving,
    tuning,
    versions,
)
from training.config import DEFAULT, EXPERIMENT, TrainingConfig
from training.evaluation import Evaluation, evaluate, grades_of, strongest_feature
from training.frozen import FrozenFrame
from training.narrowed import twice
from training.promotion import promote
from training.sampling import SampleReport
from training.scorecard import Scorecard
from training.split import OOT
from training.validation.validate import validate

__all__ = [
    "FitReport",
    "fit_candidate",
    "fit_logistic",
    "fit_statements",
    "promote",
    "sample",
    "validate",
]


@dataclass(frozen=True)
class FitReport:
    """A registered model version and its results; metrics as in MLflow."""

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
    known = registry.load(settings)
    reads = [*known.tables(), "warehouse.labels.default_12m", "warehouse.labels.loan_outcome_12m"]
    writes = [frozen.full_name(as_of)]
    with runlog.step(settings, as_of, "train", "sample", reads=reads, writes=writes) as step:
        report = sampling.freeze(settings, as_of, known, config)
        step.rows_out, step.note = sum(report.rows.values()), str(report)
    return report


def fit_candidate(settings: Settings, as_of: date, config: TrainingConfig = DEFAULT) -> FitReport:
    """Search, fit, evaluate, log and register the boosted candidate.

    Raises:
        NotReadyError: nothing was sampled for `as_of`.
        ConfigurationError: there is no view to leave out, or no feature to segment by, as named.
    """
    with _fitting(settings, as_of, "fit_candidate", tracking.CREDIT_MODEL) as step:
        frame = _learnt(settings, as_of, config)
        segmented.require(frame, config)
        clock = _Clock()
        listed = boosted.candidate_features(frame.learnable)
        searched = tuning.search(settings, frame, listed, config)
        clock.lap("search")
        with_best = replace(config, boosting=searched.best)
        chosen = candidates.choose(settings, frame, with_best, searched.held_out)
        candidate = chosen.candidate
        found = level.find(frame, candidate.model.default_prob, config)
        model = level.moved(candidate.model, found.shift)
        clock.lap("fit")
        evaluation = evaluate(frame, model.default_prob, config, candidate.held_out_prob)
        strongest, strongest_auc = strongest_feature(frame, model.bundle.features)
        # All is measured at the level of the sample, except for the grades that firms will get.
        anchored = {}
        if config.portfolio_rate is not None:
            anchor = level.anchor(frame, config.portfolio_rate)
            model = level.to_portfolio(model, anchor)
            scored = model.default_prob(frame.part(OOT))
            anchored = anchor.metrics() | grades_of(evaluation.oot_outcome, scored, config)
        clock.lap("evaluate")
        artifacts = recording.Artifacts(
            parameters={
                **searched.best,
                "trials": config.trials,
                "kind": model.kind,
                "trees": model.tree_count,
                "seed": config.seed,
                "threads": settings.threads,
                "features": len(model.bundle.features),
                "features_left_out": len(frame.left_out),
                "calibration": model.bundle.calibration.kind,
                "segment_by": config.segment_by or "",
                "without": config.without or "",
                "segments": ", ".join(model.segments),
            },
            metrics={
                **evaluation.metrics,
                **found.metrics(),
                **anchored,
                **chosen.metrics,
                "train/strongest_feature_auc": strongest_auc,
            },
            tags={"strongest_feature": strongest},
            tables={"trials": searched.trials, "features_left_out": _left_out(frame)},
        )
        served = serving.credit(frame.features, model)
        report = _register(settings, frame, artifacts, served, clock)
        step.rows_out, step.note = frame.rows.height, f"version {report.version}"
        if config.segment_by and not model.segments:
            step.note += f", no level of {config.segment_by} has enough defaults for its own model"
    return report


def fit_statements(settings: Settings, as_of: date, config: TrainingConfig = DEFAULT) -> FitReport:
    """Fit, evaluate, log and register the traditional scorecard on annual statements.

    Without any statement it reads what else a lender knows, and its version says so.

    Raises:
        NotReadyError: nothing was sampled for `as_of`.
    """
    with _fitting(settings, as_of, "fit_statements", tracking.STATEMENTS_MODEL) as step:
        frame = frozen.read(settings, as_of)
        clock = _Clock()
        card = scorecard_fit.fit_statements(frame, config)
        clock.lap("fit")
        instead = scorecard_fit.without_statements(card, frame.features)
        tags = {versions.WITHOUT_STATEMENTS: instead} if instead else {}
        name = tracking.STATEMENTS_MODEL
        report = _register_card(settings, frame, name, card, config, clock, tags)
        step.rows_out, step.note = frame.rows.height, f"version {report.version}"
        if instead:
            step.note += f", without statements: {instead}"
    return report


def fit_logistic(settings: Settings, as_of: date, config: TrainingConfig = DEFAULT) -> FitReport:
    """Fit and log logistic regressions on the candidate's features, and register the one on WOE.

    Besides the scorecard on weights of evidence, a run on the features' ranks is logged.

    Raises:
        NotReadyError: nothing was sampled for `as_of`.
    """
    with _fitting(settings, as_of, "fit_logistic", tracking.LOGISTIC_MODEL) as step:
        frame = _learnt(settings, as_of, config)
        clock = _Clock()
        card = scorecard_fit.fit_woe(frame, config)
        clock.lap("fit")
        report = _register_card(settings, frame, tracking.LOGISTIC_MODEL, card, config, clock)
        _record_ranks(settings, frame, config)
        step.rows_out, step.note = frame.rows.height, f"version {report.version}"
    return report


def _learnt(settings: Settings, as_of: date, config: TrainingConfig) -> FrozenFrame:
    """Return the frozen frame without the view that is to be left out."""
    frame = frozen.read(settings, as_of)
    views = dict.fromkeys(feature.view for feature in frame.features)
    if config.without is not None and config.without not in views:
        raise ConfigurationError(
            f"no feature view {config.without!r} to leave out; use one of {', '.join(views)}"
        )
    return replace(frame, without=config.without)


def _fitting(
    settings: Settings, as_of: date, name: str, model: str
) -> AbstractContextManager[runlog.Step]:
    reads, writes = [frozen.full_name(as_of)], [f"models.{model}"]
    return runlog.step(settings, as_of, "train", name, reads=reads, writes=writes)


class _Clock:
    """Seconds of the parts of a fit."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name], self._last = now - self._last, now


def _register_card(
    settings: Settings,
    frame: FrozenFrame,
    model: str,
    card: Scorecard,
    config: TrainingConfig,
    clock: _Clock,
    tags: Mapping[str, str] = MappingProxyType({}),
) -> FitReport:
    found = level.find(frame, card.default_prob, config)
    card = level.moved_card(card, found.shift)
    evaluation = evaluate(frame, card.default_prob, config)
    clock.lap("evaluate")
    artifacts = recording.Artifacts(
        parameters={"features": len(card.features), "intercept": card.intercept},
        metrics={**evaluation.metrics, **found.metrics()},
        figures=_figures(frame, model, evaluation),
    )
    served = serving.points(model, frame.features, card)
    return _register(settings, frame, artifacts, served, clock, tags)


def _record_ranks(settings: Settings, frame: FrozenFrame, config: TrainingConfig) -> None:
    listed = boosted.candidate_features(frame.learnable)
    learnt = twice(frame, listed.definitions, config)
    fitted = logistic.fit_linear(learnt, listed, config.logistic_c)
    found = level.find(frame, lambda rows: logistic.linear_prob(fitted, rows, listed), config)
    model = level.moved_linear(fitted, found.shift)
    evaluation = evaluate(frame, lambda rows: logistic.linear_prob(model, rows, listed), config)
    with recording.run(settings, EXPERIMENT, "logistic on ranks", frame):
        parameters = {"c": config.logistic_c, "features": len(listed.names)}
        metrics = {**evaluation.metrics, **found.metrics()}
        recording.record(recording.Artifacts(parameters, metrics))


def _left_out(frame: FrozenFrame) -> pl.DataFrame:
    left_out = frame.left_out
    return pl.DataFrame({"feature": list(left_out), "because": list(left_out.values())})


def _figures(frame: FrozenFrame, model: str, evaluation: Evaluation) -> Mapping[str, bytes]:
    title = f"{model}, out of time, as of {frame.as_of}, {frame.origin}"
    return plots.of_predictions(evaluation.oot_outcome, evaluation.oot_prob, title)


def _register(
    settings: Settings,
    frame: FrozenFrame,
    artifacts: recording.Artifacts,
    served: recording.ServedModel,
    clock: _Clock,
    tags: Mapping[str, str] = MappingProxyType({}),
) -> FitReport:
    with recording.run(settings, EXPERIMENT, served.name, frame) as run:
        recording.record(artifacts)
        version = recording.register(settings, served, {**serving.tags(frame), **tags})
    clock.lap("log")
    return FitReport(
        as_of=frame.as_of,
        model=served.name,
        version=version,
        run_id=run.info.run_id,
        frame_digest=frame.digest,
        features=served.example.width,
        metrics=recording.flat(artifacts.metrics),
        seconds=clock.seconds,
    )
