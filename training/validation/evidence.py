"""All evidence on one model version for a validator, computed from its frozen frame."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from features import registry
from features.frame import SNAPSHOTS
from features.frame import frame as build_frame
from firmpulse import warehouse
from firmpulse.errors import NotReadyError
from firmpulse.scale import FloatArray
from firmpulse.settings import Settings
from firmpulse.sources import MAIN_SOURCES
from model import coverage, stress
from model.stress import StressResult
from training import boosted, calibration_checks, logistic
from training.calibration_checks import GradeCheck
from training.claims.measure import Claims, ClaimsConfig
from training.config import LOANS, TrainingConfig
from training.frozen import FrozenFrame, bads_of
from training.split import OOT, TRAIN, newest_quarter
from training.validation import breakdown, characteristics, loan_book, portfolio, segments, worth
from training.validation.subject import Subject


@dataclass(frozen=True)
class Evidence:
    """Tables of aggregates; the functions that make them describe their columns."""

    subject: Subject
    oot_outcome: FloatArray
    oot_prob: FloatArray
    train_prob: FloatArray
    # SHAP values of the out-of-time rows, shape (rows, features).
    contributions: FloatArray
    grades: tuple[GradeCheck, ...]
    segments: pl.DataFrame
    mix: pl.DataFrame
    sources: pl.DataFrame
    characteristics: pl.DataFrame
    stress: tuple[StressResult, ...]
    # None if they cannot be measured, and the reason.
    claims: Claims | None
    claims_missing: str
    # What the version would make of refused applications; empty if none are known.
    refused: pl.DataFrame
    # Of firms on the book, or of granted loans, which have no roll rates.
    funnel: pl.DataFrame
    vintages: pl.DataFrame
    roll_rates: pl.DataFrame

    @property
    def as_of(self) -> date:
        """The date on which the frame was drawn."""
        return self.subject.frame.as_of


def gather(settings: Settings, subject: Subject, config: TrainingConfig) -> Evidence:
    """Measure a version on its training frame.

    Raises:
        NotReadyError: loan performance or its labels no longer exist.
    """
    frame, model = subject.frame, subject.model
    learnt, oot = frame.part(TRAIN), frame.part(OOT)
    oot_prob, contributions = model.default_prob(oot), model.contributions(oot)
    kinds = segments.label(oot, segments.provinces(settings, oot, frame.as_of))
    funnel, vintages, roll_rates = _book(settings, frame, config)
    terms = ClaimsConfig(
        draws=config.bootstrap_draws, confidence=config.confidence, seed=config.seed
    )
    claims, missing = _claims(settings, subject, terms)
    refused = pl.DataFrame()
    if frame.labels == LOANS:
        refused = loan_book.refused(settings, subject, terms, config)
    return Evidence(
        subject=subject,
        oot_outcome=bads_of(oot),
        oot_prob=oot_prob,
        train_prob=model.default_prob(learnt),
        contributions=contributions,
        grades=calibration_checks.by_grade(bads_of(oot), oot_prob, config.asset_correlation),
        segments=breakdown.by_segment(oot, kinds, oot_prob, config),
        mix=segments.mix(learnt, _night(settings, frame)),
        sources=breakdown.by_source(
            oot, subject.features, model.default_prob, _refit(settings, subject, config), config
        ),
        characteristics=characteristics.table(learnt, oot, subject.features, contributions),
        stress=stress.measure(newest_quarter(oot), subject.features, model.default_prob),
        claims=claims,
        claims_missing=missing,
        refused=refused,
        funnel=funnel,
        vintages=vintages,
        roll_rates=roll_rates,
    )


def _book(
    settings: Settings, frame: FrozenFrame, config: TrainingConfig
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return funnel, vintages and roll rates; outcomes of loans have no months to roll.

    Raises:
        NotReadyError: loan performance, the loans or their labels no longer exist.
    """
    if frame.labels == LOANS:
        return (
            loan_book.funnel(settings, frame, config),
            loan_book.vintages(settings, frame, config),
            pl.DataFrame(),
        )
    with warehouse.connect(settings) as connection:
        return (
            portfolio.funnel(connection, frame.as_of, frame.rows),
            portfolio.without_small(portfolio.vintages(connection, frame.as_of)),
            portfolio.roll_rates(connection, frame.as_of),
        )


def _night(settings: Settings, learnt: FrozenFrame) -> pl.DataFrame:
    """Return the firms of the newest snapshot up to the date of the frame, with what is known."""
    flags = (f"profile_has_{source}" for source in MAIN_SOURCES)
    known = registry.load(settings)
    asked = (*coverage.COVERAGE_FEATURES, *flags)
    names = [n for n in known.names() if n in asked and n in learnt.rows.columns]
    with warehouse.connect(settings) as connection:
        if not warehouse.is_built(connection, SNAPSHOTS.removeprefix("warehouse.")):
            return learnt.rows.clear()
        spine = connection.execute(
            f"select cast(firm_id as varchar) as firm_id, as_of from {SNAPSHOTS} where as_of = "  # noqa: S608 - our own names
            f"(select max(as_of) from {SNAPSHOTS} where as_of <= $as_of) order by firm_id",
            {"as_of": learnt.as_of},
        ).pl()
        found: pl.DataFrame = build_frame(connection, known, spine, names)
    return found


def _refit(settings: Settings, subject: Subject, config: TrainingConfig) -> breakdown.Refit:
    """Return a function that gives PDs with only some features, all else being equal."""
    learnt, oot = subject.frame.part(TRAIN), subject.frame.part(OOT)
    parameters = {**subject.boosting, "iterations": subject.model.tree_count}

    def refit(features: Any) -> FloatArray:
        listed = boosted.candidate_features(tuple(features))
        if subject.model.bundle.linear is not None:
            fitted = logistic.fit_signed(learnt, listed, config.logistic_c)
            return logistic.linear_prob(fitted, oot, listed)
        trees = boosted.fit_trees(learnt, listed, parameters, settings, config.seed)
        raw = boosted.raw_logit(trees, oot, listed, settings)
        return np.asarray(1 / (1 + np.exp(-raw)), dtype=np.float64)

    return refit


def _claims(settings: Settings, subject: Subject, terms: ClaimsConfig) -> tuple[Claims | None, str]:
    """Return the claims, or why there are none; the version is validated either way."""
    try:
        return worth.measure(settings, subject, terms), ""
    except NotReadyError as reason:
        return None, str(reason)
