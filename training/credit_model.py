"""The credit model as MLflow serves it: code, JSON files and CatBoost's own file, no pickle.

MLflow runs this file when the model is logged and when it is loaded.
"""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import polars as pl
from mlflow.pyfunc import PythonModel

from features import contract
from firmpulse import scale
from model import bundle, reasons


class CreditPyfunc(PythonModel):  # type: ignore[misc] # mlflow brings no types
    """Features in; PD, score, grade and reasons out; one row per firm."""

    def load_context(self, context: Any) -> None:
        """Read the model and its feature contract from the logged folder."""
        folder = Path(context.artifacts["bundle"])
        self._model, self._features = bundle.load(folder), contract.load(folder)

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return default_prob, score, grade, reasons_zh and reasons_en in the order of the rows.

        Reasons are lists of texts, strongest first; only reasons that raise the risk.
        """
        firms = pl.from_pandas(model_input)
        default_prob = self._model.default_prob(firms)
        explained = reasons.Explained(self._features, self._model.contributions(firms))
        return pd.DataFrame(
            {
                "default_prob": default_prob,
                "score": scale.score(default_prob),
                "grade": scale.grade(default_prob),
                **reasons.texts(explained, firms),
            },
            index=model_input.index,
        )


mlflow.models.set_model(CreditPyfunc())
