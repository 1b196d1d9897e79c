"""Early warnings of two models at the same alert rate: how many are true, and how early.

Each snapshot, or quarter of decisions, alerts the same share of its rows, highest PD first. A
firm's first alert opens an episode; its alerts within the horizon belong to it. An episode is a hit
if the firm defaults within the horizon of the first alert, and not too soon to act on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from firmpulse.errors import NotReadyError
from firmpulse.scale import FloatArray
from training import metrics
from training.claims.ranking import ROUNDING, Ranking, Rows, cumulative, ranked, taken
from training.metrics import Weights

Dates = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class AlertTerms:
    """Which rows are alerted, and what counts as a hit."""

    alert_rate: float
    horizon_days: int
    min_lead_days: int
    long_lead_days: int


@dataclass(frozen=True)
class Snapshot:
    """The rows of one snapshot date, or of decisions in one quarter."""

    day: np.datetime64
    rows: Rows
    # Number of each row's firm.
    firms: Rows
    # Order of the rows by model, highest PD first.
    rankings: Mapping[str, Ranking]


@dataclass(frozen=True)
class Watch:
    """Snapshots in time order, and the outcomes of their rows."""

    snapshots: tuple[Snapshot, ...]
    # By model; 0 for a row without a PD, which is alerted last.
    default_probs: Mapping[str, FloatArray]
    # From snapshot to default, NaN without one, shape (rows,).
    lead_days: FloatArray
    # One row of each default within the horizon of a snapshot.
    default_rows: Rows
    terms: AlertTerms


def watch(
    firms: Rows,
    snapshot_dates: Dates,
    default_dates: Dates,
    default_probs: Mapping[str, FloatArray],
    terms: AlertTerms,
) -> Watch:
    """Return the rows by snapshot, each ranked by each model.

    Args:
        firms: number of each row's firm, one row per firm and snapshot, shape (rows,).
        snapshot_dates: dates of the same rows.
        default_dates: after the snapshot; NaT if the firm did not default.
        default_probs: PDs of the same rows by model, NaN if a model gives none.
        terms: which rows are alerted, and what counts as a hit.

    Raises:
        NotReadyError: no firm defaults within the horizon of a snapshot.
    """
    lead_days = (default_dates - snapshot_dates) / np.timedelta64(1, "D")
    soon = np.flatnonzero(lead_days <= terms.horizon_days)
    if not len(soon):
        raise NotReadyError(
            f"none of the {len(firms)} rows defaults within {terms.horizon_days} days; warnings "
            f"are measured on snapshots with later defaults: choose an earlier out-of-time set"
        )
    # A default appears in several snapshots and counts once.
    events = np.stack([firms[soon], default_dates[soon].astype("datetime64[D]").astype(np.int64)])
    first = np.unique(events, axis=1, return_index=True)[1]
    snapshots = []
    quarters = snapshot_dates.astype("datetime64[M]").astype(np.int64) // 3
    for quarter in np.unique(quarters):
        rows = np.flatnonzero(quarters == quarter)
        rankings = {model: ranked(-prob[rows]) for model, prob in default_probs.items()}
        snapshots.append(Snapshot(snapshot_dates[rows].max(), rows, firms[rows], rankings))
    return Watch(
        snapshots=tuple(snapshots),
        default_probs={model: np.nan_to_num(prob) for model, prob in default_probs.items()},
        lead_days=lead_days,
        default_rows=soon[first],
        terms=terms,
    )


def weighted(watched: Watch, weights: Weights) -> dict[str, FloatArray]:
    """Return the measures under each row of weights, shape (draws,); NaN without a hit or default.

    Per model, as `<model>_<measure>`: `episodes`, `hits`, `precision` (hits of episodes), `recall`
    (hits of the defaults within the horizon of a snapshot), `pr_auc` of default within the horizon,
    `lead_days` (median of the hits), `long_lead_share` of the hits, `false_per_hit`.
    """
    soon = (watched.lead_days <= watched.terms.horizon_days).astype(np.float64)
    measured: dict[str, FloatArray] = {}
    for model, default_prob in watched.default_probs.items():
        opened = weights * _openings(watched, model, weights)
        found = _of_model(watched, opened, weights)
        found["pr_auc"] = metrics.weighted(soon, default_prob, weights)["pr_auc"]
        measured |= {f"{model}_{name}": value for name, value in found.items()}
    return measured


def _openings(watched: Watch, model: str, weights: Weights) -> FloatArray:
    """Return the part of each row that opens an episode, 0 to 1, shape (draws, rows)."""
    horizon = np.timedelta64(watched.terms.horizon_days, "D")
    firms = 1 + max(int(snapshot.firms.max()) for snapshot in watched.snapshots)
    opened = np.zeros_like(weights)
    past: list[tuple[np.datetime64, FloatArray]] = []
    for snapshot in watched.snapshots:
        so_far = cumulative(snapshot.rankings[model], weights[:, snapshot.rows])
        alerted = taken(snapshot.rankings[model], so_far, watched.terms.alert_rate)
        # A firm opens at most one episode within a horizon, so the parts of earlier ones add up.
        still_open = np.zeros_like(alerted)
        for day, earlier in past:
            if snapshot.day - day <= horizon:
                still_open += earlier[:, snapshot.firms]
        here = alerted * (1 - still_open)
        opened[:, snapshot.rows] = here
        by_firm = np.zeros((len(weights), firms))
        by_firm[:, snapshot.firms] = here
        past.append((snapshot.day, by_firm))
    return opened


def _of_model(watched: Watch, opened: FloatArray, weights: Weights) -> dict[str, FloatArray]:
    terms, lead_days = watched.terms, watched.lead_days
    timely = (lead_days >= terms.min_lead_days) & (lead_days <= terms.horizon_days)
    hit_rows = np.flatnonzero(timely)
    hit_rows = hit_rows[np.argsort(lead_days[hit_rows], kind="stable")]
    by_lead, leads = opened[:, hit_rows], lead_days[hit_rows]
    episodes, hits = opened.sum(axis=1), by_lead.sum(axis=1)
    hits[hits <= ROUNDING * episodes] = 0
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "episodes": episodes,
            "hits": hits,
            "precision": hits / episodes,
            "recall": hits / weights[:, watched.default_rows].sum(axis=1),
            "lead_days": _weighted_median(leads, by_lead),
            "long_lead_share": by_lead[:, leads >= terms.long_lead_days].sum(axis=1) / hits,
            "false_per_hit": np.where(hits > 0, (episodes - hits) / hits, np.nan),
        }


def _weighted_median(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the median of ascending values per row of weights; NaN if all weights are 0."""
    if not len(values):
        return np.full(len(weights), np.nan)
    so_far = np.cumsum(weights, axis=1)
    half = so_far[:, -1:] / 2
    slack = ROUNDING * np.maximum(half, 1)
    last = len(values) - 1
    lower = np.minimum((so_far < half - slack).sum(axis=1), last)
    upper = np.minimum((so_far <= half + slack).sum(axis=1), last)
    middle = (values[lower] + values[upper]) / 2
    return np.where(half[:, 0] > slack[:, 0], middle, np.nan)
