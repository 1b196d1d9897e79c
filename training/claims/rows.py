"""Rows on which two models are compared, and their checks."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from firmpulse.errors import ContractError, NotReadyError
from firmpulse.scale import FloatArray


@dataclass(frozen=True)
class ClaimRows:
    """One row per firm and snapshot, outcomes known; each array has shape (rows,)."""

    firm_ids: npt.NDArray[np.str_]
    snapshot_dates: npt.NDArray[np.datetime64]
    # 1 for bad, 0 for good.
    outcome: FloatArray
    # NaN if a model gives no PD.
    baseline_prob: FloatArray
    candidate_prob: FloatArray
    # First default after the snapshot; NaT if none is known.
    default_dates: npt.NDArray[np.datetime64]
    firm_types: npt.NDArray[np.str_]
    # Rows of firms of interest, such as hidden champions.
    of_interest: npt.NDArray[np.bool_] | None = None


def require(rows: ClaimRows) -> None:
    """Raise if the rows contradict themselves or lack an outcome.

    Raises:
        ContractError: lengths differ, a value is impossible, or a firm has two rows per snapshot.
        NotReadyError: no row is good, bad or of interest.
    """
    _require_lengths(rows)
    _require_values(rows)
    bads = int(rows.outcome.sum())
    if not 0 < bads < len(rows.outcome):
        raise NotReadyError(
            f"{bads} of {len(rows.outcome)} rows are bad; measure on out-of-time rows with "
            f"outcomes of both kinds"
        )
    if rows.of_interest is not None and not rows.of_interest.any():
        raise NotReadyError("no row is of a firm of interest; mark some or leave out the mask")


def _require_lengths(rows: ClaimRows) -> None:
    expected = len(rows.firm_ids)
    for column in fields(rows):
        values = getattr(rows, column.name)
        if values is not None and len(values) != expected:
            raise ContractError(
                f"{column.name} has {len(values)} values and firm_ids {expected}; give one per row"
            )
    pairs = np.stack(
        [
            np.unique(rows.firm_ids, return_inverse=True)[1],
            rows.snapshot_dates.astype("datetime64[D]").astype(np.int64),
        ]
    )
    repeated = expected - np.unique(pairs, axis=1).shape[1]
    if repeated:
        raise ContractError(f"{repeated} rows repeat a firm and snapshot; give one row per pair")


def _require_values(rows: ClaimRows) -> None:
    if not np.isin(rows.outcome, (0, 1)).all():
        raise ContractError("outcome has values other than 0 and 1; leave out what is unknown")
    for name in ("baseline_prob", "candidate_prob"):
        prob = getattr(rows, name)
        wrong = int((~np.isnan(prob) & ~((prob >= 0) & (prob <= 1))).sum())
        if wrong:
            raise ContractError(f"{name} has {wrong} values outside 0 and 1; give PDs, or NaN")
    late = int((rows.default_dates <= rows.snapshot_dates).sum())
    if late:
        raise ContractError(
            f"{late} rows have a default on or before their snapshot; leave out firms in default"
        )
