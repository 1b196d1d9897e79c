"""The distribution of one feature over the firms, without identifying any of them."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from firmpulse.bounds import LEAST_FIRMS
from firmpulse.scale import FloatArray

_BARS = 20
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Distribution:
    """Values of a feature at one date."""

    firms: int
    missing_share: float
    # Share of firms → value: 5, 25, 50, 75 and 95 %; none for categories and few firms.
    quantiles: dict[float, float]
    # Range of a bar, or category → its firms; those of fewer than `LEAST_FIRMS` are left out.
    bars: tuple[tuple[str, int], ...]


def of_values(values: pl.Series) -> Distribution:
    """Return the distribution of a feature; bars span the 5 to 95 % range.

    Args:
        values: Float64 or String with null for not observed, one value per firm, at least one.
    """
    known = values.drop_nulls()
    missing = values.null_count() / len(values)
    if len(known) < 4 * LEAST_FIRMS:
        return Distribution(len(values), missing, {}, ())
    if values.dtype == pl.String:
        counts = known.value_counts(sort=True).filter(pl.col("count") >= LEAST_FIRMS)
        return Distribution(len(values), missing, {}, tuple(counts.head(_BARS).iter_rows()))
    numbers = known.to_numpy()
    quantiles = {share: float(np.quantile(numbers, share)) for share in _QUANTILES}
    return Distribution(len(values), missing, quantiles, _bars(numbers, quantiles))


def _bars(numbers: FloatArray, quantiles: dict[float, float]) -> tuple[tuple[str, int], ...]:
    low, high = quantiles[0.05], quantiles[0.95]
    if low == high:
        count = int((numbers == low).sum())
        return ((f"{low:.4g}", count),) if count >= LEAST_FIRMS else ()
    counts, edges = np.histogram(numbers, bins=_BARS, range=(low, high))
    return tuple(
        (f"{start:.4g} – {end:.4g}", int(count) if count >= LEAST_FIRMS else 0)
        for start, end, count in zip(edges[:-1], edges[1:], counts, strict=True)
    )
