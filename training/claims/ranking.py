"""Rows ordered by score, taken from the top up to a share, under bootstrap weights.

Rows of equal score are taken in part, as if drawn at random. So two rankings are compared at
exactly the same share even if one is coarse; a whole run of ties would miss the share by its size.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from firmpulse.scale import FloatArray
from training.metrics import Weights

Rows = npt.NDArray[np.int64]
# Weights and their sums are exact up to rounding; less than this part of all rows counts as 0.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Ranking:
    """Runs of equal score, in the order in which they are taken."""

    # Positions of the rows in order, shape (rows,).
    order: Rows
    # Where in `order` each run starts, shape (runs,).
    starts: Rows
    # The run of each row, shape (rows,).
    run: Rows
    # Number of runs with a score.
    scored: int


@dataclass(frozen=True)
class Curve:
    """Rows and bads in the runs so far, each of shape (draws, runs + 1); the first column is 0."""

    rows: FloatArray
    bads: FloatArray
    # Number of runs that a cut-off can take in full or in part.
    scored: int

    def rate_at(self, share: float) -> FloatArray:
        """Return the bad rate of the first `share` of the rows, shape (draws,)."""
        wanted = share * self.rows[:, -1]
        run = np.maximum((self.rows < wanted[:, None] * (1 - ROUNDING)).sum(axis=1), 1)
        draws = np.arange(len(run))
        before, after = self.rows[draws, run - 1], self.rows[draws, run]
        part = np.clip((wanted - before) / (after - before), 0, 1)
        bads_before, bads_after = self.bads[draws, run - 1], self.bads[draws, run]
        return np.asarray((bads_before + part * (bads_after - bads_before)) / wanted)

    def largest_share(self, rate: FloatArray) -> FloatArray:
        """Return the largest share with a bad rate of at most `rate`, shape (draws,); may be 0."""
        rows, total = self.rows[:, : self.scored + 1], self.rows[:, -1]
        # Bads beyond those allowed; linear within a run.
        excess = self.bads[:, : self.scored + 1] - rate[:, None] * rows
        allowed = excess <= ROUNDING * total[:, None]
        last = self.scored - np.argmax(allowed[:, ::-1], axis=1)
        following = np.minimum(last + 1, self.scored)
        draws = np.arange(len(last))
        here, there = excess[draws, last], excess[draws, following]
        part = np.divide(-here, there - here, out=np.zeros_like(here), where=there > here)
        step = rows[draws, following] - rows[draws, last]
        return np.asarray((rows[draws, last] + np.clip(part, 0, 1) * step) / total)

    def least_rate_from(self, share: float) -> FloatArray:
        """Return the least bad rate of any cut-off that takes at least `share`, shape (draws,)."""
        rows, bads = self.rows[:, 1 : self.scored + 1], self.bads[:, 1 : self.scored + 1]
        # Within a run the rate is monotone, so the least is at an end.
        beyond = rows >= share * self.rows[:, -1:]
        rates = np.divide(bads, rows, out=np.full_like(bads, np.inf), where=beyond)
        at_ends: FloatArray = rates.min(axis=1)
        return np.minimum(at_ends, self.rate_at(share))


def ranked(keys: FloatArray) -> Ranking:
    """Return the ranking with the lowest key first; rows without one (NaN) are the last run."""
    values, run = np.unique(keys, return_inverse=True)
    order = np.argsort(run, kind="stable")
    starts = np.searchsorted(run[order], np.arange(len(values)))
    return Ranking(order, starts, run, int((~np.isnan(values)).sum()))


def cumulative(ranking: Ranking, weights: Weights) -> FloatArray:
    """Return the weight of the runs so far, shape (draws, runs + 1)."""
    by_run = np.add.reduceat(weights[:, ranking.order], ranking.starts, axis=1)
    so_far = np.zeros((len(weights), by_run.shape[1] + 1))
    np.cumsum(by_run, axis=1, out=so_far[:, 1:])
    return so_far


def curve(ranking: Ranking, outcome: FloatArray, weights: Weights) -> Curve:
    """Return the rows and bads taken run by run."""
    rows, bads = cumulative(ranking, weights), cumulative(ranking, weights * outcome)
    return Curve(rows, bads, ranking.scored)


def taken(ranking: Ranking, so_far: FloatArray, share: float) -> FloatArray:
    """Return the part of each row that is in the first `share`, 0 to 1, shape (draws, rows).

    Args:
        ranking: of the rows.
        so_far: the rows' weights as `cumulative` returns them.
        share: of each draw's weight.
    """
    before, size = so_far[:, :-1], np.diff(so_far, axis=1)
    wanted = share * so_far[:, -1:] - before
    part = np.divide(wanted, size, out=np.zeros_like(size), where=size > 0)
    return np.clip(part, 0, 1, out=part)[:, ranking.run]
