"""The champion on the same firms, had they been watched for less time or by fewer sources.

Features are built again from the masked rows of the newest months, on copies. So this is what a new
applicant gets, not an estimate from nulls.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from consent import champion
from features import build, history, registry
from firmpulse import scale, warehouse
from firmpulse.errors import ConfigurationError, NotReadyError
from firmpulse.known_at import known_at
from firmpulse.scale import FloatArray
from firmpulse.settings import Settings
from firmpulse.sources import GRANTED_SOURCES
from model import bundle, coverage
from training.claims.coverage import observed_expected
from training.frozen import bads_of
from training.metrics import Interval, measure
from training.narrowed import only_sources
from training.validation import subject

_CONFIDENCE = 0.95
_DATED = f"""
    select cast(firm_id as varchar) as firm_id, outcome
    from warehouse.labels.default_12m
    where as_of = $as_of and outcome in ('good', 'bad') and {known_at("$now")}
"""  # noqa: S608 - our own names
_UNDATED = f"""
    select cast(firm_id as varchar) as firm_id, if(defaulted, 'bad', 'good') as outcome
    from warehouse.labels.undated_outcome
    where {known_at("$now")}
"""  # noqa: S608 - our own names


@dataclass(frozen=True)
class Look:
    """The sample with one length of history; outcomes are those known by now."""

    # None: all that is known.
    months: int | None
    firms: int
    mean_prob: float
    # Share of the firms whose grade is better, and worse, than with all that is known.
    better: float
    worse: float
    # Coverage tier → firms.
    tiers: Mapping[str, int]
    # Firms that defaulted, None if no outcome is known.
    bads: int | None
    # None without both outcomes.
    auc: float | None
    observed_expected: Interval | None


def check(
    settings: Settings,
    as_of: date,
    firms: int,
    months: Sequence[int] = history.MONTHS,
    sources: Sequence[str] = (),
) -> tuple[Look, ...]:
    """Score a sample of firms with all of their history, then with shorter ones.

    If outcomes are known, only firms with one are shown: no firm that is in default already.

    Args:
        settings: home whose masked rows are copied; nothing in it changes.
        as_of: date of the snapshots, and day up to which rows are known.
        firms: size of the sample.
        months: lengths of history, in months up to `as_of`.
        sources: in the shorter looks only these are observed; by default all.

    Raises:
        ConfigurationError: there is no such source.
        NotReadyError: there is no champion, nothing is masked, or no firm has a snapshot.
        NotPromotedError: MLflow's champion is not the version that was promoted last.
    """
    if unknown := sorted(set(sources) - set(GRANTED_SOURCES)):
        raise ConfigurationError(
            f"no source {unknown[0]!r}; use one of {', '.join(GRANTED_SOURCES)}"
        )
    leads = champion.champion(settings)
    if leads is None:
        raise NotReadyError(f"there is no champion; run: firmpulse train --as-of {as_of}")
    model = bundle.load(subject.files_of(settings, str(leads.version)))
    known = registry.load(settings)
    names = list(dict.fromkeys((*model.bundle.features, *coverage.COVERAGE_FEATURES)))
    whole = history.shortened(settings, as_of, firms, None, known, names)
    outcomes = _outcomes(settings, as_of)
    if not outcomes.is_empty():
        whole = whole.join(outcomes, on="firm_id", how="semi", maintain_order="left")
    if whole.is_empty():
        raise NotReadyError(f"no firm of the sample has an outcome after {as_of}; take more firms")
    outcome = whole.select("firm_id").join(
        outcomes, on="firm_id", how="left", maintain_order="left"
    )["outcome"]
    usual = model.default_prob(whole)
    found = [_look(None, whole, usual, usual, outcome)]
    for length in months:
        short = history.shortened(settings, as_of, firms, length, known, names)
        # A firm without a row in these months has no snapshot: nothing is observed of it.
        rows = whole.select("firm_id").join(short, on="firm_id", how="left", maintain_order="left")
        if sources:
            rows = only_sources(rows, known.features, sources)
        found.append(_look(length, rows, model.default_prob(rows), usual, outcome))
    return tuple(found)


def _outcomes(settings: Settings, as_of: date) -> pl.DataFrame:
    """Return firm_id and outcome, good or bad: within 12 months of `as_of`, else undated."""
    now, found = build.newest_night(settings), pl.DataFrame()
    with warehouse.connect(settings) as connection:
        if warehouse.is_built(connection, "labels.default_12m"):
            found = connection.execute(_DATED, {"as_of": as_of, "now": now}).pl()
        if found.is_empty() and warehouse.is_built(connection, "labels.undated_outcome"):
            found = connection.execute(_UNDATED, {"now": now}).pl()
    if found.is_empty():
        return pl.DataFrame(schema={"firm_id": pl.String, "outcome": pl.String})
    return found


def _look(
    months: int | None,
    rows: pl.DataFrame,
    prob: FloatArray,
    usual: FloatArray,
    outcome: pl.Series,
) -> Look:
    ladder = {name: place for place, name in enumerate(scale.GRADE_UPPER_PD)}
    moved = np.array([ladder[g] for g in scale.grade(prob)])
    moved -= np.array([ladder[g] for g in scale.grade(usual)])
    bads = bads_of(pl.DataFrame({"outcome": outcome}))
    is_measured = outcome.null_count() == 0 and 0 < bads.sum() < len(bads)
    level = observed_expected(np.arange(len(bads)), bads, prob, _CONFIDENCE)
    return Look(
        months=months,
        firms=rows.height,
        mean_prob=float(prob.mean()),
        better=float((moved < 0).mean()),
        worse=float((moved > 0).mean()),
        tiers=Counter(rows.select(coverage.tier()).to_series().to_list()),
        bads=int(bads.sum()) if outcome.null_count() == 0 else None,
        auc=measure(bads, prob)["auc"] if is_measured else None,
        observed_expected=level if is_measured else None,
    )
