"""The types of firm for which a model gives PDs that rank, or are right overall."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import gamma

from firmpulse.scale import FloatArray
from training import metrics
from training.claims.ranking import Rows
from training.metrics import Interval


@dataclass(frozen=True)
class CoverageTerms:
    """Criteria for judging a type, and for its coverage."""

    least_firms: int
    least_scored_share: float
    least_auc: float
    confidence: float


@dataclass(frozen=True)
class TypeCoverage:
    """One type of firm, with enough firms to be judged."""

    name: str
    firms: int
    # Share of the firms with a PD in every row.
    scored_share: float
    # NaN without both outcomes among the scored rows.
    auc: float
    # NaN without a scored row.
    observed_expected: Interval
    ranks: bool
    covered: bool


@dataclass(frozen=True)
class Coverage:
    """The judged types, in order of name, and the shares that are covered."""

    types: tuple[TypeCoverage, ...]
    # Shares of the judged types, and of their firms; NaN if no type has enough firms.
    share_of_types: float
    share_of_firms: float
    # Share of all firms, including those of types too small to judge.
    share_of_all_firms: float
    # Share of the judged types that rank; a small type has the right level by chance more easily.
    ranking_share_of_types: float


def measure(
    types: npt.NDArray[np.str_],
    firms: Rows,
    outcome: FloatArray,
    default_prob: FloatArray,
    terms: CoverageTerms,
) -> Coverage:
    """Return which types are covered: firms scored, and ranked or right overall.

    Args:
        types: label of each row, shape (rows,); a firm's type may change between rows.
        firms: number of each row's firm.
        outcome: 1 for bad, 0 for good.
        default_prob: NaN where the model gives none.
        terms: when a type is judged and covered.
    """
    judged, firms_judged, firms_covered = [], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for name in np.unique(types):
        here = types == name
        members = np.unique(firms[here])
        if len(members) < terms.least_firms:
            continue
        found = _of_type(str(name), firms[here], outcome[here], default_prob[here], terms)
        judged.append(found)
        firms_judged.append(members)
        if found.covered:
            firms_covered.append(members)
    covered = len(np.unique(np.concatenate(firms_covered)))
    of_judged = len(np.unique(np.concatenate(firms_judged)))
    return Coverage(
        types=tuple(judged),
        share_of_types=_share(sum(found.covered for found in judged), len(judged)),
        share_of_firms=_share(covered, of_judged),
        share_of_all_firms=_share(covered, len(np.unique(firms))),
        ranking_share_of_types=_share(sum(found.ranks for found in judged), len(judged)),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _of_type(
    name: str, firms: Rows, outcome: FloatArray, default_prob: FloatArray, terms: CoverageTerms
) -> TypeCoverage:
    scored = ~np.isnan(default_prob)
    members = len(np.unique(firms))
    scored_share = 1 - len(np.unique(firms[~scored])) / members
    auc = float("nan")
    level = Interval(auc, auc, auc)
    if scored.any():
        auc = metrics.measure(outcome[scored], default_prob[scored])["auc"]
        level = observed_expected(
            firms[scored], outcome[scored], default_prob[scored], terms.confidence
        )
    enough = scored_share >= terms.least_scored_share
    ranks = bool(enough and auc >= terms.least_auc)
    holds = bool(enough and level.low <= 1 <= level.high)
    return TypeCoverage(name, members, scored_share, auc, level, ranks, ranks or holds)


def observed_expected(
    firms: Rows, outcome: FloatArray, default_prob: FloatArray, confidence: float
) -> Interval:
    """Return defaults over the sum of PDs, of all rows, with an exact interval of firms.

    Rows of a firm are about the same default, so for the interval a firm counts once. Averaging
    a firm's rows would overstate the defaults: a firm that defaults soon has fewer rows than one
    that does not. The interval is valid for few or no defaults, where redrawing firms would give
    no spread.

    Args:
        firms: number of each row's firm from 0, shape (rows,), at least one row.
        outcome: 1 for bad, 0 for good, shape (rows,).
        default_prob: PDs of the rows.
        confidence: of the interval.

    Source: Garwood, Fiducial limits for the Poisson distribution (1936).
    """
    observed = len(np.unique(firms[outcome == 1]))
    rows_per_firm = outcome.sum() / observed if observed else len(firms) / len(np.unique(firms))
    expected = max(float(default_prob.sum() / rows_per_firm), 1e-12)
    tail = (1 - confidence) / 2
    low = float(gamma.ppf(tail, observed)) if observed else 0.0
    high = float(gamma.ppf(1 - tail, observed + 1))
    return Interval(observed / expected, low / expected, high / expected)
