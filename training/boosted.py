"""Fit the gradient-boosted candidate."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from features.registry import FeatureMeta
from firmpulse.scale import FloatArray
from firmpulse.settings import Settings
from model.bundle import Bundle, CreditModel, matrix_of, pool_of
from training import calibration, split
from training.config import TrainingConfig
from training.frozen import FrozenFrame, bad_firms_of, bads_of
from training.narrowed import again
from training.split import TRAIN

_CONSTRAINTS = {"+": 1, "-": -1, "U": 0}
_STATEMENTS = "statement"
# Weight of an unreached leaf, in rows; a reached one has at least one row.
_UNREACHED = 1e-3
# Meaningless without rows for early stopping.
_STOPPING = ("early_stopping_rounds",)


@dataclass(frozen=True)
class FeatureList:
    """The candidate's features in order, the categories among them, and their expected signs."""

    names: tuple[str, ...]
    categorical: tuple[str, ...]
    # +1 raises risk, −1 lowers it, 0 either; aligned with names.
    constraints: tuple[int, ...]
    # Their definitions, with the sources of each; without them no row is narrowed.
    definitions: tuple[FeatureMeta, ...] = ()


def candidate_features(features: tuple[FeatureMeta, ...]) -> FeatureList:
    """Return the candidate's features: all but those of annual statements."""
    used = [feature for feature in features if feature.source != _STATEMENTS]
    return FeatureList(
        names=tuple(feature.name for feature in used),
        categorical=tuple(feature.name for feature in used if feature.kind == "category"),
        constraints=tuple(
            0 if feature.kind == "category" else _CONSTRAINTS[feature.expected_sign]
            for feature in used
        ),
        definitions=tuple(used),
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
    eval_set = None if stop_on is None else _pool(stop_on, listed)
    model.fit(_pool(rows, listed), eval_set=eval_set)
    return model


def raw_logit(
    trees: Any, rows: pl.DataFrame, listed: FeatureList, settings: Settings
) -> FloatArray:
    """Return the uncalibrated log odds, shape (rows,)."""
    found = trees.predict(
        _pool(rows, listed), prediction_type="RawFormulaVal", thread_count=settings.threads
    )
    return np.asarray(found, dtype=np.float64)


def explainable(model: Any, rows: pl.DataFrame, listed: FeatureList) -> Any:
    """Return the model with a small weight on leaves that no training row reached.

    Monotone constraints give such leaves a value. CatBoost then uses the leaf weights of the rows
    that it explains, and a firm's SHAP values would depend on the other firms in the batch
    (catboost issue 1956). Weights do not affect predictions.
    """
    from catboost import CatBoost

    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json", pool=_pool(rows, listed))
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


@dataclass(frozen=True)
class Candidate:
    """A fitted model, and its held-out predictions for training firms."""

    model: CreditModel
    # Calibrated PDs of the training rows by trees fitted on other firms, shape (rows,).
    held_out_prob: FloatArray


@dataclass(frozen=True)
class HeldOut:
    """Held-out predictions of trees."""

    # Uncalibrated log odds of the training rows, shape (rows,).
    raw_logit: FloatArray
    # Number of trees, the median over the folds.
    tree_count: int


def fit(
    settings: Settings,
    frame: FrozenFrame,
    config: TrainingConfig,
    held_out: HeldOut | None = None,
    listed: FeatureList | None = None,
) -> Candidate:
    """Return the candidate: trees fitted on all training rows, calibrated on held-out predictions.

    If enough firms defaulted, each row is learnt twice: as it is, and with less known, as a firm
    looks that grants fewer sources or is watched for fewer months. No firm counts more for it.

    Held-out predictions come from one fit per fold of firms, stopped early on that fold. The
    candidate has the median of their numbers of trees. So every default counts in the calibration;
    a single held-out quarter of the firms may have only a handful.

    Args:
        settings: threads.
        frame: the frozen frame.
        config: parameters, folds and seed.
        held_out: predictions with these parameters, if already made.
        listed: the features to learn; by default all that the frame can teach.
    """
    rows, listed = frame.part(TRAIN), listed or candidate_features(frame.learnable)
    less_known = again(frame, listed.definitions, config)
    held_out = held_out or hold_out(settings, rows, less_known, listed, config)
    calibrated = calibration.choose(held_out.raw_logit, bads_of(rows), bad_firms_of(rows))
    final = {name: value for name, value in config.boosting.items() if name not in _STOPPING}
    trees = fit_trees(
        pl.concat([rows, less_known]),
        listed,
        final | {"iterations": held_out.tree_count},
        settings,
        config.seed,
    )
    bundle = Bundle(
        features=listed.names,
        categorical=listed.categorical,
        calibration=calibrated,
        trained_as_of=frame.as_of,
        frame_digest=frame.digest,
        threads=settings.threads,
        seed=config.seed,
    )
    model = CreditModel(bundle, explainable(trees, rows, listed))
    return Candidate(model, calibrated.apply(held_out.raw_logit))


def hold_out(
    settings: Settings,
    rows: pl.DataFrame,
    less_known: pl.DataFrame,
    listed: FeatureList,
    config: TrainingConfig,
) -> HeldOut:
    """Return the held-out prediction of each firm by trees with the configured parameters.

    `less_known` are the same rows as they look with less known, which are learnt too, or none.
    """

    def both(here: split.Rows) -> pl.DataFrame:
        if less_known.is_empty():
            return rows[here]
        return pl.concat([rows[here], less_known[here]])

    fitted = [
        (
            unseen,
            fit_trees(
                both(seen), listed, config.boosting, settings, config.seed, stop_on=both(unseen)
            ),
        )
        for seen, unseen in split.folds(rows, config.folds, config.seed)
    ]
    # Each with all its trees: monotone ones lower the level up to the last, so a cut model is too
    # high, and the calibration would take that off a candidate that is not cut.
    logit = np.empty(rows.height)
    for unseen, trees in fitted:
        logit[unseen] = raw_logit(trees, rows[unseen], listed, settings)
    return HeldOut(logit, max(int(np.median([trees.tree_count_ for _, trees in fitted])), 1))
