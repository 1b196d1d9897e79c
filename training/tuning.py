"""Search the trees' hyper-parameters with Optuna within a budget of trials.

The search is a pure function of rows, seed, thread count and number of trials, so that a second
training gives the same model; a budget in seconds would not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from firmpulse.scale import FloatArray
from firmpulse.settings import Settings
from training import boosted, split
from training.boosted import FeatureList
from training.config import TrainingConfig
from training.frozen import bads_of

Parameters = Mapping[str, float | int | str]


@dataclass(frozen=True)
class Search:
    """The parameters that did best on firms they had not seen, and all that were tried."""

    best: Parameters
    # One row a trial: trial, log_loss, then the parameters searched; empty without trials.
    trials: pl.DataFrame


def search(
    settings: Settings, rows: pl.DataFrame, listed: FeatureList, config: TrainingConfig
) -> Search:
    """Return the best of `config.trials` trials; the first one tries the parameters as they stand.

    Each trial is measured by the log loss of training firms in folds, a few folds and, of a large
    sample, a part of the firms: enough to tell good parameters from bad ones.
    """
    if not config.trials:
        return Search(config.boosting, pl.DataFrame())
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    searched = _part_of(rows, config)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=config.seed))
    study.enqueue_trial({name: config.boosting[name] for name in _SPACE})

    def log_loss(trial: Any) -> float:
        parameters = {**config.boosting, **{name: draw(trial) for name, draw in _SPACE.items()}}
        return _log_loss(settings, searched, listed, parameters, config)

    study.optimize(log_loss, n_trials=config.trials)
    tried = [
        {"trial": trial.number, "log_loss": trial.value, **trial.params} for trial in study.trials
    ]
    return Search({**config.boosting, **study.best_params}, pl.DataFrame(tried))


_SPACE: Mapping[str, Any] = {
    "depth": lambda trial: trial.suggest_int("depth", 2, 5),
    "learning_rate": lambda trial: trial.suggest_float("learning_rate", 0.05, 0.3, log=True),
    "l2_leaf_reg": lambda trial: trial.suggest_float("l2_leaf_reg", 1.0, 50.0, log=True),
    "rsm": lambda trial: trial.suggest_float("rsm", 0.1, 1.0),
}


def _part_of(rows: pl.DataFrame, config: TrainingConfig) -> pl.DataFrame:
    """Return the rows of as many firms as fit into the rows that are searched."""
    if rows.height <= config.trial_rows:
        return rows
    firms = rows["firm_id"].unique().sort()
    kept = round(firms.len() * config.trial_rows / rows.height)
    return rows.join(
        firms.sample(kept, seed=config.seed).to_frame(), on="firm_id", maintain_order="left"
    )


def _log_loss(
    settings: Settings,
    rows: pl.DataFrame,
    listed: FeatureList,
    parameters: Parameters,
    config: TrainingConfig,
) -> float:
    """Return the log loss of firms that the trees have not seen, the mean over the rows."""
    losses = []
    for seen, unseen in split.folds(rows, config.trial_folds, config.seed):
        trees = boosted.fit_trees(
            rows[seen], listed, parameters, settings, config.seed, stop_on=rows[unseen]
        )
        raw = boosted.raw_logit(trees, rows[unseen], listed, settings)
        losses.append(_losses(raw, bads_of(rows[unseen])))
    return float(np.concatenate(losses).mean())


def _losses(raw_logit: FloatArray, outcome: FloatArray) -> FloatArray:
    return np.asarray(np.logaddexp(0, raw_logit) - outcome * raw_logit, dtype=np.float64)
