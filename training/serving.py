"""Fitted models in the form for MLflow."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from features import contract
from features.registry import FeatureMeta
from firmpulse import tracking
from model import bundle
from model.bundle import CreditModel
from training import scorecard
from training.frozen import FrozenFrame
from training.recording import ServedModel, installed
from training.scorecard import Scorecard

_EXAMPLE_ROWS = 3


def credit(features: Sequence[FeatureMeta], model: CreditModel) -> ServedModel:
    """Return the credit model for serving by MLflow, with its feature contract.

    Args:
        features: definitions in its training frame, a superset of the model's.
        model: the fitted model.
    """
    by_name = {feature.name: feature for feature in features}
    read = tuple(by_name[name] for name in model.bundle.features)

    def write(folder: Path) -> None:
        bundle.save(model, folder)
        contract.save(read, folder)

    return ServedModel(
        name=tracking.CREDIT_MODEL,
        script=Path(__file__).with_name("credit_model.py"),
        write=write,
        example=_example(read),
        explains=True,
        requirements=installed("catboost", "mlflow", "numpy", "pandas", "polars"),
    )


def points(name: str, features: Sequence[FeatureMeta], card: Scorecard) -> ServedModel:
    """Return a scorecard for serving by MLflow under a separate name."""
    by_name = {feature.name: feature for feature in features}
    return ServedModel(
        name=name,
        script=Path(__file__).with_name("scorecard_model.py"),
        write=lambda folder: scorecard.save(card, folder),
        example=_example([by_name[feature] for feature in card.features]),
        explains=False,
        requirements=installed("mlflow", "numpy", "pandas", "polars"),
    )


def tags(frame: FrozenFrame) -> dict[str, str]:
    """Return the tags that link a version to its training frame."""
    return {
        "frame_table": frame.table,
        "frame_digest": frame.digest,
        "labels": frame.labels,
        "trained_as_of": frame.as_of.isoformat(),
    }


def _example(features: Sequence[FeatureMeta]) -> pl.DataFrame:
    """Return made-up rows of the features: MLflow's files must not contain a firm's rows."""
    return pl.DataFrame(
        {
            feature.name: [0.0 if feature.kind == "number" else ""] * _EXAMPLE_ROWS
            for feature in features
        }
    )
