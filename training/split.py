"""Which snapshots and firms train, validate and test."""

import hashlib
from collections.abc import Iterable
from datetime import date

import polars as pl

from firmpulse.calendar import add_months
from firmpulse.errors import NotReadyError
from training.config import TrainingConfig

TRAIN, VALIDATION, OOT, EXCLUDED = "train", "validation", "oot", "excluded"
_SPLITS_THAT_LEARN = (TRAIN, VALIDATION, OOT)


def assign(labels: pl.DataFrame, as_of: date, config: TrainingConfig) -> pl.DataFrame:
    """Return the usable labels with a column `split`, sorted by firm and snapshot.

    Out-of-time are the latest complete snapshots; the label windows of the training rows close
    on or before the first of them; snapshots between are left out, and indeterminate outcomes
    are kept as 'excluded'. Validation firms are a fold of the training firms.

    Args:
        labels: one row a firm and snapshot: firm_id, as_of, outcome, matured_at.
        as_of: what was known on this day counts.
        config: horizon, fold share and seed.

    Raises:
        NotReadyError: too few complete snapshots, or a split without both outcomes.
    """
    complete = complete_snapshots(labels, as_of, config)
    oot = _out_of_time(labels, as_of, complete, config)
    last_training = [day for day in complete if add_months(day, config.horizon_months) <= oot[0]]
    known = labels.filter(pl.col("matured_at") <= as_of)
    rows = known.filter(pl.col("as_of").is_in(oot + last_training))
    held_out = _validation_firms(rows["firm_id"].unique().to_list(), config)
    split = (
        pl.when(pl.col("outcome") == "indeterminate")
        .then(pl.lit(EXCLUDED))
        .when(pl.col("as_of") >= oot[0])
        .then(pl.lit(OOT))
        .when(pl.col("firm_id").is_in(held_out))
        .then(pl.lit(VALIDATION))
        .otherwise(pl.lit(TRAIN))
    )
    assigned = rows.with_columns(split.alias("split")).sort("firm_id", "as_of")
    _require_both_outcomes(assigned, as_of)
    return assigned


def complete_snapshots(labels: pl.DataFrame, as_of: date, config: TrainingConfig) -> list[date]:
    """Return the snapshots whose outcome windows are closed and known, in time order."""
    known = (
        labels.group_by("as_of")
        .agg((pl.col("matured_at") <= as_of).mean().alias("known_share"))
        .filter(pl.col("known_share") >= config.complete_share)
    )
    days: list[date] = known["as_of"].sort().to_list()
    return [day for day in days if add_months(day, config.horizon_months) <= as_of]


def _out_of_time(
    labels: pl.DataFrame, as_of: date, complete: list[date], config: TrainingConfig
) -> list[date]:
    if len(complete) < config.oot_snapshots:
        raise NotReadyError(
            f"{len(complete)} snapshots have a complete {config.horizon_months}-month outcome on "
            f"{as_of}, at least {config.oot_snapshots} are needed; train on a later date"
        )
    known = labels.filter(pl.col("matured_at") <= as_of)
    for count in range(config.oot_snapshots, len(complete) + 1):
        outcomes = known.filter(pl.col("as_of").is_in(complete[-count:]))["outcome"]
        if {"good", "bad"} <= set(outcomes):
            return complete[-count:]
    raise NotReadyError(
        f"the {len(complete)} complete snapshots on {as_of} hold no defaults or no good firms; "
        f"train on a later date or land more loan performance"
    )


def _validation_firms(firms: Iterable[str], config: TrainingConfig) -> list[str]:
    bound = int(config.validation_share * 2**32)
    return [firm for firm in firms if _fold_number(firm, config.seed) < bound]


def _fold_number(firm: str, seed: int) -> int:
    digest = hashlib.sha256(f"{seed}:{firm}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _require_both_outcomes(assigned: pl.DataFrame, as_of: date) -> None:
    counts = {
        (split, outcome): rows
        for split, outcome, rows in assigned.group_by("split", "outcome").len().iter_rows()
    }
    for split in _SPLITS_THAT_LEARN:
        good, bad = counts.get((split, "good"), 0), counts.get((split, "bad"), 0)
        if not good or not bad:
            raise NotReadyError(
                f"the {split} rows on {as_of} hold {good} good and {bad} bad outcomes, both are "
                f"needed; the label windows of training must close before the out-of-time "
                f"snapshots: train on a later date or land more history"
            )
