"""Each feature of a model on its own: its weight, its ranking, and whether it has moved."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import polars as pl

from features import drift, strength
from features.registry import FeatureMeta
from firmpulse.scale import FloatArray
from firmpulse.stability import PSI_MUCH

# Number of strongest features that a gate checks.
STRONGEST = 20


def table(
    learnt: pl.DataFrame,
    oot: pl.DataFrame,
    features: Sequence[FeatureMeta],
    contributions: FloatArray,
) -> pl.DataFrame:
    """Return one row per feature, the one with the largest effect on the score first.

    Args:
        learnt: training rows with outcome and the features.
        oot: out-of-time rows with the same columns.
        features: the model's features in order.
        contributions: SHAP values of the out-of-time rows, shape (rows, features).

    Returns:
        feature, name_zh, source, dimension, expected_sign, mean_push (mean of the absolute push on
        the log odds), information_value and auc in training, auc_oot, psi from training to out of
        time, missing_share and missing_share_oot.
    """
    push = dict(zip([f.name for f in features], np.abs(contributions).mean(axis=0), strict=True))
    moved = drift.measure(oot, [drift.reference(learnt[f.name], f) for f in features])
    alone, later = _alone(learnt, features), _alone(oot, features)
    described = pl.DataFrame(
        [
            {
                "feature": feature.name,
                "name_zh": feature.name_zh,
                "source": feature.source,
                "dimension": feature.dimension,
                "expected_sign": feature.expected_sign,
                "mean_push": float(push[feature.name]),
                "information_value": alone[feature.name].get("information_value"),
                "auc": alone[feature.name].get("auc"),
                "auc_oot": later[feature.name].get("auc"),
            }
            for feature in features
        ],
        schema_overrides={
            "information_value": pl.Float64,
            "auc": pl.Float64,
            "auc_oot": pl.Float64,
        },
    )
    shifts = moved.select(
        "feature",
        "psi",
        missing_share="reference_missing_share",
        missing_share_oot="missing_share",
    )
    joined = described.join(shifts, on="feature", maintain_order="left")
    return joined.sort(-pl.col("mean_push"), "feature").fill_nan(None)


def moved_much(characteristics: pl.DataFrame) -> pl.DataFrame:
    """Return those of the strongest features that have moved much by their PSI."""
    return characteristics.head(STRONGEST).filter(pl.col("psi") >= PSI_MUCH)


def _alone(
    rows: pl.DataFrame, features: Sequence[FeatureMeta]
) -> Mapping[str, Mapping[str, float]]:
    is_bad = rows["outcome"] == "bad"
    measured = {f.name: strength.measure(rows[f.name], is_bad) for f in features}
    return {name: asdict(found) if found else {} for name, found in measured.items()}
