"""Score all firms of one night with the champion."""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from consent import champion
from consent.ledger import Ledger
from features import registry
from features.registry import FeatureMeta, Registry
from firmpulse import runlog, scale, tracking
from firmpulse.code_version import code_version
from firmpulse.settings import Settings
from firmpulse.stored_tables import (
    MARKS,
    MODEL_VERSIONS,
    REASONS,
    SCORES,
    UNSCORED,
    Table,
    stored,
)
from model import bundle, coverage, reasons
from model.bundle import CreditModel
from scoring import marks, review, standing, store, unscored
from scoring.inputs import assessable, load_model, metas_of, read_firms, set_aside

# Firms scored at once; exact SHAP is fastest in batches of this size.
BATCH_FIRMS = bundle.SHAP_BATCH_ROWS


@dataclass(frozen=True)
class ScoringReport:
    """The results of a night's scoring; without a champion only the message is set."""

    as_of: date
    # Version of the champion, or None.
    champion: str | None
    message: str
    scored: int = 0
    # Reason code → firms.
    unscored: Mapping[str, int] = field(default_factory=dict)
    # Grade → firms, best grade first.
    grades: Mapping[str, int] = field(default_factory=dict)
    # Part of the work → seconds.
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoredBatch:
    """Results of a batch of firms."""

    # One row per firm: the columns of the table scores, but for model name and version.
    scores: pl.DataFrame
    # Up to four rows per firm.
    reasons: pl.DataFrame
    # One row per firm: marks of the features used, without values.
    marks: pl.DataFrame


def score(
    settings: Settings, as_of: date, firm_ids: Collection[str] | None = None
) -> ScoringReport:
    """Score every firm with a snapshot at `as_of`; a second run gives the same rows.

    With `firm_ids`, only those firms; rows of others do not change.

    Raises:
        NotReadyError: no features were built for `as_of`, or the champion needs a feature that
            no longer exists.
        NotPromotedError: MLflow's champion is not the version that was promoted last.
    """
    leads = champion.champion(settings)
    if leads is None:
        return ScoringReport(as_of, None, _next_step(settings, as_of))
    known = registry.load(settings)
    with runlog.step(
        settings, as_of, "score",
        reads=[*known.tables(), standing.TABLE, f"models.{tracking.CREDIT_MODEL}"],
        writes=stored((SCORES, REASONS, UNSCORED, MODEL_VERSIONS, MARKS)),
    ) as step:  # fmt: skip
        report = _score_with(settings, as_of, leads, known, firm_ids)
        step.rows_out = report.scored
    return report


def _score_with(
    settings: Settings,
    as_of: date,
    leads: Any,
    known: Registry,
    firm_ids: Collection[str] | None,
) -> ScoringReport:
    clock = time.perf_counter()
    version = str(leads.version)
    model = load_model(settings, version)
    loaded = time.perf_counter()
    metas = metas_of(known, model)
    granted = assessable(settings, as_of, firm_ids)
    held = set_aside(settings, as_of).join(granted, on="firm_id", how="semi")
    firms = read_firms(settings, as_of, known, model, granted).join(
        held, on="firm_id", how="anti", maintain_order="left"
    )
    read = time.perf_counter()
    enough = firms.filter(pl.col("coverage") != coverage.INSUFFICIENT)
    found = _joined(score_batches(model, metas, enough, as_of))
    stamp = {"model_name": pl.lit(tracking.CREDIT_MODEL), "model_version": pl.lit(version)}
    scores = found.scores.with_columns(**stamp, code_version=pl.lit(code_version()))
    computed = time.perf_counter()
    without_score = _unscored(granted, firms, held, as_of)
    entry = store.model_entry(settings, leads, model)
    night = store.NightlyScores(scores, found.reasons, without_score, entry, found.marks)
    standing_firms = set(Ledger(settings).served(as_of)) - set(granted["firm_id"])
    store.replace(settings, as_of, night, standing_firms, firm_ids)
    grades = Counter(scores["grade"])
    return ScoringReport(
        as_of=as_of,
        champion=version,
        message=_message(version, scores.height, without_score),
        scored=scores.height,
        unscored=dict(sorted(Counter(without_score["reason"]).items())),
        grades={grade: grades[grade] for grade in scale.GRADES if grade in grades},
        seconds={
            "load": loaded - clock,
            "features": read - loaded,
            "score": computed - read,
            "store": time.perf_counter() - computed,
        },
    )


def score_batches(
    model: CreditModel, metas: tuple[FeatureMeta, ...], firms: pl.DataFrame, as_of: date
) -> Iterator[ScoredBatch]:
    """Yield the results batch by batch, so that memory depends on the batch, not the night."""
    for batch in firms.iter_slices(BATCH_FIRMS):
        yield score_firms(model, metas, batch, as_of)


def score_firms(
    model: CreditModel, metas: tuple[FeatureMeta, ...], firms: pl.DataFrame, as_of: date
) -> ScoredBatch:
    """Return scores and reasons; a pure function of the model and the firms' features.

    A firm in default is graded D, not scored: its PD is 1, it has no sub-scores, and its reason
    is the default.

    Args:
        model: the champion.
        metas: the model's features in its order.
        firms: result of `read_firms`, without firms of insufficient coverage.
        as_of: date of the scores.
    """
    default_prob = model.default_prob(firms)
    explained = reasons.Explained(metas, model.contributions(firms))
    parts = reasons.sub_scores(explained)
    names, categorical = model.bundle.features, model.bundle.categorical
    scores = firms.select(
        "firm_id",
        "as_of",
        pl.Series("default_prob", default_prob),
        pl.Series("score", scale.score(default_prob)).cast(pl.Int32),
        pl.Series("grade", scale.grade(default_prob)),
        *(pl.Series(name, values) for name, values in parts.items()),
        "coverage",
        "supplements",
        pl.col(coverage.OBSERVED_MONTHS).cast(pl.Int32).alias("observed_months"),
        pl.col(coverage.SOURCE_COUNT).fill_null(0).cast(pl.Int32).alias("source_count"),
        *review.columns(),
        "grants",
        pl.Series("feature_digest", marks.digests(firms, names, categorical), dtype=pl.String),
        "in_default",
    )
    kept = pl.Series("marks", marks.marks(firms, names, categorical), dtype=pl.Binary)
    in_default = scores.filter("in_default").select("firm_id", "as_of")
    raised = reasons.top_reasons(explained, firms, as_of)
    return ScoredBatch(
        scores=review.graded_d(scores, parts).drop("in_default"),
        reasons=pl.concat(
            [
                raised.join(in_default, on="firm_id", how="anti"),
                review.default_reasons(in_default),
            ],
            how="diagonal_relaxed",
        ),
        marks=firms.select("firm_id", "as_of", kept),
    )


def _joined(batches: Iterator[ScoredBatch]) -> ScoredBatch:
    parts = list(batches)
    if not parts:
        return ScoredBatch(*(_without_rows(table) for table in (SCORES, REASONS, MARKS)))
    return ScoredBatch(
        pl.concat([part.scores for part in parts]),
        pl.concat([part.reasons for part in parts]),
        pl.concat([part.marks for part in parts]),
    )


def _without_rows(table: Table) -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(table.columns, pl.Null))


def _unscored(
    granted: pl.DataFrame, firms: pl.DataFrame, held: pl.DataFrame, as_of: date
) -> pl.DataFrame:
    """Return one row per firm without a score: set aside, too little history, or without rows."""
    short = firms.filter(pl.col("coverage") == coverage.INSUFFICIENT)
    firm_ids = granted.select("firm_id").unique().join(held, on="firm_id", how="anti")
    waiting = firm_ids.join(firms, on="firm_id", how="anti").with_columns(as_of=pl.lit(as_of))
    return pl.concat(
        [
            unscored.quarantined(held.with_columns(as_of=pl.lit(as_of))),
            unscored.insufficient(short),
            unscored.without_rows(waiting),
        ]
    ).sort("firm_id")


def _message(version: str, scored: int, without_score: pl.DataFrame) -> str:
    if scored:
        return f"{scored} firms scored with version {version}"
    if without_score.is_empty():
        return "no firm is scored: none has a grant in force for an assessment"
    return (
        f"no firm is scored; why, for each of the {without_score.height} that granted: "
        f'firmpulse query "from unscored"'
    )


def _next_step(settings: Settings, as_of: date) -> str:
    challenger = tracking.find_version(settings, tracking.CREDIT_MODEL, tracking.CHALLENGER)
    if challenger is None:
        return f"no model is trained yet; run: firmpulse train --as-of {as_of}"
    return (
        f"no model is approved yet; review version {challenger.version} in MLflow, then name who "
        f"is responsible: firmpulse train --as-of {as_of} --approver <name>"
    )
