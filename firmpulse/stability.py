"""How far a distribution has moved: the population stability index."""

import numpy as np

from firmpulse.scale import FloatArray

# Share of an empty bin; with zero, one empty bin would make the index infinite.
_FLOOR = 1e-4
# From the first value a distribution has moved, from the second it has moved much.
PSI_MOVED, PSI_MUCH = 0.10, 0.25


def population_stability_index(expected: FloatArray, actual: FloatArray) -> float:
    """Return the PSI between two sets of bin shares; 0 means identical, `PSI_MUCH` much moved.

    Args:
        expected: share of rows per bin before, shape (n_bins,), sums to 1.
        actual: share of rows per bin now, same bins.

    Source: Siddiqi, Credit Risk Scorecards (2006).
    """
    before, now = np.maximum(expected, _FLOOR), np.maximum(actual, _FLOOR)
    return float(np.sum((now - before) * np.log(now / before)))


def shares(sample: FloatArray, cuts: FloatArray) -> FloatArray:
    """Return the share of the sample per bin, shape (n_cuts + 1,); bin i ends at cuts[i].

    Args:
        sample: values, shape (n,), none of them NaN, n at least 1.
        cuts: ascending upper ends of all bins but the last, shape (n_cuts,).
    """
    counts = np.bincount(np.searchsorted(cuts, sample, side="left"), minlength=len(cuts) + 1)
    return np.asarray(counts / len(sample), dtype=np.float64)


def decile_cuts(sample: FloatArray) -> FloatArray:
    """Return the distinct inner deciles of a sample, shape (at most 9,)."""
    return np.unique(np.quantile(sample, np.linspace(0, 1, 11)[1:-1]))
