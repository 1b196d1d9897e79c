"""Score all firms of one night with the champion."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from consent.grants import ASSESSMENT
from consent.ledger import Ledger
from features import coverage, reasons, registry
from features.frame import SNAPSHOTS, frame
from features.permitted import withhold
from features.registry import FeatureMeta, Registry
from firmpulse import bundle, digests, runlog, scale, tracking, warehouse
from firmpulse.bundle import CreditModel
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from scoring import store, unscored


@dataclass(frozen=True)
class ScoringReport:
    """What a night's scoring gave; without a champion only the message says something."""

    as_of: date
    # Version of the champion, None when there is none.
    champion: str | None
    message: str
    scored: int = 0
    # Reason code → firms.
    unscored: Mapping[str, int] = field(default_factory=dict)
    # Grade → firms, best grade first.
    grades: Mapping[str, int] = field(default_factory=dict)
    feature_digest: str | None = None
    # Part of the work → seconds.
    seconds: Mapping[str, float] = field(default_factory=dict)


def score(settings: Settings, as_of: date) -> ScoringReport:
    """Score every firm that has a snapshot at `as_of`; a second run gives the same rows.

    Raises:
        NotReadyError: no features were built for `as_of`, or the champion needs a feature that
            no longer exists.
    """
    champion = tracking.find_version(settings, tracking.CREDIT_MODEL, tracking.CHAMPION)
    if champion is None:
        return ScoringReport(as_of, None, _next_step(settings, as_of))
    with runlog.step(settings, as_of, "score") as step:
        report = _score_with(settings, as_of, champion)
        step.rows_out = report.scored
    return report


def _score_with(settings: Settings, as_of: date, champion: Any) -> ScoringReport:
    clock = time.perf_counter()
    folder = tracking.model_folder(settings, tracking.CREDIT_MODEL, champion.version)
    model = bundle.load(folder / "artifacts" / "bundle")
    loaded = time.perf_counter()
    known = registry.load(settings)
    metas = _metas(known, model)
    granted = assessable(settings, as_of)
    firms = read_firms(settings, as_of, known, model, granted)
    digest = digests.of_rows(firms)
    read = time.perf_counter()
    scores, why = score_firms(
        model, metas, firms.filter(pl.col("coverage") != coverage.INSUFFICIENT), as_of
    )
    computed = time.perf_counter()
    without_score = _unscored(granted, firms, as_of)
    stamped = scores.with_columns(
        model_name=pl.lit(tracking.CREDIT_MODEL),
        model_version=pl.lit(str(champion.version)),
        feature_digest=pl.lit(digest),
    )
    entry = store.model_entry(settings, champion, model)
    standing = set(Ledger(settings).served(as_of)) - set(granted["firm_id"])
    store.replace(settings, as_of, store.Night(stamped, why, without_score, entry), standing)
    grades = Counter(scores["grade"])
    return ScoringReport(
        as_of=as_of,
        champion=str(champion.version),
        message=f"{scores.height} firms scored with version {champion.version}",
        scored=scores.height,
        unscored=dict(sorted(Counter(without_score["reason"]).items())),
        grades={grade: grades[grade] for grade in scale.GRADE_UPPER_PD if grade in grades},
        feature_digest=digest,
        seconds={
            "load": loaded - clock,
            "features": read - loaded,
            "score": computed - read,
            "store": time.perf_counter() - computed,
        },
    )


def score_firms(
    model: CreditModel, metas: tuple[FeatureMeta, ...], firms: pl.DataFrame, as_of: date
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return scores and reasons; a pure function of the model and the firms' features.

    Args:
        model: the champion.
        metas: the model's features in its order.
        firms: firm_id, as_of, coverage, its two features and the model's features.
        as_of: date of the scores.
    """
    default_prob = model.default_prob(firms)
    explained = reasons.Explained(metas, model.contributions(firms))
    scores = firms.select(
        "firm_id",
        "as_of",
        pl.Series("default_prob", default_prob),
        pl.Series("score", scale.score(default_prob)).cast(pl.Int32),
        pl.Series("grade", scale.grade(default_prob)),
        *(pl.Series(name, values) for name, values in reasons.sub_scores(explained).items()),
        "coverage",
        pl.col(coverage.OBSERVED_MONTHS).cast(pl.Int32).alias("observed_months"),
        pl.col(coverage.SOURCE_COUNT).fill_null(0).cast(pl.Int32).alias("source_count"),
    )
    return scores, reasons.top_reasons(explained, firms, as_of)


def assessable(settings: Settings, as_of: date) -> pl.DataFrame:
    """Return the grants in force that let this recipient assess a firm, one row a grant."""
    return Ledger(settings).live(as_of, purposes=ASSESSMENT, recipient=settings.recipient)


def read_firms(
    settings: Settings, as_of: date, known: Registry, model: CreditModel, granted: pl.DataFrame
) -> pl.DataFrame:
    """Return one row a firm with a grant and a snapshot at `as_of`: keys, features, coverage.

    Args:
        settings: home folder.
        as_of: date of the scores.
        known: definitions of the features.
        model: the champion, whose features are read.
        granted: firm_id and source of the grants that allow an assessment; what rests on another
            source is null.

    Raises:
        NotReadyError: no firm has a snapshot at `as_of`.
    """
    names = dict.fromkeys((*model.bundle.features, coverage.OBSERVED_MONTHS, coverage.SOURCE_COUNT))
    with warehouse.connect(settings) as connection:
        spine = connection.execute(
            f"select cast(firm_id as varchar) as firm_id, as_of from {SNAPSHOTS} "  # noqa: S608 - constant
            f"where as_of = ? order by firm_id",
            [as_of],
        ).pl()
        if spine.is_empty():
            raise NotReadyError(
                f"no feature snapshots for {as_of}; run: firmpulse night --as-of {as_of}"
            )
        permitted = spine.join(granted, on="firm_id", how="semi", maintain_order="left")
        rows = frame(connection, known, permitted, list(names))
    sources = granted.group_by("firm_id").agg(pl.col("source").n_unique().alias("granted"))
    fewer = pl.min_horizontal(coverage.SOURCE_COUNT, pl.col("granted").cast(pl.Float64))
    return (
        withhold(rows, known.features, granted)
        .join(sources, on="firm_id", maintain_order="left")
        .with_columns(fewer.alias(coverage.SOURCE_COUNT))
        .drop("granted")
        .with_columns(coverage.tier())
    )


def _metas(known: Registry, model: CreditModel) -> tuple[FeatureMeta, ...]:
    by_name = {feature.name: feature for feature in known.features}
    gone = [name for name in model.bundle.features if name not in by_name]
    if gone:
        raise NotReadyError(
            f"the champion reads {len(gone)} features that no longer exist (first: {gone[0]}); "
            f"train and promote a new version"
        )
    return tuple(by_name[name] for name in model.bundle.features)


def _unscored(granted: pl.DataFrame, firms: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return one row a firm without a score: too little history, or granted and no rows."""
    short = firms.filter(pl.col("coverage") == coverage.INSUFFICIENT)
    firm_ids = granted.select("firm_id").unique()
    waiting = firm_ids.join(firms, on="firm_id", how="anti").with_columns(as_of=pl.lit(as_of))
    return pl.concat([unscored.insufficient(short), unscored.without_rows(waiting)]).sort("firm_id")


def _next_step(settings: Settings, as_of: date) -> str:
    challenger = tracking.find_version(settings, tracking.CREDIT_MODEL, tracking.CHALLENGER)
    if challenger is None:
        return f"no model is trained yet; run: firmpulse train --as-of {as_of}"
    return (
        f"no model is approved yet; look at version {challenger.version} in MLflow, then name who "
        f"answers for it: firmpulse train --as-of {as_of} --approver <name>"
    )
