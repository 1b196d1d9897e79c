"""The input of the rules: values of each watched firm, now and at earlier month ends."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import polars as pl

from expectations import quarantine
from features.frame import frame
from features.permitted import withhold
from features.registry import Registry
from firmpulse import scale, warehouse
from firmpulse.bounds import FEWEST_MONTHS
from firmpulse.calendar import add_months, last_complete_month, month_end
from firmpulse.settings import Settings
from model import coverage
from model.bundle import CreditModel
from scoring.warnings import measures, staleness
from scoring.warnings.rules import RuleBook

INDUSTRY = "industry"
_INDUSTRY_FEATURE = "profile_industry"
# Largest age of a firm's snapshot for tonight: one event does not rebuild all firms' features.
_SNAPSHOT_DAYS = 7


@dataclass(frozen=True)
class Panel:
    """Values of firms at a date."""

    as_of: date
    # One row per firm: firm_id, industry, province, measures, and `<value>@<lag>`, Float64, for
    # each value and month end that a rule reads.
    rows: pl.DataFrame
    # One row per firm and overdue source, as `staleness.stale` returns them.
    stale: pl.DataFrame


def read(
    settings: Settings,
    as_of: date,
    known: Registry,
    book: RuleBook,
    granted: pl.DataFrame,
    model: CreditModel | None = None,
    firm_ids: Collection[str] | None = None,
) -> Panel:
    """Return the values for the rules, as known at the time.

    Lag 0 is `as_of`; lag k is the month end k months before the newest month that was complete.
    PDs at other dates come from the same model, so that only a change of the firm changes them.
    Present features of a firm that a check has set aside are null.

    Args:
        settings: home folder.
        as_of: date of the warnings.
        known: definitions of the features.
        book: the rules.
        granted: firm_id and source of the grants in force; all their firms are watched, and values
            from other sources are null.
        model: gives the PDs; without one they are null.
        firm_ids: firms whose history is read; of others only the present values, for peers.

    Raises:
        NotReadyError: there are no features for `as_of`.
    """
    firms = granted.select("firm_id").unique().sort("firm_id")
    wanted = wanted_features(book, model)
    with warehouse.connect(settings) as connection:
        measures.require(connection, "features.firm_snapshots", as_of)
        rows = measures.read(connection, as_of, firms, granted)
        stale = staleness.stale(connection, as_of, book.freshness, granted)
        snapshots = {
            lag: _snapshot(connection, known, names, firms, as_of, lag, firm_ids)
            for lag, names in wanted.items()
        }
        held = quarantine.held(connection, as_of)
    snapshots[0] = snapshots[0].join(held, on="firm_id", how="anti", maintain_order="left")
    for lag, snapshot in snapshots.items():
        rows = rows.join(
            _values(withhold(snapshot, known.features, granted), book, model, lag),
            on="firm_id", how="left", maintain_order="left",
        )  # fmt: skip
    now = [name for name in measures.MEASURES if name in rows.columns]
    return Panel(as_of, rows.rename({name: f"{name}@0" for name in now}), stale)


def day_of(as_of: date, lag: int) -> date:
    """Return the date of a lag."""
    if lag == 0:
        return as_of
    return month_end(add_months(last_complete_month(as_of), -lag))


def wanted_features(book: RuleBook, model: CreditModel | None) -> dict[int, list[str]]:
    """Return lag → names of the features that rules or the model read there."""
    wanted: dict[int, dict[str, None]] = {0: {_INDUSTRY_FEATURE: None}}
    for name, lags in book.lags(of_model=False).items():
        if name not in measures.MEASURES:
            for lag in lags:
                wanted.setdefault(lag, {})[name] = None
    if model is not None:
        read = (*model.bundle.features, coverage.OBSERVED_MONTHS)
        for lag in frozenset().union(*book.lags(of_model=True).values()):
            wanted.setdefault(lag, {}).update(dict.fromkeys(read))
    return {lag: list(names) for lag, names in sorted(wanted.items())}


def _snapshot(
    connection: duckdb.DuckDBPyConnection,
    known: Registry,
    names: Iterable[str],
    firms: pl.DataFrame,
    as_of: date,
    lag: int,
    firm_ids: Collection[str] | None,
) -> pl.DataFrame:
    spine = firms
    if lag and firm_ids is not None:
        spine = firms.filter(pl.col("firm_id").is_in(list(firm_ids)))
    # An older snapshot is for another month, so a month end has its own or none.
    found: pl.DataFrame = frame(
        connection,
        known,
        spine.with_columns(as_of=pl.lit(day_of(as_of, lag))),
        list(names),
        max_age_days=0 if lag else _SNAPSHOT_DAYS,
    )
    return found


def _values(
    snapshot: pl.DataFrame, book: RuleBook, model: CreditModel | None, lag: int
) -> pl.DataFrame:
    """Return firm_id and the values for rules at this lag, under their column names."""
    read = {
        name: lags
        for of_model in (False, True)
        for name, lags in book.lags(of_model).items()
        if lag in lags
    }
    found = snapshot
    if read.keys() & _OF_MODEL.keys():
        found = found.with_columns(_model_values(snapshot, model))
    columns = [pl.col(name).alias(f"{name}@{lag}") for name in read if name in found.columns]
    industry = [pl.col(_INDUSTRY_FEATURE).alias(INDUSTRY)] if lag == 0 else []
    return found.select("firm_id", *industry, *columns)


def _model_values(snapshot: pl.DataFrame, model: CreditModel | None) -> list[pl.Series]:
    """Return PD and rank of the grade (AAA 1), null for firms with too little history."""
    if model is None or snapshot.is_empty():
        empty = np.full(snapshot.height, np.nan)
        return [pl.Series(name, empty).fill_nan(None) for name in _OF_MODEL]
    months = snapshot[coverage.OBSERVED_MONTHS].fill_null(0).to_numpy()
    enough = months >= FEWEST_MONTHS
    prob = model.default_prob(snapshot)
    given = {"default_prob": prob, "grade_rank": _ranks(prob)}
    return [
        pl.Series(name, np.where(enough, values, np.nan)).fill_nan(None)
        for name, values in given.items()
    ]


_OF_MODEL: Mapping[str, measures.Measure] = {
    name: measure for name, measure in measures.MEASURES.items() if measure.of_model
}


def _ranks(prob: scale.FloatArray) -> scale.FloatArray:
    places = {grade: place for place, grade in enumerate(scale.GRADES, start=1)}
    return np.array([places[str(grade)] for grade in scale.grade(prob)], dtype=np.float64)
