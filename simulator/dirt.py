"""Defects of delivered rows: readable provider habits, and unreadable dirt."""

import numpy as np
import polars as pl

from simulator.economy import Stage
from simulator.population import Bools, Ints
from simulator.spelling import as_text, respelled
from simulator.tables import TABLES, Table
from simulator.world import World

CLEAN = ""
DUPLICATE = "exact_duplicate"
MISSING = "missing_required"
BAD_DATE = "bad_date"
BAD_AMOUNT = "bad_amount"
SCIENTIFIC = "scientific_id"
INVALID_CODE = "invalid_uscc"
KINDS = (CLEAN, DUPLICATE, MISSING, BAD_DATE, BAD_AMOUNT, SCIENTIFIC, INVALID_CODE)

_DUPLICATE_RATE = 0.001
_SPOILED_RATE = 0.0006  # per kind
_HABIT_RATE = 0.015
_LATE_RATE = 0.002
_LONGEST_DELAY = 5  # days


def delivered_rows(world: World, table: Table, month: int, plain: Bools) -> pl.DataFrame:
    """Return the rows of one month as the provider writes them.

    All good rows are present and readable; spoiled rows are extra copies of rows of `plain` firms,
    so that a reader that drops them keeps exactly the good rows. Besides the table's
    columns: `_firm`, `_event`, `_available`, `_deliver` (days since 1970), `_dirt` (index into
    KINDS), `_habit`.
    """
    frame = table.rows(world, month)
    part = [t.name for t in TABLES].index(table.name)
    frame = frame.with_columns(
        _deliver=frame["_available"].to_numpy() + _delay(world, table, month, part, len(frame)),
        _dirt=pl.lit(0, dtype=pl.UInt8),
        _habit=pl.lit(False),
    )
    rng = world.economy.rng(Stage.DIRT, month, part)
    if table.encoding is None:
        return _soiled(rng, table, frame, np.flatnonzero(plain[frame["_firm"].to_numpy()]))
    text = as_text(frame, table)
    habit = rng.random(len(text)) < _HABIT_RATE
    source = np.flatnonzero(plain[text["_firm"].to_numpy()] & ~habit)
    soiled = _soiled(rng, table, text, source)
    extra = soiled.slice(len(text))
    return pl.concat([respelled(rng, text, table, np.flatnonzero(habit)), extra])


def _delay(world: World, table: Table, month: int, part: int, count: int) -> Ints:
    if not table.may_be_late:
        return np.zeros(count, dtype=np.int64)
    rng = world.economy.rng(Stage.LATENESS, month, part)
    late = rng.random(count) < _LATE_RATE
    days: Ints = np.where(late, rng.integers(1, _LONGEST_DELAY + 1, count), 0)
    return days


def _soiled(
    rng: np.random.Generator, table: Table, frame: pl.DataFrame, rows: Ints
) -> pl.DataFrame:
    """Append spoiled copies of some of `rows`."""
    if not len(rows):
        return frame
    parts = [frame]
    for kind in KINDS[1:]:
        spoil = _spoil(table, kind)
        if spoil is None:
            continue
        rate = _DUPLICATE_RATE if kind == DUPLICATE else _SPOILED_RATE
        count = int(rate * len(rows) + rng.random())
        picked = pl.Series(np.sort(rng.choice(rows, count)))
        copies = frame[picked].with_columns(*spoil, _dirt=pl.lit(KINDS.index(kind), dtype=pl.UInt8))
        parts.append(copies)
    return pl.concat(parts)


def _spoil(table: Table, kind: str) -> list[pl.Expr] | None:
    """Return the changes that spoil a row in this way, None if not possible for the table."""
    if kind == DUPLICATE:
        return []
    if kind == MISSING:
        return [pl.lit(None).alias(table.amount)]
    if table.encoding is None:
        return None
    if kind == BAD_DATE and table.date:
        return [pl.lit("2024-13-45").alias(table.date)]
    if kind == BAD_AMOUNT:
        return [pl.lit("abc").alias(table.amount)] if table.amount not in _TEXTS else None
    if kind == SCIENTIFIC and table.number:
        return [pl.lit("6.22E+18").alias(table.number)]
    if kind == INVALID_CODE:
        code = pl.col(table.firm_column)
        last = pl.when(code.str.ends_with("0")).then(pl.lit("1")).otherwise(pl.lit("0"))
        return [(code.str.slice(0, 17) + last).alias(table.firm_column)]
    return None


_TEXTS = frozenset({"industry_code", "bank_name"})  # required, but not a number
