"""Fit the candidate, and separate models for segments with enough defaults."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings
from model.bundle import CreditModel, level_of
from training import boosted
from training.boosted import Candidate, HeldOut
from training.config import TrainingConfig
from training.frozen import FrozenFrame
from training.split import TRAIN

_MOST_LEVELS = 100


def fit(
    settings: Settings,
    frame: FrozenFrame,
    config: TrainingConfig,
    held_out: HeldOut | None = None,
) -> Candidate:
    """Return the candidate; with `segment_by`, large segments are predicted by their own models.

    A segment has a separate model from `segment_bads` firms that defaulted and as many that did
    not; the others, and levels unseen in training, use the model of all.

    Args:
        settings: threads.
        frame: the frozen frame.
        config: parameters, folds, seed and the feature that defines segments.
        held_out: predictions of the model of all with these parameters, if already made.
    """
    pooled = boosted.fit(settings, frame, config, held_out)
    if config.segment_by is None:
        return pooled
    learnt = frame.part(TRAIN)
    level = level_of(learnt, config.segment_by)
    held_out_prob = pooled.held_out_prob.copy()
    # Also what no firm of a segment has: all models of a version read the same.
    listed = boosted.candidate_features(frame.learnable)
    models: dict[str, CreditModel] = {}
    for name in _large(learnt, level, config):
        own = boosted.fit(settings, _only(frame, name, config.segment_by), config, listed=listed)
        held_out_prob[(level == name).to_numpy()] = own.held_out_prob
        models[name] = own.model
    bundle = replace(pooled.model.bundle, segment_by=config.segment_by)
    return Candidate(CreditModel(bundle, pooled.model.trees, models), held_out_prob)


def require(frame: FrozenFrame, config: TrainingConfig) -> None:
    """Raise unless the configured feature can define segments.

    Raises:
        ConfigurationError: it is not a feature of the candidate, or has too many values.
    """
    name = config.segment_by
    if name is None:
        return
    if name not in boosted.candidate_features(frame.learnable).names:
        raise ConfigurationError(
            f"{name} is not a feature of the candidate; segment by one of those that "
            f"`firmpulse features list` shows, except statements"
        )
    levels = frame.part(TRAIN)[name].n_unique()
    if levels > _MOST_LEVELS:
        raise ConfigurationError(
            f"{name} has {levels} values, too many for segments; take a category or a flag"
        )


def _large(learnt: pl.DataFrame, level: pl.Series, config: TrainingConfig) -> Iterator[str]:
    """Yield the levels with enough firms of both outcomes, in order."""
    firms = pl.DataFrame(
        {"level": level, "firm_id": learnt["firm_id"], "outcome": learnt["outcome"]}
    ).unique()
    counts = firms.group_by("level").agg(
        bad=(pl.col("outcome") == "bad").sum(), good=(pl.col("outcome") == "good").sum()
    )
    for name, bad, good in counts.sort("level").iter_rows():
        if min(bad, good) >= config.segment_bads:
            yield name


def _only(frame: FrozenFrame, level: str, feature: str) -> FrozenFrame:
    rows = frame.rows.filter(level_of(frame.rows, feature) == level)
    return replace(frame, rows=rows)
