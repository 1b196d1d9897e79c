"""How fitted models are handed to MLflow."""

from pathlib import Path

import polars as pl

from firmpulse import bundle, tracking
from firmpulse.bundle import CreditModel
from training import scorecard
from training.frozen import FrozenFrame
from training.recording import ServedModel, installed
from training.scorecard import Scorecard


def credit(rows: pl.DataFrame, model: CreditModel) -> ServedModel:
    """Return the credit model as MLflow will serve it; example rows come from `rows`."""
    return ServedModel(
        name=tracking.CREDIT_MODEL,
        script=Path(__file__).with_name("credit_model.py"),
        write=lambda folder: bundle.save(model, folder),
        matrix=rows.select(model.bundle.features),
        default_prob=model.default_prob(rows),
        requirements=installed("catboost", "mlflow", "numpy", "pandas", "polars"),
    )


def statements(rows: pl.DataFrame, card: Scorecard) -> ServedModel:
    """Return the statements-only scorecard as MLflow will serve it."""
    return ServedModel(
        name=tracking.STATEMENTS_MODEL,
        script=Path(__file__).with_name("statements_model.py"),
        write=lambda folder: scorecard.save(card, folder),
        matrix=rows.select(pl.col(card.features).cast(pl.Float64)),
        default_prob=card.default_prob(rows),
        requirements=installed("mlflow", "numpy", "pandas", "polars"),
    )


def tags(frame: FrozenFrame) -> dict[str, str]:
    """Return the tags that tie a version to the frame it was fitted on."""
    return {
        "frame_table": frame.table,
        "frame_digest": frame.digest,
        "trained_as_of": frame.as_of.isoformat(),
    }
