"""Columns of event frames, built from numpy arrays without a copy per row."""

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from simulator.population import Bools, Floats, Ints


def money(amounts: Ints) -> pl.Series:
    """Return cents as decimal(18,2) yuan; the 128-bit words are written directly."""
    words = np.empty((len(amounts), 2), dtype=np.int64)
    words[:, 0] = amounts
    words[:, 1] = amounts >> 63
    buffers = [None, pa.py_buffer(words)]
    array = pa.Array.from_buffers(pa.decimal128(18, 2), len(amounts), buffers)
    return pl.Series(pl.from_arrow(array))


def dates(epoch_days: Ints, known: Bools | None = None) -> pl.Series:
    """Return days since 1970 as dates, null where not `known`."""
    series = pl.Series(epoch_days.astype(np.int32)).cast(pl.Date)
    return series if known is None else _blank(series, known)


def timestamps(epoch_seconds: Ints, known: Bools | None = None) -> pl.Series:
    """Return local seconds since 1970 as naive timestamps, null where not `known`."""
    series = pl.Series(epoch_seconds * 1_000_000).cast(pl.Datetime("us"))
    return series if known is None else _blank(series, known)


def texts(words: tuple[str, ...] | pl.Series, index: Ints) -> pl.Series:
    """Return `words[index]`."""
    source = words if isinstance(words, pl.Series) else pl.Series(words, dtype=pl.String)
    return source.gather(pl.Series(index.astype(np.uint32)))


def numbered(prefix: str, numbers: Ints) -> pl.Series:
    """Return `prefix` + number as text."""
    return _joined(pl.lit(prefix), numbers)


def prefixed(prefixes: pl.Series, numbers: Ints) -> pl.Series:
    """Return one prefix per row + number as text."""
    return _joined(prefixes, numbers)


def _joined(prefix: pl.Expr | pl.Series, numbers: Ints) -> pl.Series:
    return pl.select(pl.concat_str(prefix, pl.Series(numbers).cast(pl.String))).to_series()


def _blank(series: pl.Series, known: Bools) -> pl.Series:
    return pl.select(pl.when(pl.Series(known)).then(series)).to_series()


def split_cents(
    rng: np.random.Generator, totals: Ints, pieces: Ints, spread: float
) -> tuple[Ints, Ints]:
    """Split each total into its number of pieces; return (index of the total, cents).

    The pieces of a total add up to it to the cent; `spread` is the log deviation of their sizes.
    """
    owner = np.repeat(np.arange(len(totals)), pieces)
    weight = np.exp(spread * rng.standard_normal(len(owner)))
    return owner, share_cents(totals, owner, weight)


def share_cents(totals: Ints, owner: Ints, weight: Floats) -> Ints:
    """Return the part of `totals[owner]` that falls on each weight; owners must be sorted."""
    if not len(owner):
        return np.zeros(0, dtype=np.int64)
    running = np.cumsum(weight)
    is_first = np.concatenate(([True], owner[1:] != owner[:-1]))
    is_last = np.concatenate((is_first[1:], [True]))
    starts = np.flatnonzero(is_first)
    group = np.cumsum(is_first) - 1
    before = (running - weight)[starts][group]
    whole = running[is_last][group] - before
    bound = np.rint(totals[owner] * ((running - before) / whole)).astype(np.int64)
    bound = np.where(is_last, totals[owner], bound)
    previous: NDArray[np.int64] = np.concatenate(([0], bound[:-1]))
    cents: Ints = bound - np.where(is_first, 0, previous)
    return cents
