"""The value of a version to a lender: its claims against the scorecard on annual statements."""

from collections.abc import Collection

import polars as pl

from firmpulse import warehouse
from firmpulse.settings import Settings
from training import labels
from training.claims import measure as claims
from training.claims.measure import Claims, ClaimsConfig
from training.claims.rows import ClaimRows
from training.config import LOANS
from training.frozen import bads_of
from training.split import OOT
from training.validation import portfolio, segments
from training.validation.subject import Subject


def measure(
    settings: Settings,
    subject: Subject,
    terms: ClaimsConfig,
    of_interest: Collection[str] | None = None,
) -> Claims:
    """Return the claims of a version on its out-of-time rows.

    Args:
        settings: home folder.
        subject: the version, the scorecard and their frame.
        terms: approval share, alert rate and the like.
        of_interest: tokens of firms whose approval is counted separately.

    Raises:
        NotReadyError: loan performance no longer exists, or no firm of interest is among the
            rows.
    """
    oot = subject.frame.part(OOT)
    with warehouse.connect(settings) as connection:
        dates = labels if subject.frame.labels == LOANS else portfolio
        defaults = dates.default_dates(connection, subject.frame.as_of)
    dated = oot.join(defaults, on="firm_id", how="left", maintain_order="left")
    # A default that was later removed by a correction may be before the snapshot.
    later = pl.when(pl.col("defaulted_on") > pl.col("as_of")).then("defaulted_on")
    kinds = segments.label(oot)
    rows = ClaimRows(
        firm_ids=oot["firm_id"].to_numpy(),
        snapshot_dates=oot["as_of"].to_numpy(),
        outcome=bads_of(oot),
        baseline_prob=subject.statements.default_prob(oot),
        candidate_prob=subject.model.default_prob(oot),
        default_dates=dated.select(later).to_series().to_numpy(),
        firm_types=segments.types_of(kinds).to_numpy(),
        of_interest=None
        if of_interest is None
        else oot["firm_id"].is_in(list(of_interest)).to_numpy(),
    )
    return claims.measure(rows, terms)
