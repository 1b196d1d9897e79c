"""Fit the gradient-boosted candidate."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from features.registry import FeatureMeta
from firmpulse.bundle import Bundle, CreditModel, matrix_of, pool_of
from firmpulse.scale import PlattCalibration
from firmpulse.settings import Settings
from training.calibration import fit_platt
from training.config import TrainingConfig
from training.frozen import FrozenFrame, bads_of
from training.split import TRAIN, VALIDATION

_CONSTRAINTS = {"+": 1, "-": -1, "U": 0}
_STATEMENTS = "statement"
# Rows that an unreached leaf counts for; a reached one counts for at least one.
_UNREACHED = 1e-3


@dataclass(frozen=True)
class FeatureList:
    """The candidate's features in order, the categories among them, and their expected signs."""

    names: tuple[str, ...]
    categorical: tuple[str, ...]
    # +1 raises risk, −1 lowers it, 0 either; aligned with names.
    constraints: tuple[int, ...]


def candidate_features(features: tuple[FeatureMeta, ...]) -> FeatureList:
    """Return what the candidate may see: every feature but those of annual statements."""
    used = [feature for feature in features if feature.source != _STATEMENTS]
    return FeatureList(
        names=tuple(feature.name for feature in used),
        categorical=tuple(feature.name for feature in used if feature.kind == "category"),
        constraints=tuple(
            0 if feature.kind == "category" else _CONSTRAINTS[feature.expected_sign]
            for feature in used
        ),
    )


def fit_trees(
    rows: pl.DataFrame,
    listed: FeatureList,
    parameters: Mapping[str, float | int | str],
    settings: Settings,
    seed: int,
    stop_on: pl.DataFrame | None = None,
) -> Any:
    """Return a CatBoost model fitted on labelled rows, stopped early on held-out ones."""
    from catboost import CatBoost

    model = CatBoost(
        {
            **parameters,
            "loss_function": "Logloss",
            "monotone_constraints": list(listed.constraints),
            "random_seed": seed,
            "thread_count": settings.threads,
            "allow_writing_files": False,
            "verbose": False,
        }
    )
    pool = _pool(rows, listed)
    model.fit(pool, eval_set=None if stop_on is None else _pool(stop_on, listed))
    return _with_weighted_leaves(model, pool)


def _with_weighted_leaves(model: Any, pool: Any) -> Any:
    """Return the model with a small weight on leaves that no training row reached.

    Monotone constraints give such leaves a value. CatBoost then takes the leaf weights of
    whatever rows it explains, and a firm's SHAP values would depend on the firms beside it
    (catboost issue 1956). Weights play no part in predictions.
    """
    from catboost import CatBoost

    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json", pool=pool)
        content = json.loads(path.read_text(encoding="utf-8"))
        for tree in content["oblivious_trees"]:
            tree["leaf_weights"] = [weight or _UNREACHED for weight in tree["leaf_weights"]]
        path.write_text(json.dumps(content), encoding="utf-8")
        weighted = CatBoost()
        weighted.load_model(str(path), format="json")
    return weighted


def _pool(rows: pl.DataFrame, listed: FeatureList) -> Any:
    matrix = matrix_of(rows, listed.names, listed.categorical)
    return pool_of(matrix, listed.categorical, label=bads_of(rows))


def fit(settings: Settings, frame: FrozenFrame, config: TrainingConfig) -> CreditModel:
    """Return the candidate: trees fitted on train, stopped and calibrated on validation."""
    listed = candidate_features(frame.features)
    held_out = frame.part(VALIDATION)
    trees = fit_trees(
        frame.part(TRAIN), listed, config.boosting, settings, config.seed, stop_on=held_out
    )
    uncalibrated = Bundle(
        features=listed.names,
        categorical=listed.categorical,
        calibration=PlattCalibration(slope=1.0, intercept=0.0),
        trained_as_of=frame.as_of,
        frame_digest=frame.digest,
        threads=settings.threads,
        seed=config.seed,
    )
    raw = CreditModel(uncalibrated, trees).raw_logit(held_out)
    calibration = fit_platt(raw, bads_of(held_out))
    return CreditModel(replace(uncalibrated, calibration=calibration), trees)
