"""Training rows as they would look if the firm had been watched for fewer months.

The oldest training dates have short histories and later ones longer ones, so a model would take the
length of the history for a trait of the firm: one that is watched for three months looks like one
that was founded three months ago. These rows have the outcomes of the others, and features that the
same dbt models built from the rows of a window, as they do for a firm that has just granted.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from features import history
from features.permitted import withhold
from features.registry import FeatureMeta, Registry
from firmpulse.settings import Settings
from training.config import TrainingConfig
from training.frozen import bad_firms_of
from training.split import TRAIN


def rebuilt(
    settings: Settings,
    rows: pl.DataFrame,
    registry: Registry,
    granted: pl.DataFrame,
    config: TrainingConfig,
) -> pl.DataFrame:
    """Return some training rows with features of shorter histories; none if few firms defaulted.

    Args:
        settings: home whose masked rows are copied; nothing in it changes.
        rows: the frame, with firm_id, as_of, outcome, split and features.
        registry: the feature registry.
        granted: firm_id and source of the grants that allow training.
        config: windows, firms per date, seed, and firms in default from which it is done.

    Returns:
        Columns as in `rows`; at most one row for each of its rows. A firm without any row in its
        window is not among them: nothing is observed of it, and it would not be scored.
    """
    training = rows.filter(pl.col("split") == TRAIN)
    if bad_firms_of(training) < config.narrow_from:
        return rows.clear()
    names = [feature.name for feature in registry.features]
    found = [rows.clear()]
    for day in newest_of_quarters(training["as_of"].unique().to_list()):
        known = training.filter(pl.col("as_of") == day)
        windows = _drawn(known["firm_id"], day, config)
        features = history.windowed(settings, day, windows, registry, names)
        allowed = withhold(features, registry.features, granted)
        keys = [name for name in rows.columns if name not in allowed.columns]
        kept = _of_all_firms(registry.features)
        short = known.select("firm_id", *keys, *kept).join(
            allowed.drop(kept), on="firm_id", maintain_order="left"
        )
        found.append(short.select(rows.columns))
    return pl.concat(found).sort("firm_id", "as_of")


def newest_of_quarters(days: Sequence[date]) -> list[date]:
    """Return the newest day of each quarter of the year, in time order."""
    newest = {(day.month - 1) // 3: day for day in sorted(days)}
    return sorted(newest.values())


def _drawn(firms: pl.Series, day: date, config: TrainingConfig) -> pl.DataFrame:
    """Return firm_id and first day of the window of the firms that get one, drawn by firm."""
    firms = firms.unique().sort()
    random = np.random.default_rng((config.seed, day.toordinal()))
    chosen = random.permutation(len(firms))[: config.short_firms]
    starts = [history.window_start(day, months) for months in config.short_months]
    place = random.integers(0, len(starts) + 1, len(chosen))
    since = pl.Series("since", [[*starts, None][at] for at in place], dtype=pl.Date)
    drawn = pl.DataFrame({"firm_id": firms.gather(chosen), "since": since})
    return drawn.drop_nulls().sort("firm_id")


def _of_all_firms(features: Sequence[FeatureMeta]) -> list[str]:
    return [feature.name for feature in features if feature.view in history.OF_ALL_FIRMS]
