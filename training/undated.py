"""Outcomes without dates: repeated cross-validation replaces an out-of-time test.

The model's inputs may already be a consequence of the default, so the metrics are an upper bound,
not a promise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from features import registry
from features.frame import frame
from features.permitted import withhold
from features.registry import Registry
from firmpulse import origin, runlog, tracking, warehouse
from firmpulse.errors import NotReadyError
from firmpulse.known_at import known_at
from firmpulse.settings import Settings
from model.bundle import Bundle, CreditModel
from model.calibration import Calibration
from training import boosted, frozen, level, logistic, recording, sampling, serving
from training.calibration import fit_platt
from training.config import DEFAULT_UNDATED, UNDATED, UNDATED_EXPERIMENT, UndatedConfig
from training.cross_validation import (
    REGISTERED,
    Comparison,
    OutOfFold,
    measure_out_of_fold,
    predict_out_of_fold,
)
from training.evaluation import strongest_feature
from training.frozen import FrozenFrame
from training.metrics import Interval

# Sums over threads may differ in the last bits; the order of firms must not.
_FIGURES = 9


@dataclass(frozen=True)
class CrossValidationReport:
    """Results of each model on unseen firms, and the registered version."""

    as_of: date
    firms: int
    bads: int
    repeats: int
    folds: int
    features: int
    comparison: Comparison
    # The compared model that is registered.
    registered: str
    model: str
    version: str
    frame_digest: str


def cross_validate(
    settings: Settings,
    as_of: date,
    repeats: int = 10,
    folds: int = 5,
    config: UndatedConfig = DEFAULT_UNDATED,
) -> CrossValidationReport:
    """Cross-validate on undated outcomes, fit on all of them and register the result.

    Like every version it becomes champion by `promotion.promote` alone.

    Raises:
        NotReadyError: fewer firms of an outcome than folds, or none of their features is observed.
    """
    with runlog.step(settings, as_of, "train", "cross_validate") as step:
        rows = _freeze(settings, as_of, registry.load(settings), folds)
        listed = boosted.candidate_features(rows.features)
        predicted = predict_out_of_fold(settings, rows, listed, repeats, folds, config)
        comparison = measure_out_of_fold(rows.rows["outcome"] == "bad", predicted, config)
        model = _fit_all(settings, rows, listed, predicted, config)
        version = _register(settings, rows, model, comparison.metrics, config)
        step.rows_out, step.note = rows.rows.height, f"version {version}"
    return CrossValidationReport(
        as_of=as_of,
        firms=rows.rows.height,
        bads=int((rows.rows["outcome"] == "bad").sum()),
        repeats=repeats,
        folds=folds,
        features=len(listed.names),
        comparison=comparison,
        registered=REGISTERED,
        model=tracking.CREDIT_MODEL,
        version=version,
        frame_digest=rows.digest,
    )


def _freeze(settings: Settings, as_of: date, known: Registry, folds: int) -> FrozenFrame:
    """Freeze one row per labelled firm, with the features observed for any of them.

    Firms are sorted by their observed values, not by their random tokens, so that every home folder
    makes the same folds.
    """
    name = frozen.table_name(as_of, "undated")
    with warehouse.connect(settings) as connection:
        granted = sampling.trainable(settings, as_of)
        labels = _labels(connection, as_of, granted, folds)
        spine = labels.select("firm_id", "as_of")
        names = known.names(exclude_sources=("statement",))
        values = withhold(frame(connection, known, spine, names), known.features, granted)
        observed = tuple(
            feature
            for feature in known.features
            if feature.name in values.columns and values[feature.name].drop_nulls().n_unique() > 1
        )
        if not observed:
            raise NotReadyError(
                f"no feature of the {labels.height} labelled firms is observed at {as_of}; "
                f"run: firmpulse night --as-of {as_of}"
            )
        columns = values.select(feature.name for feature in observed)
        rows = _by_content(pl.concat([labels, columns], how="horizontal"), columns.columns)
        digest = frozen.write(connection, as_of, rows, observed, name, UNDATED)
        whose = origin.of_deliveries(connection)
    return FrozenFrame(
        as_of, f"training.{name}", digest, observed, rows, rows.height, whose, UNDATED
    )


def _by_content(rows: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    floats = [name for name in names if rows[name].dtype == pl.Float64]
    rounded = (pl.col(name).round_sig_figs(_FIGURES) if name in floats else name for name in names)
    return rows.sort(*rounded, "outcome")


def _labels(
    connection: duckdb.DuckDBPyConnection, as_of: date, granted: pl.DataFrame, folds: int
) -> pl.DataFrame:
    labels = pl.DataFrame(schema={"outcome": pl.String})
    if warehouse.is_built(connection, "labels.undated_outcome"):
        labels = connection.execute(
            "select cast(firm_id as varchar) as firm_id, cast($as_of as date) as as_of, "  # noqa: S608 - our own names
            "case when defaulted then 'bad' else 'good' end as outcome, 'train' as split "
            "from warehouse.labels.undated_outcome "
            f"where {known_at()} order by firm_id",
            {"as_of": as_of},
        ).pl()
        labels = labels.join(granted, on="firm_id", how="semi", maintain_order="left")
    bads = int((labels["outcome"] == "bad").sum())
    goods = labels.height - bads
    if min(bads, goods) < folds:
        raise NotReadyError(
            f"{bads} bad and {goods} good undated outcomes are known, {folds} folds need at least "
            f"{folds} of each; land more outcome labels or use fewer folds"
        )
    return labels


def _fit_all(
    settings: Settings,
    rows: FrozenFrame,
    listed: boosted.FeatureList,
    predicted: OutOfFold,
    config: UndatedConfig,
) -> CreditModel:
    """Fit on every labelled firm; calibrate on the out-of-fold predictions."""
    bundle = Bundle(
        features=listed.names,
        categorical=listed.categorical,
        calibration=_calibration(rows, predicted),
        trained_as_of=rows.as_of,
        frame_digest=rows.digest,
        threads=settings.threads,
        seed=config.seed,
        linear=logistic.fit_signed(rows.rows, listed, config.logistic_c),
    )
    model = CreditModel(bundle)
    if config.portfolio_rate is None:
        return model
    return level.to_portfolio(model, level.anchor(rows, config.portfolio_rate))


def _calibration(rows: FrozenFrame, predicted: OutOfFold) -> Calibration:
    logit = predicted.scores[REGISTERED]
    outcome = frozen.bads_of(pl.concat([rows.rows] * len(logit)))
    return fit_platt(logit.ravel(), outcome)


def _register(
    settings: Settings,
    rows: FrozenFrame,
    model: CreditModel,
    metrics: Mapping[str, Mapping[str, Interval]],
    config: UndatedConfig,
) -> str:
    """Log one run per model, register one; return its version."""
    for name, measured in metrics.items():
        if name == REGISTERED:
            continue
        with recording.run(settings, UNDATED_EXPERIMENT, name, rows):
            recording.record(recording.Artifacts({}, _prefixed(measured)))
    with recording.run(settings, UNDATED_EXPERIMENT, REGISTERED, rows):
        parameters = {
            "logistic_c": config.logistic_c,
            "seed": config.seed,
            "threads": settings.threads,
            "features": len(model.bundle.features),
        }
        name, auc = strongest_feature(rows, model.bundle.features)
        counts = {
            "cv/firms": float(rows.rows.height),
            "cv/bads": float(frozen.bads_of(rows.rows).sum()),
            "train/strongest_feature_auc": auc,
        }
        anchored = {}
        if config.portfolio_rate is not None:
            anchored = level.anchor(rows, config.portfolio_rate).metrics()
        of_version = {**_prefixed(metrics[REGISTERED]), **counts, **anchored}
        recorded = recording.Artifacts(parameters, of_version, tags={"strongest_feature": name})
        recording.record(recorded)
        served = serving.credit(rows.features, model)
        return recording.register(settings, served, serving.tags(rows))


def _prefixed(metrics: Mapping[str, Interval]) -> dict[str, Interval | float]:
    return {f"cv/{name}": value for name, value in metrics.items()}
