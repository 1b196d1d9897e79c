"""Scores of a past night with later knowledge about it: which firms would move.

The night is built and scored a second time in a scratch home. There, rows that became known later
count as known: corrections of rows that the night had, and late rows about days up to it. The
warehouse and the published scores do not change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from consent import champion
from features import build, registry, scratch
from firmpulse import scale, warehouse
from firmpulse.errors import NotReadyError
from firmpulse.known_at import known_by
from firmpulse.settings import Settings
from model import bundle, coverage
from scoring import inputs

_NIGHTS = "select max(as_of) from warehouse.ops.nights where as_of <= $since"

# A correction replaces a row known in that night; a late row is about a day up to it.
_LATER = """
    available_at > date '{night}' and (
        {late}
        or row_id in (
            select row_id from {table} where {known}
        )
    )
"""
_ROWS = """
    select * replace (least(available_at, date '{night}') as available_at)
    from {table}
    where {known} or ({later})
"""


@dataclass(frozen=True)
class RestatedReport:
    """Scores of a night, as known then and as known now; one model version."""

    night: date
    model_version: str
    # Masked table → rows about the night that became known after it.
    later_rows: Mapping[str, int]
    scored: int
    # One row per firm whose features moved: firm_id, features_moved, grade_before, grade_after,
    # notches (above 0: a worse grade), score_before, score_after, prob_before, prob_after.
    moved: pl.DataFrame


def restated(settings: Settings, since: date) -> RestatedReport:
    """Score the newest night up to `since` again with what became known about it later.

    Raises:
        NotReadyError: no night was built by then, or no model is approved.
        BuildFailed: a model or one of its tests failed on the copy.
    """
    leads = champion.champion(settings)
    if leads is None:
        raise NotReadyError("no model is approved, so no scores can move")
    night = _night(settings, since)
    model = inputs.load_model(settings, str(leads.version))
    known = registry.load(settings)
    granted = inputs.assessable(settings, build.newest_night(settings))
    with scratch.home(settings, "restated") as other:
        later_rows = _fill(settings, other, night)
        build.build(other, night, "facts")
        build.build(other, night, "features", only=(night, night))
        before = inputs.read_firms(settings, night, known, model, granted)
        after = inputs.read_firms(other, night, known, model, granted)
    moved = _moved(model, before, after)
    return RestatedReport(night, str(leads.version), later_rows, before.height, moved)


def _night(settings: Settings, since: date) -> date:
    build.newest_night(settings)
    with warehouse.connect(settings) as connection:
        (night,) = connection.execute(_NIGHTS, {"since": since}).fetchall()[0]
    if night is None:
        raise NotReadyError(f"no night was built by {since}; choose a later day")
    found: date = night
    return found


def _fill(settings: Settings, other: Settings, night: date) -> dict[str, int]:
    """Copy the masked rows as if known on `night`; return the later rows per table."""
    days = registry.days_of_staging(settings)
    known = known_by(f"date '{night}'")

    def later(source: str) -> str:
        day = days.get(source.rpartition(".")[2].strip('"'))
        late = f"{day} <= date '{night}'" if day else "false"
        return _LATER.format(table=source, night=night, known=known, late=late)

    with scratch.beside(settings, other) as connection:
        scratch.fill(
            connection,
            lambda source: _ROWS.format(
                table=source, night=night, known=known, later=later(source)
            ),
        )
        counts = {}
        for table in scratch.staging_tables(connection):
            source = f'warehouse.staging."{table}"'
            query = f"select count(*) from {source} where {later(source)}"  # noqa: S608 - ours
            (counts[table],) = connection.execute(query).fetchall()[0]
    return {table: count for table, count in counts.items() if count}


def _moved(model: bundle.CreditModel, before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    names = model.bundle.features
    both = before.join(after, on="firm_id", suffix=" now", maintain_order="left")
    both = both.with_columns(
        pl.sum_horizontal(
            pl.col(name).ne_missing(pl.col(f"{name} now")).cast(pl.Int32) for name in names
        ).alias("features_moved")
    ).filter(
        (pl.col("features_moved") > 0)
        & (pl.col("coverage") != coverage.INSUFFICIENT)
        & (pl.col("coverage now") != coverage.INSUFFICIENT)
    )
    then = model.default_prob(both.select(names))
    now = model.default_prob(both.select(pl.col(f"{name} now").alias(name) for name in names))
    order = np.array(list(scale.GRADE_UPPER_PD))
    grades = scale.grade(then), scale.grade(now)
    places = [np.argmax(found[:, None] == order, axis=1) for found in grades]
    return both.select("firm_id", "features_moved").with_columns(
        grade_before=pl.Series(grades[0]),
        grade_after=pl.Series(grades[1]),
        notches=pl.Series(places[1] - places[0]),
        score_before=pl.Series(scale.score(then)),
        score_after=pl.Series(scale.score(now)),
        prob_before=pl.Series(then),
        prob_after=pl.Series(now),
    )
