"""All that a validator is shown of one model version, computed from its frozen frame."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from features.registry import FeatureMeta
from firmpulse import warehouse
from firmpulse.bundle import CreditModel
from firmpulse.scale import FloatArray
from firmpulse.settings import Settings
from training import boosted, calibration_checks
from training.calibration_checks import GradeCheck
from training.claims import measure as claims
from training.claims.measure import Claims, ClaimsConfig
from training.claims.rows import ClaimRows
from training.config import TrainingConfig
from training.frozen import FrozenFrame, bads_of
from training.scorecard import Scorecard
from training.split import OOT, TRAIN
from training.validation import breakdown, characteristics, portfolio, segments, stress
from training.validation.stress import StressResult


@dataclass(frozen=True)
class Subject:
    """A version with what it is held against, and the frame all were fitted on."""

    version: str
    run_id: str
    model: CreditModel
    # The features it reads, in its order.
    features: tuple[FeatureMeta, ...]
    # Parameters of its trees.
    boosting: Mapping[str, float | int | str]
    statements: Scorecard
    frame: FrozenFrame


@dataclass(frozen=True)
class Evidence:
    """Tables of aggregates; their columns stand at the functions that make them."""

    subject: Subject
    oot_outcome: FloatArray
    oot_prob: FloatArray
    train_prob: FloatArray
    # SHAP values of the out-of-time rows, shape (rows, features).
    contributions: FloatArray
    grades: tuple[GradeCheck, ...]
    segments: pl.DataFrame
    sources: pl.DataFrame
    characteristics: pl.DataFrame
    stress: tuple[StressResult, ...]
    claims: Claims
    funnel: pl.DataFrame
    vintages: pl.DataFrame
    roll_rates: pl.DataFrame

    @property
    def as_of(self) -> date:
        """The date that the frame was drawn on."""
        return self.subject.frame.as_of


def gather(settings: Settings, subject: Subject, config: TrainingConfig) -> Evidence:
    """Measure a version on the frame that it was fitted on.

    Raises:
        NotReadyError: loan performance or its labels are gone since the frame was drawn.
    """
    frame, model = subject.frame, subject.model
    learnt, oot = frame.part(TRAIN), frame.part(OOT)
    oot_prob, contributions = model.default_prob(oot), model.contributions(oot)
    kinds = segments.label(oot, segments.provinces(settings, oot))
    with warehouse.connect(settings) as connection:
        funnel = portfolio.funnel(connection, frame.as_of, frame.rows)
        vintages = portfolio.vintages(connection, frame.as_of)
        roll_rates = portfolio.roll_rates(connection, frame.as_of)
        defaults = portfolio.default_dates(connection, frame.as_of)
    newest = oot.filter(pl.col("as_of") == pl.col("as_of").max())
    return Evidence(
        subject=subject,
        oot_outcome=bads_of(oot),
        oot_prob=oot_prob,
        train_prob=model.default_prob(learnt),
        contributions=contributions,
        grades=calibration_checks.by_grade(bads_of(oot), oot_prob, config.asset_correlation),
        segments=breakdown.by_segment(oot, kinds, oot_prob, config),
        sources=breakdown.by_source(
            oot, subject.features, model.default_prob, _refit(settings, subject, config), config
        ),
        characteristics=characteristics.table(learnt, oot, subject.features, contributions),
        stress=stress.measure(newest, subject.features, model.default_prob),
        claims=_claims(oot, oot_prob, subject.statements, kinds, defaults, config),
        funnel=funnel,
        vintages=vintages,
        roll_rates=roll_rates,
    )


def _refit(settings: Settings, subject: Subject, config: TrainingConfig) -> breakdown.Refit:
    """Return how PDs come about when only some features may be read, all else being equal."""
    learnt, oot = subject.frame.part(TRAIN), subject.frame.part(OOT)
    parameters = {**subject.boosting, "iterations": subject.model.trees.tree_count_}

    def refit(features: Any) -> FloatArray:
        listed = boosted.candidate_features(tuple(features))
        trees = boosted.fit_trees(learnt, listed, parameters, settings, config.seed)
        raw = boosted.raw_logit(trees, oot, listed, settings)
        return np.asarray(1 / (1 + np.exp(-raw)), dtype=np.float64)

    return refit


def _claims(
    oot: pl.DataFrame,
    oot_prob: FloatArray,
    statements: Scorecard,
    kinds: pl.DataFrame,
    defaults: pl.DataFrame,
    config: TrainingConfig,
) -> Claims:
    dated = oot.select("firm_id", "as_of").join(
        defaults, on="firm_id", how="left", maintain_order="left"
    )
    # A default that was corrected away later may stand before the snapshot.
    later = dated.select(
        pl.when(pl.col("defaulted_on") > pl.col("as_of")).then("defaulted_on")
    ).to_series()
    rows = ClaimRows(
        firm_ids=oot["firm_id"].to_numpy(),
        snapshot_dates=oot["as_of"].to_numpy(),
        outcome=bads_of(oot),
        baseline_prob=statements.default_prob(oot),
        candidate_prob=oot_prob,
        default_dates=later.to_numpy(),
        firm_types=segments.types_of(kinds).to_numpy(),
    )
    terms = ClaimsConfig(draws=config.bootstrap_draws, confidence=config.confidence)
    return claims.measure(rows, terms)
