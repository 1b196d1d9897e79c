"""A trained credit model as two files without pickle: `bundle.json` and `model.cbm`.

Training writes the folder, scoring and MLflow's pyfunc read it; all three predict through the
same code, so a firm gets the same PD wherever it is scored.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from firmpulse import calibration
from firmpulse.calibration import Calibration
from firmpulse.errors import NotReadyError
from firmpulse.linear import Linear
from firmpulse.scale import FloatArray

FORMAT_VERSION = 2
# Stands for "not observed" in a category; CatBoost takes no null there.
MISSING_CATEGORY = ""
# Exact SHAP is fastest in batches of this many rows.
SHAP_BATCH_ROWS = 50_000

_BUNDLE_FILE, _TREES_FILE = "bundle.json", "model.cbm"


@dataclass(frozen=True)
class Bundle:
    """All that a prediction needs beside the trees, and where the model comes from."""

    features: tuple[str, ...]
    categorical: tuple[str, ...]
    calibration: Calibration
    trained_as_of: date
    # Digest of the frozen training frame.
    frame_digest: str
    # Predictions differ between thread counts; scoring uses the one of training.
    threads: int
    seed: int
    # Share of the trees' log odds; the rest is the linear model's.
    trees_weight: float = 1.0
    linear: Linear | None = None


@dataclass(frozen=True)
class CreditModel:
    """Trees, and optionally a linear model, averaged on the log odds and calibrated."""

    bundle: Bundle
    # catboost.CatBoost, which brings no types.
    trees: Any = field(repr=False)

    def raw_logit(self, frame: pl.DataFrame) -> FloatArray:
        """Return uncalibrated log odds of default, shape (rows,)."""
        matrix = self._matrix(frame)
        threads = self.bundle.threads
        trees = self.trees.predict(
            self._pool(matrix), prediction_type="RawFormulaVal", thread_count=threads
        )
        logit = np.asarray(trees, dtype=np.float64)
        if self.bundle.linear is None:
            return logit
        weight = self.bundle.trees_weight
        return weight * logit + (1 - weight) * self.bundle.linear.logit(matrix)

    def default_prob(self, frame: pl.DataFrame) -> FloatArray:
        """Return calibrated default probabilities, shape (rows,)."""
        return self.bundle.calibration.apply(self.raw_logit(frame))

    def contributions(self, frame: pl.DataFrame) -> FloatArray:
        """Return exact SHAP values on the calibrated log odds, shape (rows, features).

        They are those on the raw log odds, stretched for each firm by what calibration does
        between the average and it; so they add up to its calibrated log odds, up to a constant
        that all firms share.

        Source: Lundberg et al., From local explanations to global understanding (2020).
        """
        matrix = self._matrix(frame)
        width = len(self.bundle.features) + 1
        # The last column is the expected value, equal for all rows.
        values = np.vstack([np.empty((0, width)), *self._shap_batches(matrix)])
        if not len(values):
            return np.empty((0, width - 1))
        shap, base = values[:, :-1], float(values[0, -1])
        linear = self.bundle.linear
        if linear is not None:
            weight = self.bundle.trees_weight
            shap = weight * shap + (1 - weight) * linear.contributions(matrix)
            base = weight * base + (1 - weight) * linear.intercept
        rise = self.bundle.calibration.rise(base, base + shap.sum(axis=1))
        return np.asarray(rise[:, None] * shap, dtype=np.float64)

    def _shap_batches(self, matrix: pl.DataFrame) -> Iterator[FloatArray]:
        for start in range(0, matrix.height, SHAP_BATCH_ROWS):
            pool = self._pool(matrix.slice(start, SHAP_BATCH_ROWS))
            values = self.trees.get_feature_importance(
                pool, type="ShapValues", thread_count=self.bundle.threads
            )
            yield np.asarray(values, dtype=np.float64)

    def _matrix(self, frame: pl.DataFrame) -> pl.DataFrame:
        return matrix_of(frame, self.bundle.features, self.bundle.categorical)

    def _pool(self, matrix: pl.DataFrame) -> Any:
        return pool_of(matrix, self.bundle.categorical)


def matrix_of(
    frame: pl.DataFrame, features: tuple[str, ...], categorical: tuple[str, ...]
) -> pl.DataFrame:
    """Return the features in model order: Float64 with NaN, or String, for "not observed".

    Raises:
        NotReadyError: the frame lacks a feature of the model.
    """
    absent = [name for name in features if name not in frame.columns]
    if absent:
        raise NotReadyError(
            f"the frame lacks {len(absent)} of the model's {len(features)} features "
            f"(first: {absent[0]}); rebuild the features or train a new model"
        )
    return frame.select(
        pl.col(name).cast(pl.String).fill_null(MISSING_CATEGORY)
        if name in categorical
        else pl.col(name).cast(pl.Float64).fill_null(float("nan"))
        for name in features
    )


def pool_of(
    matrix: pl.DataFrame, categorical: tuple[str, ...], label: FloatArray | None = None
) -> Any:
    """Return a catboost.Pool of a matrix made by `matrix_of`."""
    from catboost import Pool

    positions = [matrix.columns.index(name) for name in categorical if name in matrix.columns]
    return Pool(matrix, label=label, cat_features=positions)


def save(model: CreditModel, folder: Path) -> None:
    """Write a model into an existing folder."""
    bundle = model.bundle
    content = {
        "format": FORMAT_VERSION,
        "features": bundle.features,
        "categorical": bundle.categorical,
        "calibration": bundle.calibration.to_json(),
        "trained_as_of": bundle.trained_as_of.isoformat(),
        "frame_digest": bundle.frame_digest,
        "threads": bundle.threads,
        "seed": bundle.seed,
        "trees_weight": bundle.trees_weight,
        "linear": bundle.linear.to_json() if bundle.linear else None,
    }
    text = json.dumps(content, ensure_ascii=False, indent=1)
    (folder / _BUNDLE_FILE).write_text(text, encoding="utf-8")
    model.trees.save_model(str(folder / _TREES_FILE))


def load(folder: Path) -> CreditModel:
    """Read a model from its folder.

    Raises:
        NotReadyError: the folder was written in another format.
    """
    from catboost import CatBoost

    content = json.loads((folder / _BUNDLE_FILE).read_text(encoding="utf-8"))
    if content["format"] != FORMAT_VERSION:
        raise NotReadyError(
            f"the model's bundle has format {content['format']}, this version reads "
            f"{FORMAT_VERSION}; train the model again"
        )
    trees = CatBoost()
    trees.load_model(str(folder / _TREES_FILE))
    bundle = Bundle(
        features=tuple(content["features"]),
        categorical=tuple(content["categorical"]),
        calibration=calibration.from_json(content["calibration"]),
        trained_as_of=date.fromisoformat(content["trained_as_of"]),
        frame_digest=content["frame_digest"],
        threads=content["threads"],
        seed=content["seed"],
        trees_weight=content["trees_weight"],
        linear=Linear.from_json(content["linear"]) if content["linear"] else None,
    )
    return CreditModel(bundle, trees)
