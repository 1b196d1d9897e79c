"""Search the trees' hyper-parameters with Optuna within a budget of trials.

The search is a pure function of rows, seed, thread count and number of trials, so that a second
training gives the same model; with a budget in seconds it would not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import norm

from firmpulse.scale import FloatArray
from firmpulse.settings import Settings
from training import boosted
from training.boosted import FeatureList, HeldOut
from training.config import TrainingConfig
from training.frozen import FrozenFrame, bads_of
from training.metrics import losses
from training.narrowed import again
from training.split import TRAIN

_SPACE: Mapping[str, Any] = {
    "depth": lambda trial: trial.suggest_int("depth", 2, 5),
    "learning_rate": lambda trial: trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
    "l2_leaf_reg": lambda trial: trial.suggest_float("l2_leaf_reg", 1.0, 50.0, log=True),
    "rsm": lambda trial: trial.suggest_float("rsm", 0.1, 1.0),
}


@dataclass(frozen=True)
class Search:
    """The chosen parameters, and all trials."""

    best: Mapping[str, float | int | str]
    # Their held-out predictions, None if the search did not use all training rows.
    held_out: HeldOut | None
    # One row per trial: trial, log_loss, gain over the first trial and its standard_error, then
    # the parameters searched; empty without trials.
    trials: pl.DataFrame


def search(
    settings: Settings, frame: FrozenFrame, listed: FeatureList, config: TrainingConfig
) -> Search:
    """Return the configured parameters, or those of a trial that is significantly better.

    Each trial is measured by the log loss of training firms held out in turn. The best of a few
    trials is often only the luckiest. So it is used only if its gain over the first trial, which
    has the configured parameters, is significant (one-sided, paired by firm, corrected for the
    number of trials).
    """
    if not config.trials:
        return Search(config.boosting, None, pl.DataFrame())
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows, less_known = frame.part(TRAIN), again(frame, listed.definitions, config)
    searched = _part_of(rows, config)
    searched_again = less_known.join(
        searched.select("firm_id").unique(), on="firm_id", how="semi", maintain_order="left"
    )
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=config.seed))
    study.enqueue_trial({name: config.boosting[name] for name in _SPACE})
    tried: list[HeldOut] = []

    def mean_loss(trial: Any) -> float:
        parameters = {**config.boosting, **{name: draw(trial) for name, draw in _SPACE.items()}}
        with_these = replace(config, boosting=parameters)
        tried.append(boosted.hold_out(settings, searched, searched_again, listed, with_these))
        return float(_losses(tried[-1], searched).mean())

    study.optimize(mean_loss, n_trials=config.trials)
    trials = _table(study, tried, searched)
    best = _chosen(trials, config.trial_significance)
    parameters = {**config.boosting, **study.trials[best].params}
    return Search(parameters, tried[best] if searched is rows else None, trials)


def _part_of(rows: pl.DataFrame, config: TrainingConfig) -> pl.DataFrame:
    """Return the rows of as many firms as fit into the row limit of the search."""
    if rows.height <= config.trial_rows:
        return rows
    firms = rows["firm_id"].unique().sort()
    kept = round(firms.len() * config.trial_rows / rows.height)
    return rows.join(
        firms.sample(kept, seed=config.seed).to_frame(), on="firm_id", maintain_order="left"
    )


def _losses(held_out: HeldOut, rows: pl.DataFrame) -> FloatArray:
    """Return the log loss of each row, shape (rows,)."""
    return losses(held_out.raw_logit, bads_of(rows))


def _table(study: Any, tried: list[HeldOut], rows: pl.DataFrame) -> pl.DataFrame:
    first = _losses(tried[0], rows)
    _, firm = np.unique(rows["firm_id"].to_numpy(), return_inverse=True)
    found = []
    for trial, held_out in zip(study.trials, tried, strict=True):
        by_firm = np.bincount(firm, weights=first - _losses(held_out, rows))
        spread = by_firm.std(ddof=1) * np.sqrt(len(by_firm))
        found.append(
            {
                "trial": trial.number,
                "log_loss": trial.value,
                "gain": float(by_firm.sum() / rows.height),
                "standard_error": float(spread / rows.height),
                **trial.params,
            }
        )
    return pl.DataFrame(found)


def _chosen(trials: pl.DataFrame, significance: float) -> int:
    """Return the trial with the lowest loss if its gain is significant, else the first one.

    The significance level is divided among the other candidates for the best (Bonferroni).
    """
    best = trials.sort("log_loss", "trial").row(0, named=True)
    others = max(trials.height - 1, 1)
    is_beyond = best["gain"] > norm.isf(significance / others) * best["standard_error"]
    return int(best["trial"]) if is_beyond else 0
