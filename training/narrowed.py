"""Rows as they would look if the firm had granted fewer sources, or for less time."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from features.permitted import withhold
from features.registry import FeatureMeta
from firmpulse.sources import MAIN_SOURCES, SUPPLEMENTS
from model.coverage import SOURCE_COUNT
from training.config import TrainingConfig
from training.frozen import FrozenFrame, bad_firms_of
from training.split import TRAIN


def only_from(
    rows: pl.DataFrame, features: Sequence[FeatureMeta], granted: pl.DataFrame
) -> pl.DataFrame:
    """Return the rows as if each firm had granted only these sources.

    Args:
        rows: firm_id and features, shape (rows,).
        features: their definitions, with the sources of each.
        granted: firm_id and source.
    """
    withheld = withhold(rows, features, granted)
    if SOURCE_COUNT not in rows.columns:
        return withheld
    main = granted.filter(pl.col("source").is_in(MAIN_SOURCES))
    counts = main.group_by("firm_id").agg(pl.len().cast(pl.Float64).alias("granted sources"))
    return (
        withheld.join(counts, on="firm_id", how="left", maintain_order="left")
        .with_columns(pl.min_horizontal(SOURCE_COUNT, pl.col("granted sources").fill_null(0)))
        .select(rows.columns)
    )


def only_sources(
    rows: pl.DataFrame, features: Sequence[FeatureMeta], sources: Sequence[str]
) -> pl.DataFrame:
    """Return the rows as if every firm had granted these sources and no other."""
    grants = (
        rows.select("firm_id").unique().join(pl.DataFrame({"source": list(sources)}), how="cross")
    )
    return only_from(rows, features, grants)


def narrowed(rows: pl.DataFrame, features: Sequence[FeatureMeta], seed: int) -> pl.DataFrame:
    """Return the rows with some of each firm's main sources taken away, drawn by firm.

    Of n sources of a firm, 1 to n - 1 stay, each number and each choice equally likely; a firm with
    one source stays as it is. So a model also learns what a firm looks like that granted the bank
    alone, although few in the sample did.

    Args:
        rows: firm_id and features, shape (rows,).
        features: their definitions, with the sources of each.
        seed: of the draw.
    """
    firms = rows["firm_id"].unique().sort()
    random = np.random.default_rng(seed)
    order = random.random((len(firms), len(MAIN_SOURCES)))
    share = random.random(len(firms))
    observed = np.column_stack(
        [firms.is_in(_observed(rows, features, source).implode()) for source in MAIN_SOURCES]
    )
    count = observed.sum(axis=1)
    stay = np.where(count < 2, count, 1 + np.floor(share * (count - 1)))
    place = np.where(observed, order, np.inf).argsort(axis=1).argsort(axis=1)
    kept = observed & (place < stay[:, None])
    stays = {source: kept[:, place] for place, source in enumerate(MAIN_SOURCES)}
    stays |= {source: np.ones(len(firms), dtype=bool) for source in SUPPLEMENTS}
    grants = pl.DataFrame({"firm_id": firms, **stays}).unpivot(
        index="firm_id", variable_name="source", value_name="stays"
    )
    return only_from(rows, features, grants.filter("stays"))


def again(
    frame: FrozenFrame, features: Sequence[FeatureMeta], config: TrainingConfig
) -> pl.DataFrame:
    """Return the training rows as they look with less known, in the same order.

    Each row once: with a shorter history where the frame has it so, and with some sources taken
    away. None if too few firms defaulted: these teach too little as it is.

    Args:
        frame: the frozen frame.
        features: definitions of the features that are learnt, with the sources of each.
        config: seed, and firms in default from which rows are narrowed.

    Returns:
        Columns as in the training rows, shape (training rows,) or (0,).
    """
    rows = frame.part(TRAIN)
    if bad_firms_of(rows) < config.narrow_from:
        return rows.clear()
    return narrowed(_shortened(rows, frame.short), features, config.seed)


def twice(
    frame: FrozenFrame, features: Sequence[FeatureMeta], config: TrainingConfig
) -> pl.DataFrame:
    """Return the training rows, then the same rows with less known if enough firms defaulted."""
    return pl.concat([frame.part(TRAIN), again(frame, features, config)])


def _shortened(rows: pl.DataFrame, short: pl.DataFrame) -> pl.DataFrame:
    """Return the rows, those that `short` has in its form; the order stays."""
    if short.is_empty():
        return rows
    keys = ["firm_id", "as_of"]
    numbered = rows.with_row_index("place")
    found = numbered.select("place", *keys).join(short.select(rows.columns), on=keys)
    others = numbered.join(found.select("place"), on="place", how="anti")
    both = pl.concat([others, found.select(others.columns)])
    return both.sort("place").drop("place")


def _observed(rows: pl.DataFrame, features: Sequence[FeatureMeta], source: str) -> pl.Series:
    """Return the firms with a value of some feature that needs this source alone."""
    names = [f.name for f in features if f.sources == (source,) and f.name in rows.columns]
    if not names:
        return rows["firm_id"].clear()
    return rows.filter(pl.any_horizontal(pl.col(names).is_not_null()))["firm_id"].unique()
