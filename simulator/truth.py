"""Latent data that only the simulator has."""

from datetime import date

import numpy as np
import polars as pl

from firmpulse.bounds import DEFAULT_DAYS
from simulator.economy import Economy
from simulator.industries import Kind
from simulator.world import build_world

_YOUNG_MONTHS = 12


def truth(params: Economy, as_of: date) -> pl.DataFrame:
    """Return the latent traits of every firm that exists at `as_of`; for tests only.

    One row per firm: uscc, quality, cheats, champion, archetype (champion, cheat, thin, light,
    retail, standard), default_month (first month with 90 days past due at its end, null for
    none up to the month of `as_of`).
    """
    month = params.index(as_of)
    world = build_world(params, month + 1)
    firms, paths = world.firms, world.paths
    past_due = paths.days_past_due[paths.row(0) : paths.row(month) + 1] >= DEFAULT_DAYS
    first = np.where(past_due.any(axis=0), past_due.argmax(axis=0), -1)
    age = month - firms.born
    archetype = np.select(
        [firms.champion, firms.cheats, age < _YOUNG_MONTHS, firms.kind == Kind.LIGHT,
         firms.kind == Kind.RETAIL],
        ["champion", "cheat", "thin", "light", "retail"],
        "standard",
    )  # fmt: skip
    months = [params.month(m) if m >= 0 else None for m in first.tolist()]
    frame = pl.DataFrame({
        "uscc": world.uscc.slice(0, len(firms)),
        "quality": firms.quality,
        "cheats": firms.cheats,
        "champion": firms.champion,
        "archetype": archetype.tolist(),
        "default_month": pl.Series(months, dtype=pl.Date),
    })  # fmt: skip
    return frame.filter(pl.Series(age >= 0))
