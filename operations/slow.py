"""The slowest steps and models of a night, next to their usual seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from firmpulse import runlog
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from operations import record
from operations.nights import DAG

# Seconds are usual if they are the median of this many nights before.
_NIGHTS_BEFORE = 14
_NONE = "no night has run yet; run one first: firmpulse night"

# The last run of each step counts; a model that was built in slices has several rows.
_TIMINGS = """
    with nights as (
        select distinct as_of from warehouse.ops.steps
        where dag = $dag and as_of <= $night
        order by as_of desc
        limit $nights
    ),
    runs as (
        select
            as_of, step, part, max(started_at) as started_at,
            max_by(state, started_at) = $success as went_well,
            max_by(seconds, started_at) as seconds
        from warehouse.ops.steps semi join nights using (as_of)
        where dag = $dag
        group by as_of, step, part
    ),
    timed as (
        select
            as_of, 'step' as kind, trim(step || ' ' || part) as name, seconds, went_well
        from runs
        union all
        select
            as_of, 'model' as kind, node as name, sum(nodes.seconds) as seconds,
            bool_and(status not in ('error', 'skipped')) as went_well
        from warehouse.ops.nodes as nodes semi join runs using (as_of, step, part, started_at)
        group by as_of, node
    )
    select
        kind, name,
        any_value(seconds) filter (where as_of = $night) as night_seconds,
        median(seconds) filter (where as_of < $night and went_well) as usual_seconds
    from timed
    group by kind, name
    having night_seconds is not null
    order by night_seconds desc, name asc
"""


@dataclass(frozen=True)
class Timing:
    """Seconds of a step or model in a night, and what it usually takes."""

    name: str
    seconds: float
    # Median of the nights before in which it succeeded; None if there are none.
    usual_seconds: float | None
    ratio: float | None


@dataclass(frozen=True)
class Slow:
    """A night's steps and models, slowest first."""

    as_of: date
    nights_before: int
    steps: tuple[Timing, ...]
    models: tuple[Timing, ...]
    # Whether a task holds the warehouse, so that this is the state of the last publication.
    busy: bool


def look(settings: Settings, as_of: date | None = None) -> Slow:
    """Return the timings of a night, by default of the newest one.

    Raises:
        NotReadyError: no night has run yet, or not this one.
    """
    if not settings.warehouse_path.exists():
        raise NotReadyError(_NONE)
    with record.opened(settings) as (connection, busy):
        night, nights_before = _night(connection, as_of)
        rows = connection.execute(
            _TIMINGS,
            {"dag": DAG, "night": night, "nights": 1 + nights_before, "success": runlog.SUCCESS},
        ).fetchall()
    return Slow(night, nights_before, _timings(rows, "step"), _timings(rows, "model"), busy)


def _night(connection: duckdb.DuckDBPyConnection, as_of: date | None) -> tuple[date, int]:
    """Return the night, and how many nights before it the median is of."""
    rows = connection.execute(
        "select distinct as_of from warehouse.ops.steps where dag = ? order by as_of", [DAG]
    ).fetchall()
    nights = [night for (night,) in rows]
    if not nights:
        raise NotReadyError(_NONE)
    if as_of is not None and as_of not in nights:
        raise NotReadyError(f"the run log has no night {as_of}; the newest is {nights[-1]}")
    night = as_of or nights[-1]
    return night, min(nights.index(night), _NIGHTS_BEFORE)


def _timings(rows: Sequence[tuple[Any, ...]], wanted: str) -> tuple[Timing, ...]:
    return tuple(
        Timing(name, seconds, usual, seconds / usual if usual else None)
        for kind, name, seconds, usual in rows
        if kind == wanted
    )
