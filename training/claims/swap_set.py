"""Two credit policies that approve by PD: bad rates, approval shares and the swap set."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from firmpulse.scale import FloatArray
from training.claims.ranking import ROUNDING, Curve, Ranking, Rows, cumulative, curve, taken
from training.metrics import Weights

BOTH, SWAP_IN, SWAP_OUT, NEITHER = "both", "swap_in", "swap_out", "neither"


@dataclass(frozen=True)
class Policies:
    """Two rankings of applications with known outcomes, and the share to approve."""

    outcome: FloatArray
    # NaN if the candidate gives none.
    candidate_prob: FloatArray
    # Lowest PD first.
    baseline: Ranking
    candidate: Ranking
    # Number of each row's firm.
    firms: Rows
    # Rows of firms of interest; all false if none are requested.
    of_interest: npt.NDArray[np.bool_]
    # Share of the rows that the baseline approves.
    share: float
    # The larger share for the claim of a lower bad rate.
    larger_share: float
    # How many times worse rejected firms may be than the candidate's odds.
    odds_multiples: tuple[float, ...]


@dataclass(frozen=True)
class Cell:
    """Rows, firms and bads of one cell; a run of ties at a cut-off counts in part."""

    rows: float
    # Firms with any part of a row; a firm with several rows may be in several cells.
    firms: int
    bads: float


def weighted(policies: Policies, weights: Weights) -> dict[str, FloatArray]:
    """Return the measures under each row of weights, shape (draws,); NaN for an empty cell.

    Per policy, as `<policy>_<measure>`: `bad_rate` at the baseline's share, `at_risk` as the
    largest share at no more than the baseline's bad rate, `larger_bad_rate` and `least_bad_rate`
    at and from the larger share, `found_share` of the firms of interest. Then a bad rate per cell
    of the swap set and per odds multiple, and the given `baseline_share`.

    Source: Siddiqi, Credit Risk Scorecards (2006), for swap sets and parcelling.
    """
    curves = {
        "baseline": curve(policies.baseline, policies.outcome, weights),
        "candidate": curve(policies.candidate, policies.outcome, weights),
    }
    accepted_rate = curves["baseline"].rate_at(policies.share)
    parts = _approved(policies, curves["baseline"].rows, curves["candidate"].rows)
    measured = {"baseline_share": np.full(len(weights), policies.share)}
    for name, found in curves.items():
        measured |= {
            f"{name}_{measure}": value
            for measure, value in _of_policy(policies, found, accepted_rate).items()
        }
        if policies.of_interest.any():
            measured[f"{name}_found_share"] = _found_share(policies, parts[name], weights)
    inside = _cells(parts["baseline"], parts["candidate"])
    return measured | _swapped(policies, inside, weights)


def cells(policies: Policies) -> dict[str, Cell]:
    """Return both-approve, swap-in, swap-out and both-decline at the same approval share."""
    once = np.ones((1, len(policies.outcome)))
    rows = [cumulative(ranking, once) for ranking in (policies.baseline, policies.candidate)]
    parts = _approved(policies, *rows)
    counted = {}
    for name, inside in _cells(parts["baseline"], parts["candidate"]).items():
        part = inside[0]
        firms = len(np.unique(policies.firms[part > ROUNDING]))
        counted[name] = Cell(float(part.sum()), firms, float(part @ policies.outcome))
    return counted


def found_firms(policies: Policies) -> dict[str, float]:
    """Return how many firms of interest each policy approves, averaged over a firm's rows."""
    once = np.ones((1, len(policies.outcome)))
    rows = [cumulative(ranking, once) for ranking in (policies.baseline, policies.candidate)]
    firms = len(np.unique(policies.firms[policies.of_interest]))
    return {
        name: float(_found_share(policies, part, once)[0]) * firms
        for name, part in _approved(policies, *rows).items()
    }


def _approved(
    policies: Policies, baseline_rows: FloatArray, candidate_rows: FloatArray
) -> dict[str, FloatArray]:
    """Return the part of each row that each policy approves, shape (draws, rows)."""
    return {
        "baseline": taken(policies.baseline, baseline_rows, policies.share),
        "candidate": taken(policies.candidate, candidate_rows, policies.share),
    }


def _of_policy(
    policies: Policies, found: Curve, accepted_rate: FloatArray
) -> dict[str, FloatArray]:
    return {
        "bad_rate": found.rate_at(policies.share),
        "at_risk": found.largest_share(accepted_rate),
        "larger_bad_rate": found.rate_at(policies.larger_share),
        "least_bad_rate": found.least_rate_from(policies.larger_share),
    }


def _cells(baseline: FloatArray, candidate: FloatArray) -> dict[str, FloatArray]:
    """Return the part of each row in each cell; the parts of a row add up to 1."""
    # Both policies use the same random order of ties, or two equal policies would swap.
    return {
        BOTH: np.minimum(baseline, candidate),
        SWAP_IN: np.maximum(candidate - baseline, 0),
        SWAP_OUT: np.maximum(baseline - candidate, 0),
        NEITHER: 1 - np.maximum(baseline, candidate),
    }


def _swapped(
    policies: Policies, inside: dict[str, FloatArray], weights: Weights
) -> dict[str, FloatArray]:
    """Return the bad rate of each cell, and of the new policy by parcelling of swap-ins."""
    is_bad = policies.outcome == 1
    bad_weights = weights[:, is_bad]
    rates, bads = {}, {}
    total = weights.sum(axis=1)
    for name, part in inside.items():
        rows = np.einsum("dr,dr->d", weights, part)
        bads[name] = np.einsum("dr,dr->d", bad_weights, part[:, is_bad])
        empty = np.full_like(rows, np.nan)
        filled = rows > ROUNDING * total
        rates[f"{name}_bad_rate"] = np.divide(bads[name], rows, out=empty, where=filled)
    worse = np.stack(
        [worse_odds(policies.candidate_prob, times) for times in policies.odds_multiples]
    )
    inferred = (weights * inside[SWAP_IN]) @ worse.T
    approved = policies.share * total
    for column, times in enumerate(policies.odds_multiples):
        rates[inferred_name(times)] = (bads[BOTH] + inferred[:, column]) / approved
    return rates


def inferred_name(times: float) -> str:
    """Return the name of the new policy's bad rate with swap-ins at `times` the odds."""
    return f"inferred_x{times:g}_bad_rate"


def worse_odds(default_prob: FloatArray, times: float) -> FloatArray:
    """Return PDs at `times` the odds, 1 where there is none; same shape."""
    raised = times * default_prob
    return np.asarray(np.where(np.isnan(raised), 1.0, raised / (1 - default_prob + raised)))


def _found_share(policies: Policies, part: FloatArray, weights: Weights) -> FloatArray:
    """Return the approved share of firms of interest, averaged over a firm's rows."""
    # "Approved at least once" would favour a model with unstable PDs.
    rows = np.flatnonzero(policies.of_interest)
    counted = weights[:, rows] / np.bincount(policies.firms[rows])[policies.firms[rows]]
    with np.errstate(invalid="ignore"):
        return np.asarray((counted * part[:, rows]).sum(axis=1) / counted.sum(axis=1))
