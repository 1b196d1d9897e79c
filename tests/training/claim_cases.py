"""Rows for comparing two models, and a slow way to approve by PD."""

import dataclasses

import numpy as np

from training.claims.measure import ClaimsConfig
from training.claims.rows import ClaimRows

DAY = np.datetime64("2024-01-31", "D")
FEW = ClaimsConfig(draws=20)
HALF = dataclasses.replace(FEW, approval_share=0.5)


def rows_of(outcome: object, baseline: object, candidate: object, **columns: object) -> ClaimRows:
    """One firm per row on one snapshot, the bad ones in default after 60 days."""
    bad = np.asarray(outcome, dtype=float)
    rows = ClaimRows(
        firm_ids=np.array([f"firm {i:05}" for i in range(len(bad))]),
        snapshot_dates=np.full(len(bad), DAY),
        outcome=bad,
        baseline_prob=np.asarray(baseline, dtype=float),
        candidate_prob=np.asarray(candidate, dtype=float),
        default_dates=np.where(bad == 1, DAY + np.timedelta64(60, "D"), np.datetime64("NaT")),
        firm_types=np.full(len(bad), "C"),
    )
    return dataclasses.replace(rows, **columns)  # type: ignore[arg-type]


def drawn_rows(random: np.random.Generator, rows: int, decimals: int = 2) -> ClaimRows:
    """Return a candidate with the true PDs and a baseline with noisy ones."""
    risk = random.normal(size=rows)
    prob = 1 / (1 + np.exp(3 - 1.5 * risk))
    noisy = 1 / (1 + np.exp(3 - 0.7 * risk - random.normal(size=rows)))
    outcome = (random.random(rows) < prob).astype(float)
    return rows_of(outcome, np.round(noisy, decimals), np.round(prob, decimals))


def approved(outcome: np.ndarray, prob: np.ndarray, share: float) -> tuple[float, float]:
    """Approved rows and bads, in a loop over levels of PD; a level that does not fit is drawn."""
    left, rows, bads = share * len(outcome), 0.0, 0.0
    for level in sorted(set(prob.tolist())):
        here = outcome[prob == level]
        part = min(1.0, left / len(here))
        rows, bads, left = rows + part * len(here), bads + part * here.sum(), left - len(here)
        if left <= 0:
            break
    return rows, bads
