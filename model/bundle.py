"""A trained credit model as files without pickle: `bundle.json` and, for trees, `model.cbm`.

Training writes the folder, scoring and MLflow's pyfunc read it. All three predict with the same
code, so a firm gets the same PD everywhere.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from firmpulse.errors import NotReadyError
from firmpulse.scale import FloatArray
from model import calibration
from model.calibration import Calibration
from model.linear import Linear, row_sums

FORMAT_VERSION = 4
# Means "not observed" in a category; CatBoost accepts no null there.
MISSING_CATEGORY = ""
# Exact SHAP is fastest in batches of this many rows.
SHAP_BATCH_ROWS = 50_000

_BUNDLE_FILE, _TREES_FILE, _SEGMENT_FOLDER = "bundle.json", "model.cbm", "segment_{}"


@dataclass(frozen=True)
class Bundle:
    """All that a prediction needs besides the trees, and the origin of the model."""

    features: tuple[str, ...]
    categorical: tuple[str, ...]
    calibration: Calibration
    trained_as_of: date
    # Digest of the frozen training frame.
    frame_digest: str
    # Predictions differ between thread counts; scoring uses that of training.
    threads: int
    seed: int
    # The model, if it has no trees.
    linear: Linear | None = None
    # Feature whose levels may have separate models, None for a single model.
    segment_by: str | None = None
    # Part of the calibration: log odds from the level of the training sample to the portfolio's.
    portfolio_shift: float = 0.0


@dataclass(frozen=True)
class CreditModel:
    """Trees or a linear model, calibrated."""

    bundle: Bundle
    # catboost.CatBoost, which has no type hints; None if the model is linear.
    trees: Any = field(repr=False, default=None)
    # Level of the feature `segment_by` → its model, on the same features; others have none.
    segments: Mapping[str, "CreditModel"] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What it is: 'trees' or 'logistic regression'."""
        return "trees" if self.bundle.linear is None else "logistic regression"

    @property
    def tree_count(self) -> int:
        """Number of trees, 0 if the model is linear."""
        return 0 if self.trees is None else int(self.trees.tree_count_)

    def raw_logit(self, frame: pl.DataFrame) -> FloatArray:
        """Return uncalibrated log odds of default, shape (rows,)."""
        matrix = self._matrix(frame)
        if self.bundle.linear is not None:
            return self.bundle.linear.logit(matrix)
        trees = self.trees.predict(
            self._pool(matrix),
            prediction_type="RawFormulaVal",
            thread_count=self.bundle.threads,
        )
        return np.asarray(trees, dtype=np.float64)

    def default_prob(self, frame: pl.DataFrame) -> FloatArray:
        """Return calibrated default probabilities, shape (rows,)."""
        prob = self.bundle.calibration.apply(self.raw_logit(frame))
        for here, model in self._own(frame):
            prob[here] = model.default_prob(frame.filter(here))
        return prob

    def contributions(self, frame: pl.DataFrame) -> FloatArray:
        """Return exact SHAP values on the calibrated log odds, shape (rows, features).

        They are those on the raw log odds, scaled for each firm by the mean slope of the
        calibration between the average and the firm. So they add up to its calibrated log odds, up
        to a constant that all firms share.

        Source: Lundberg et al., From local explanations to global understanding (2020).
        """
        if frame.is_empty():
            return np.empty((0, len(self.bundle.features)))
        return self._explained(frame)[0]

    def _explained(self, frame: pl.DataFrame) -> tuple[FloatArray, float]:
        """Return the contributions, and the constant that completes them to the log odds."""
        matrix = self._matrix(frame)
        if self.bundle.linear is not None:
            linear = self.bundle.linear
            shap, base = linear.contributions(matrix), linear.intercept
        else:
            values = np.vstack(list(self._shap_batches(matrix)))
            # The last column is the expected value, equal for all rows.
            shap, base = values[:, :-1], float(values[0, -1])
        calibration = self.bundle.calibration
        pushes = calibration.rise(base, base + row_sums(shap))[:, None] * shap
        constant = float(calibration.logit(np.array([base]))[0])
        for here, model in self._own(frame):
            pushes[here], own_constant = model._explained(frame.filter(here))
            # The part that all firms of a segment share is the contribution of its level.
            level = self.bundle.features.index(str(self.bundle.segment_by))
            pushes[here, level] += own_constant - constant
        return pushes, constant

    def _own(self, frame: pl.DataFrame) -> Iterator[tuple[npt.NDArray[np.bool_], "CreditModel"]]:
        """Yield the rows of each existing segment, shape (rows,), and its model."""
        for level, model in self.segments.items():
            here = level_of(frame, str(self.bundle.segment_by)).eq(level).to_numpy()
            if here.any():
                yield here, model

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


def level_of(frame: pl.DataFrame, feature: str) -> pl.Series:
    """Return the level of the feature that defines segments, "" if not observed."""
    return frame[feature].cast(pl.String).fill_null(MISSING_CATEGORY)


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
        "linear": bundle.linear.to_json() if bundle.linear else None,
        "segment_by": bundle.segment_by,
        "segments": list(model.segments),
        "portfolio_shift": bundle.portfolio_shift,
    }
    text = json.dumps(content, ensure_ascii=False, indent=1)
    (folder / _BUNDLE_FILE).write_text(text, encoding="utf-8")
    if model.trees is not None:
        model.trees.save_model(str(folder / _TREES_FILE))
    for place, segment in enumerate(model.segments.values()):
        own = folder / _SEGMENT_FOLDER.format(place)
        own.mkdir()
        save(segment, own)


def load(folder: Path) -> CreditModel:
    """Read a model from its folder.

    Raises:
        NotReadyError: the folder was written in another format.
    """
    content = json.loads((folder / _BUNDLE_FILE).read_text(encoding="utf-8"))
    if content["format"] != FORMAT_VERSION:
        raise NotReadyError(
            f"the model's bundle has format {content['format']}, this version reads "
            f"{FORMAT_VERSION}; train the model again"
        )
    trees = None
    if not content["linear"]:
        from catboost import CatBoost

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
        linear=Linear.from_json(content["linear"]) if content["linear"] else None,
        segment_by=content["segment_by"],
        portfolio_shift=content["portfolio_shift"],
    )
    segments = {
        level: load(folder / _SEGMENT_FOLDER.format(place))
        for place, level in enumerate(content["segments"])
    }
    return CreditModel(bundle, trees, segments)
