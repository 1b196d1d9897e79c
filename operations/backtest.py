"""Back-test of the warnings: rules, model and statements on past months.

Every month end is evaluated with what was known then. All three alert the same share of the firms;
an episode is a hit if the firm defaults within the horizon, and not too soon to act on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from consent.grants import TRAINING
from consent.ledger import Ledger
from features import registry
from features.frame import SNAPSHOTS, frame
from features.permitted import withhold
from features.registry import Registry
from firmpulse import tracking, warehouse
from firmpulse.bounds import DEFAULT_DAYS
from firmpulse.calendar import add_months, month_end
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from scoring.warnings import engine, levels, panel, rules
from scoring.warnings.forms import LEVELS
from scoring.warnings.rules import DATA_STALE, RuleBook
from training import versions
from training.claims import alerts
from training.claims.alerts import AlertTerms
from training.claims.comparison import Comparison, redrawn
from training.claims.measure import DEFAULT as CLAIMS
from training.claims.measure import WARNINGS
from training.config import DEFAULT
from training.metrics import Interval
from training.split import OOT
from training.validation import portfolio, subject
from training.validation.subject import Subject

RULES, MODEL, STATEMENTS = "rules", "model", "statements"
# A rule may look back a year; earlier it could not be evaluated.
_HISTORY_MONTHS = 12
# Severity orders by level first; no firm breaks this many rules.
_MOST_RULES = 1_000


@dataclass(frozen=True)
class Measured:
    """The three rankings on the same month ends, and the value of each level and rule."""

    title: str
    days: tuple[date, ...]
    rows: int
    firms: int
    # Defaults within the horizon of a month end.
    defaults: int
    # Measure → ranking → value with its interval.
    values: Mapping[str, Mapping[str, Interval]]
    # Measure → ranking → comparison with the statements.
    against_statements: Mapping[str, Mapping[str, Comparison]]
    # One row per level or rule: name, rows, row_share, defaults, default_rate, lift, lead_days.
    by_level: pl.DataFrame
    by_rule: pl.DataFrame


@dataclass(frozen=True)
class BackTest:
    """The back-test of the rules in force."""

    version: str
    # Origin of the data.
    origin: str
    terms: AlertTerms
    out_of_time: Measured
    # Rules that do not read the model; it has seen the outcomes of earlier months.
    history: Measured


def run(
    settings: Settings,
    version: str = tracking.CHAMPION,
    *,
    alert_rate: float = 0.05,
    draws: int = 500,
) -> BackTest:
    """Return the back-test of the rules in force with a version of the model.

    Raises:
        NotReadyError: there is no such version, no scorecard on statements of the same frame, or no
            month end whose outcomes are known.
    """
    terms = AlertTerms(alert_rate, CLAIMS.horizon_days, CLAIMS.min_lead_days, CLAIMS.long_lead_days)
    known = registry.load(settings)
    book = rules.load(settings, known)
    found = versions.get(settings, version)
    read = subject.read(settings, versions.trained_as_of(found), found.version, DEFAULT)
    as_of = read.frame.as_of
    granted = Ledger(settings).live(as_of, purposes=[TRAINING], recipient=settings.recipient)
    days = _days(settings, as_of, terms.horizon_days)
    seen = [_month(settings, day, known, book, granted, read) for day in days]
    rows = _with_outcomes(settings, as_of, pl.concat([month for month, _ in seen]))
    findings = pl.concat([found for _, found in seen])
    first = read.frame.part(OOT)["as_of"].min()
    later = pl.col("as_of") >= first
    return BackTest(
        version=found.version,
        origin=read.frame.origin,
        terms=terms,
        out_of_time=_measure("out of time", rows.filter(later), findings.filter(later), terms,
                             draws),
        history=_measure("all month ends, without the rules on the model", rows,
                         findings.filter(pl.col("source") != "model"), terms, draws),
    )  # fmt: skip


def _days(settings: Settings, as_of: date, horizon_days: int) -> list[date]:
    """Return the month ends with a year of history before and a known horizon after them."""
    with warehouse.connect(settings) as connection:
        found = [
            day
            for (day,) in connection.execute(
                f"select distinct as_of from {SNAPSHOTS} order by as_of"  # noqa: S608 - constant
            ).fetchall()
            if day == month_end(day)
        ]
    last = as_of - timedelta(days=horizon_days)
    days = [day for day in found if add_months(found[0], _HISTORY_MONTHS) <= day <= last]
    if not days:
        raise NotReadyError(
            f"no month end has {_HISTORY_MONTHS} months of history before it and "
            f"{horizon_days} days of outcomes after it by {as_of}; land more history"
        )
    return days


def _month(
    settings: Settings,
    day: date,
    known: Registry,
    book: RuleBook,
    granted: pl.DataFrame,
    read: Subject,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a row per firm on the book with both PDs, and the rules that hold on a day."""
    seen = panel.read(settings, day, known, book, granted, read.model)
    findings = engine.find(seen, book)
    past_due = pl.col("days_past_due@0")
    watched = seen.rows.filter(past_due < DEFAULT_DAYS).select(
        "firm_id", pl.lit(day).alias("as_of"), pl.col("default_prob@0").alias(MODEL)
    )
    with warehouse.connect(settings) as connection:
        values = frame(connection, known, watched, list(read.statements.features))
    values = withhold(values, known.features, granted)
    prob = read.statements.default_prob(values)
    rows = watched.with_columns(pl.Series(STATEMENTS, prob))
    kept = findings.select("firm_id", "as_of", "rule_id", "level", "source").filter(
        pl.col("rule_id") != DATA_STALE
    )
    return rows, kept.join(rows, on=["firm_id", "as_of"], how="semi")


def _with_outcomes(settings: Settings, as_of: date, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of firms that have not defaulted yet, with `defaulted_on` if they will."""
    with warehouse.connect(settings) as connection:
        defaults = portfolio.default_dates(connection, as_of)
    dated = rows.join(defaults, on="firm_id", how="left", maintain_order="left")
    return dated.filter(
        pl.col("defaulted_on").is_null() | (pl.col("defaulted_on") > pl.col("as_of"))
    )


def _measure(
    title: str, rows: pl.DataFrame, findings: pl.DataFrame, terms: AlertTerms, draws: int
) -> Measured:
    ranked = _severity(rows, findings)
    firms = np.unique(ranked["firm_id"].to_numpy(), return_inverse=True)[1]
    watched = alerts.watch(
        firms,
        ranked["as_of"].to_numpy(),
        ranked["defaulted_on"].to_numpy(),
        {name: ranked[name].fill_null(np.nan).to_numpy() for name in (RULES, MODEL, STATEMENTS)},
        terms,
    )
    found = redrawn(
        lambda weights: alerts.weighted(watched, weights),
        firms, draws=draws, confidence=CLAIMS.confidence, seed=CLAIMS.seed,
    )  # fmt: skip
    return Measured(
        title=title,
        days=tuple(ranked["as_of"].unique().sort()),
        rows=ranked.height,
        firms=int(firms.max()) + 1,
        defaults=len(watched.default_rows),
        values={
            measure: {
                name: found.interval(f"{name}_{measure}") for name in (RULES, MODEL, STATEMENTS)
            }
            for measure in WARNINGS
        },
        against_statements={
            measure: {
                name: found.compare(f"{STATEMENTS}_{measure}", f"{name}_{measure}")
                for name in (RULES, MODEL)
            }
            for measure in WARNINGS
        },
        by_level=_by_level(ranked, terms),
        by_rule=_by_rule(ranked, findings, terms),
    )


def _severity(rows: pl.DataFrame, findings: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with their found level, and a number that orders by level, then rules."""
    parts = []
    for (day,), here in rows.group_by("as_of", maintain_order=True):
        found = levels.aggregate(findings.filter(pl.col("as_of") == day), here)
        parts.append(here.join(found, on="firm_id", how="left", maintain_order="left"))
    place = pl.col("found_level").replace_strict(list(LEVELS), range(len(LEVELS)))
    held = pl.sum_horizontal(LEVELS[1:])
    return pl.concat(parts).with_columns(
        ((place + held / _MOST_RULES) / len(LEVELS)).cast(pl.Float64).alias(RULES)
    )


def _by_level(rows: pl.DataFrame, terms: AlertTerms) -> pl.DataFrame:
    order = pl.col("name").replace_strict(list(LEVELS), range(len(LEVELS)))
    named = rows.with_columns(name=pl.col("found_level"))
    return _worth(named, rows, terms).sort(order, descending=True)


def _by_rule(rows: pl.DataFrame, findings: pl.DataFrame, terms: AlertTerms) -> pl.DataFrame:
    named = findings.rename({"rule_id": "name"}).join(
        rows.select("firm_id", "as_of", "defaulted_on"), on=["firm_id", "as_of"]
    )
    return _worth(named, rows, terms).sort("lift", "name", descending=[True, False])


def _worth(named: pl.DataFrame, rows: pl.DataFrame, terms: AlertTerms) -> pl.DataFrame:
    """Return by name how many rows default within the horizon, in time to act on it."""
    lead = (pl.col("defaulted_on") - pl.col("as_of")).dt.total_days()
    hit = lead.is_between(terms.min_lead_days, terms.horizon_days).fill_null(value=False)
    base = rows.select(hit.mean()).item()
    return (
        named.group_by("name")
        .agg(
            pl.len().alias("rows"),
            (pl.len() / rows.height).alias("row_share"),
            hit.sum().alias("defaults"),
            hit.mean().alias("default_rate"),
            lead.filter(hit).median().alias("lead_days"),
        )
        .with_columns(lift=pl.col("default_rate") / base if base else pl.lit(None, pl.Float64))
        .select("name", "rows", "row_share", "defaults", "default_rate", "lift", "lead_days")
    )
