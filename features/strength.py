"""How well one feature alone separates firms that default from those that do not."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from firmpulse import stability
from firmpulse.scale import FloatArray

# Added to every count; otherwise a bin without goods or bads would make the value infinite.
_SMOOTHING = 0.5
# Fewer outcomes of either kind show nothing.
LEAST_OUTCOMES = 10


@dataclass(frozen=True)
class Strength:
    """A number against known outcomes, over the rows where it is observed; IV over all rows."""

    # Probability that a bad firm has the higher value; 0.5 means no information.
    auc: float
    # Largest distance between the distributions of good and bad.
    ks: float
    # Information value over deciles and missing.
    information_value: float
    rows: int
    bads: int


def measure(values: pl.Series, is_bad: pl.Series) -> Strength | None:
    """Return the strength of a feature; None if there are too few outcomes or values.

    Args:
        values: Float64 with null for not observed, or String, shape (n,).
        is_bad: Boolean, shape (n,).

    Source: Siddiqi, Credit Risk Scorecards (2006), for the information value.
    """
    observed = values.is_not_null()
    known, bad = values.filter(observed), is_bad.filter(observed)
    bads = int(bad.sum())
    if min(bads, len(bad) - bads) < LEAST_OUTCOMES or known.n_unique() < 2:
        return None
    information = _information_value(values, is_bad)
    if values.dtype == pl.String:
        return Strength(float("nan"), float("nan"), information, len(bad), bads)
    auc, ks = _ranking(known.to_numpy(), bad.to_numpy())
    return Strength(auc, ks, information, len(bad), bads)


def _ranking(values: FloatArray, is_bad: npt.NDArray[np.bool_]) -> tuple[float, float]:
    from scipy.stats import ks_2samp
    from sklearn.metrics import roc_auc_score

    ks = ks_2samp(values[is_bad], values[~is_bad], method="asymp").statistic
    return float(roc_auc_score(is_bad, values)), float(ks)


def _information_value(values: pl.Series, is_bad: pl.Series) -> float:
    if values.dtype == pl.String:
        bins = values.fill_null("")
    else:
        cuts = stability.decile_cuts(values.drop_nulls().to_numpy())
        places = np.searchsorted(cuts, values.fill_null(np.nan).to_numpy(), side="left")
        bins = pl.Series(np.where(values.is_null().to_numpy(), -1, places))
    counts = (
        pl.DataFrame({"bin": bins, "bad": is_bad})
        .group_by("bin")
        .agg(bads=pl.col("bad").sum(), rows=pl.len())
        .sort("bin")
    )
    bads = counts["bads"].to_numpy() + _SMOOTHING
    goods = (counts["rows"] - counts["bads"]).to_numpy() + _SMOOTHING
    share_bad, share_good = bads / bads.sum(), goods / goods.sum()
    return float(np.sum((share_good - share_bad) * np.log(share_good / share_bad)))
