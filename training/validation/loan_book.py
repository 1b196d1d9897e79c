"""The granted loans behind a model that learnt from outcomes of loans."""

import numpy as np
import polars as pl

from features import registry
from features.permitted import withhold
from firmpulse import warehouse
from firmpulse.bounds import LEAST_FIRMS
from firmpulse.settings import Settings
from training import labels, sampling
from training.claims.measure import ClaimsConfig
from training.claims.swap_set import worse_odds
from training.config import TrainingConfig
from training.frozen import FrozenFrame
from training.split import OOT
from training.validation.subject import Subject


def funnel(settings: Settings, frame: FrozenFrame, config: TrainingConfig) -> pl.DataFrame:
    """Return what became of the loans granted in each quarter, of firms that allow training.

    Returns:
        One row per quarter: decided_in, split (null if none of its rows trains or tests), granted,
        then its parts, which add up to it: unknown, already_defaulted, good, bad; complete; last
        sampled, rows of the frame: one per firm and day of decision.

    Raises:
        NotReadyError: the loans or their outcomes no longer exist.
    """
    granted = sampling.trainable(settings, frame.as_of)
    with warehouse.connect(settings) as connection:
        found = labels.of_loans(connection, frame.as_of, granted, config).funnel
    sampled = labels.in_cohorts(frame.rows).group_by(pl.col("cohort").alias("decided_in"))
    counts = sampled.agg(pl.col("split").max(), pl.len().alias("sampled"))
    joined = found.join(counts, on="decided_in", how="left", maintain_order="left")
    return joined.with_columns(pl.col("sampled").fill_null(0))


def vintages(settings: Settings, frame: FrozenFrame, config: TrainingConfig) -> pl.DataFrame:
    """Return how soon the loans granted in each quarter went bad, of firms that allow training.

    Returns:
        One row per quarter whose loans train or test, and with as many loans as may be shown:
        decided_in, loans (with a known outcome), within_3 to within_12 (share bad by then, months).

    Raises:
        NotReadyError: the loans or their outcomes no longer exist.
    """
    granted = sampling.trainable(settings, frame.as_of)
    with warehouse.connect(settings) as connection:
        loans = labels.of_loans(connection, frame.as_of, granted, config).loans
    months = range(3, config.horizon_months + 1, 3)
    bad = pl.col("outcome") == "bad"
    shares = (
        (bad & (pl.col("defaulted_on") <= pl.col("as_of").dt.offset_by(f"{month}mo")))
        .mean()
        .alias(f"within_{month}")
        for month in months
    )
    return (
        loans.filter(pl.col("outcome").is_not_null())
        .group_by(pl.col("cohort").alias("decided_in"))
        .agg(pl.len().alias("loans"), *shares)
        .filter(pl.col("loans") >= LEAST_FIRMS)
        .sort("decided_in")
    )


def refused(
    settings: Settings, subject: Subject, terms: ClaimsConfig, config: TrainingConfig
) -> pl.DataFrame:
    """Return what the model would make of refused applications, whose outcomes do not exist.

    Those from the first out-of-time decision on, of firms that allow training and were observed by
    then. The cut-off is the PD below which it approves the usual share of the granted ones. Bad
    rates are inferred as for swap-ins: by its PDs, and by multiples of their odds.

    Returns:
        One row per multiple: odds_multiple, refused, observed, approved, bad_rate (null without an
        approved one); no column if fewer firms than may be shown were observed.

    Source: Siddiqi, Credit Risk Scorecards (2006), for parcelling.
    """
    learnt, known = subject.frame, registry.load(settings)
    oot = learnt.part(OOT)
    since = oot["as_of"].sort()[0]
    granted = sampling.trainable(settings, learnt.as_of)
    with warehouse.connect(settings) as connection:
        asked = labels.refused(connection, learnt.as_of, since)
        asked = asked.join(granted, on="firm_id", how="semi")
        rows = asked.filter(sampling.observed(connection, known, asked, config))
        rows = sampling.at_decision(connection, known, rows, config)
    if rows["firm_id"].n_unique() < LEAST_FIRMS:
        return pl.DataFrame()
    rows = withhold(rows, known.features, granted)
    prob = subject.model.default_prob(rows)
    cut = np.quantile(subject.model.default_prob(oot), terms.approval_share)
    approved = prob[prob <= cut]
    return pl.DataFrame(
        [
            {
                "odds_multiple": times,
                "refused": asked.height,
                "observed": rows.height,
                "approved": len(approved),
                "bad_rate": float(worse_odds(approved, times).mean()) if len(approved) else None,
            }
            for times in terms.odds_multiples
        ]
    )
