"""A scorecard as MLflow serves it: code and a JSON file, no pickle.

MLflow runs this file when the model is logged and when it is loaded.
"""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import polars as pl
from mlflow.pyfunc import PythonModel

from firmpulse import scale
from training import scorecard


class ScorecardPyfunc(PythonModel):  # type: ignore[misc] # mlflow brings no types
    """Features in; PD, score and grade out; one row per firm."""

    def load_context(self, context: Any) -> None:
        """Read the model from the logged folder."""
        self._model = scorecard.load(Path(context.artifacts["bundle"]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return default_prob, score and grade in the order of the rows."""
        default_prob = self._model.default_prob(pl.from_pandas(model_input))
        return pd.DataFrame(
            {
                "default_prob": default_prob,
                "score": scale.score(default_prob),
                "grade": scale.grade(default_prob),
            },
            index=model_input.index,
        )


mlflow.models.set_model(ScorecardPyfunc())
