"""Which snapshots train and test, and the folds of held-out firms."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from firmpulse.calendar import add_months
from firmpulse.errors import NotReadyError
from training.config import TrainingConfig

TRAIN, OOT, EXCLUDED = "train", "oot", "excluded"

Rows = npt.NDArray[np.int64]


def assign(labels: pl.DataFrame, as_of: date, config: TrainingConfig) -> pl.DataFrame:
    """Return the usable labels with a column `split`, sorted by firm and date.

    Out-of-time rows are the latest complete snapshots, or quarters of decisions. The label windows
    of the training rows close on or before the first date of these; rows between are left out, and
    indeterminate outcomes are kept as 'excluded'.

    Args:
        labels: one row per firm and date: firm_id, as_of, outcome, matured_at; and cohort, if dates
            are tested together: a day after which no row of it is dated.
        as_of: only what was known on this day is used.
        config: horizon and folds.

    Raises:
        NotReadyError: too few complete snapshots, or a split without both outcomes.
    """
    dated = "quarters of decisions" if "cohort" in labels.columns else "snapshots"
    labels = labels.with_columns(pl.col(_cohort(labels)).alias("cohort"))
    complete = complete_snapshots(labels, as_of, config)
    if len(complete) < config.oot_snapshots:
        raise NotReadyError(
            f"{len(complete)} {dated} have a complete {config.horizon_months}-month outcome on "
            f"{as_of}, at least {config.oot_snapshots} are needed; train on a later date"
        )
    oot = _out_of_time(labels, as_of, complete, config)
    known = labels.filter((pl.col("matured_at") <= as_of) & pl.col("cohort").is_in(complete))
    tested = pl.col("cohort").is_in(oot)
    days = known["as_of"].unique().to_list()
    first = known.filter(tested)["as_of"].sort()[0]
    learnt = [day for day in days if add_months(day, config.horizon_months) <= first]
    rows = known.filter(tested | pl.col("as_of").is_in(learnt))
    split = (
        pl.when(pl.col("outcome") == "indeterminate")
        .then(pl.lit(EXCLUDED))
        .when(tested)
        .then(pl.lit(OOT))
        .otherwise(pl.lit(TRAIN))
    )
    assigned = rows.with_columns(split.alias("split")).sort("firm_id", "as_of").drop("cohort")
    _require_both_outcomes(assigned, as_of, config.folds)
    return assigned


def complete_snapshots(labels: pl.DataFrame, as_of: date, config: TrainingConfig) -> list[date]:
    """Return the snapshots or cohorts whose outcome windows are closed and known, in time order."""
    cohort = _cohort(labels)
    known = (
        labels.group_by(cohort)
        .agg((pl.col("matured_at") <= as_of).mean().alias("known_share"))
        .filter(pl.col("known_share") >= config.complete_share)
    )
    days: list[date] = known[cohort].sort().to_list()
    return [day for day in days if add_months(day, config.horizon_months) <= as_of]


def _cohort(labels: pl.DataFrame) -> str:
    """Return the column by which rows are tested together."""
    return "cohort" if "cohort" in labels.columns else "as_of"


def _out_of_time(
    labels: pl.DataFrame, as_of: date, complete: list[date], config: TrainingConfig
) -> list[date]:
    known = labels.filter(pl.col("matured_at") <= as_of)
    for count in range(config.oot_snapshots, len(complete) + 1):
        outcomes = known.filter(pl.col("cohort").is_in(complete[-count:]))["outcome"]
        if {"good", "bad"} <= set(outcomes):
            return complete[-count:]
    raise NotReadyError(
        f"the {len(complete)} complete dates or quarters on {as_of} have no defaults or no good "
        f"firms; train on a later date or land more outcomes"
    )


def newest_quarter(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows dated in the calendar quarter of the newest one."""
    quarter = pl.col("as_of").dt.truncate("1q")
    return rows.filter(quarter == quarter.max())


def folds(rows: pl.DataFrame, count: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """Yield positions of rows to fit and of rows to predict; all rows of a firm are in one fold.

    Each fold has about the same share of bad firms.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    cut = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    firms = np.unique(rows["firm_id"].to_numpy(), return_inverse=True)[1]
    yield from cut.split(firms, rows["outcome"].to_numpy(), firms)


def _require_both_outcomes(assigned: pl.DataFrame, as_of: date, fewest: int) -> None:
    """Raise if training has too few firms of an outcome for the folds, or testing lacks one."""
    firms = {
        (split, outcome): count
        for split, outcome, count in assigned.group_by("split", "outcome")
        .agg(pl.col("firm_id").n_unique())
        .iter_rows()
    }
    for split, least in ((TRAIN, fewest), (OOT, 1)):
        good, bad = firms.get((split, "good"), 0), firms.get((split, "bad"), 0)
        if min(good, bad) < least:
            raise NotReadyError(
                f"the {split} rows on {as_of} have {good} good and {bad} bad firms, at least "
                f"{least} of each are needed; the label windows of training must close before the "
                f"out-of-time snapshots: train on a later date or land more history"
            )
