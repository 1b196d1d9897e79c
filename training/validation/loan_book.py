"""The granted loans behind a model that learnt from outcomes of loans."""

import polars as pl

from firmpulse import warehouse
from firmpulse.settings import Settings
from training import labels, sampling
from training.config import TrainingConfig
from training.frozen import FrozenFrame


def funnel(settings: Settings, frame: FrozenFrame, config: TrainingConfig) -> pl.DataFrame:
    """Return what became of the loans granted in each quarter, of firms that allow training.

    Returns:
        One row per quarter: decided_in, split (null if none of its rows trains or tests), granted,
        then its parts, which add up to it: unknown, already_defaulted, good, bad; complete; last
        sampled, rows of the frame: one per firm and day of decision.

    Raises:
        NotReadyError: the loans or their outcomes no longer exist.
    """
    granted = sampling.trainable(settings, frame.as_of)
    with warehouse.connect(settings) as connection:
        found = labels.of_loans(connection, frame.as_of, granted, config).funnel
    sampled = labels.in_cohorts(frame.rows).group_by(pl.col("cohort").alias("decided_in"))
    counts = sampled.agg(pl.col("split").max(), pl.len().alias("sampled"))
    joined = found.join(counts, on="decided_in", how="left", maintain_order="left")
    return joined.with_columns(pl.col("sampled").fill_null(0))
