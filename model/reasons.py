"""From SHAP values to readable reasons, and to sub-scores per dimension."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from features.registry import FeatureMeta
from firmpulse.errors import ContractError
from firmpulse.scale import FloatArray
from model import coverage
from model.linear import row_sums

TOP_REASONS = 4

# Pillar → the registry's dimensions in its sum; each dimension belongs to one pillar.
PILLARS = {
    "operations": ("scale", "growth", "liquidity", "profile"),
    "tax": ("compliance",),
    "supply_chain": ("concentration", "supply chain"),
    "activity": ("stability", "activity"),
    "consistency": ("consistency",),
}
DIMENSIONS = tuple(dimension for own in PILLARS.values() for dimension in own)

# State of the feature behind a reason → its texts; {} is the feature's name.
_TEXTS = {
    "high": ("{}偏高", "{}: high"),
    "low": ("{}偏低", "{}: low"),
    "unusual": ("{}处于风险较高区间", "{}: in a riskier range"),
}
_STATE_OF_SIGN = {"+": "high", "-": "low", "U": "unusual"}


@dataclass(frozen=True)
class Explained:
    """Features in model order and their SHAP values on the log odds, shape (firms, features)."""

    features: tuple[FeatureMeta, ...]
    log_odds: FloatArray


def sub_scores(explained: Explained) -> dict[str, FloatArray]:
    """Return `dimension_*` and `pillar_*`, each in 0–100, shape (firms,).

    50 is neutral; a dimension that alone doubles the odds of default has 20, one that halves
    them 80. The log odds of a pillar are the sum of those of its dimensions.

    Raises:
        ContractError: a feature's dimension belongs to no pillar.
    """
    pushes = {dimension: np.zeros(len(explained.log_odds)) for dimension in DIMENSIONS}
    for place, feature in enumerate(explained.features):
        if feature.dimension not in pushes:
            raise ContractError(
                f"{feature.name} has dimension {feature.dimension!r}, which no pillar sums; "
                f"use one of {', '.join(sorted(DIMENSIONS))}"
            )
        pushes[feature.dimension] += explained.log_odds[:, place]
    scores = {f"dimension_{_code(name)}": _points(push) for name, push in pushes.items()}
    for pillar, dimensions in PILLARS.items():
        scores[f"pillar_{pillar}"] = _points(
            row_sums(np.column_stack([pushes[name] for name in dimensions]))
        )
    return scores


def _points(push: FloatArray) -> FloatArray:
    return np.asarray(100 / (1 + np.exp(2 * push)))


def _code(text: str) -> str:
    return text.replace(" ", "_")


def top_reasons(explained: Explained, firms: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return up to four reasons per firm that raise its risk, strongest first.

    Features of one source and dimension make one reason, named by its strongest feature. An
    unobserved feature is not a reason, regardless of its effect on the log odds, nor is a source
    that firms of its kind do not use: then there are fewer reasons.

    Args:
        explained: SHAP values, rows aligned with `firms`.
        firms: firm_id and the model's features.
        as_of: date of the scores.

    Returns:
        The columns of the reasons table, ordered by firm and rank.
    """
    return _ranked(explained, firms).with_columns(pl.lit(as_of).alias("as_of"))


def texts(explained: Explained, firms: pl.DataFrame) -> dict[str, list[list[str]]]:
    """Return `reasons_zh` and `reasons_en`: texts of each row, strongest first, rows as in `firms`.

    Args:
        explained: SHAP values, rows aligned with `firms`.
        firms: the model's features.
    """
    numbered = firms.with_columns(firm_id=pl.int_range(pl.len()))
    found = _ranked(explained, numbered).group_by("firm_id").agg("text_zh", "text_en")
    every = numbered.select("firm_id").join(found, on="firm_id", how="left", maintain_order="left")
    return {
        f"reasons_{language}": every[f"text_{language}"].fill_null([]).to_list()
        for language in ("zh", "en")
    }


def _ranked(explained: Explained, firms: pl.DataFrame) -> pl.DataFrame:
    """Return the reasons table without its date."""
    groups = list(dict.fromkeys((item.source, item.dimension) for item in explained.features))
    member = np.array([groups.index((f.source, f.dimension)) for f in explained.features])
    log_odds = np.where(_may_be_said(explained.features, firms), explained.log_odds, 0.0)
    by_feature = np.ascontiguousarray(log_odds.T)
    sums = np.column_stack([row_sums(by_feature[member == g].T) for g in range(len(groups))])
    order = np.argsort(-sums, axis=1, kind="stable")[:, :TOP_REASONS]
    strength = np.take_along_axis(sums, order, axis=1)
    firm, rank = np.nonzero(strength > 0)
    group = order[firm, rank]
    feature = _strongest(log_odds, member, len(groups))[firm, group]
    names = np.array([item.name for item in explained.features])
    states = np.array([_state(item) for item in explained.features])
    codes = np.array([f"{source}.{_code(name)}" for source, name in groups])
    dimensions = np.array([name for _, name in groups])
    chosen = pl.DataFrame(
        {
            "firm_id": firms["firm_id"].gather(firm),
            "rank": (rank + 1).astype(np.int32),
            "code": codes[group],
            "dimension": dimensions[group],
            "feature": names[feature],
            "state": states[feature],
            "log_odds": strength[firm, rank],
        }
    )
    worded = chosen.join(_wordings(explained.features), on=["feature", "state"], how="left")
    return worded.sort("firm_id", "rank")


def _strongest(
    log_odds: FloatArray, member: npt.NDArray[np.int64], groups: int
) -> npt.NDArray[np.int64]:
    """Return the position of the strongest feature of each group, shape (firms, groups)."""
    found = np.empty((len(log_odds), groups), dtype=np.int64)
    for group in range(groups):
        columns = np.flatnonzero(member == group)
        found[:, group] = columns[np.argmax(log_odds[:, columns], axis=1)]
    return found


def _may_be_said(features: Sequence[FeatureMeta], firms: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Return whether each feature can be a reason for each firm, shape (firms, features)."""
    light = np.ones(firms.height, dtype=np.bool_)
    if coverage.INDUSTRY in firms.columns:
        light = (
            firms.select(coverage.is_light_asset().fill_null(value=False)).to_series().to_numpy()
        )
    return np.column_stack(
        [
            firms[feature.name].is_not_null().to_numpy()
            & (feature.name not in coverage.ABOUT_THE_DATA)
            & (light if feature.source == coverage.PROJECT_CONTRACTS else True)
            for feature in features
        ]
    )


def _state(feature: FeatureMeta) -> str:
    return "unusual" if feature.kind == "category" else _STATE_OF_SIGN[feature.expected_sign]


def _wordings(features: Sequence[FeatureMeta]) -> pl.DataFrame:
    rows = [
        (feature.name, state, chinese.format(feature.name_zh), english.format(feature.name_en))
        for feature in features
        for state, (chinese, english) in _TEXTS.items()
    ]
    return pl.DataFrame(rows, schema=["feature", "state", "text_zh", "text_en"], orient="row")
