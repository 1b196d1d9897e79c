"""The slowest steps and models of a night, next to their usual seconds."""

from dataclasses import dataclass
from datetime import date

import duckdb

from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from operations import record
from operations.nights import DAG

# Seconds are usual if they are the median of this many nights before.
_NIGHTS_BEFORE = 14
_NONE = "no night has run yet; run one first: firmpulse night"

# The last run of each step of a night and of the nights before it.
_RUNS = """
    with nights as (
        select distinct as_of from warehouse.ops.steps
        where dag = $dag and as_of <= $night
        order by as_of desc
        limit 1 + $before
    ),
    runs as (
        select
            as_of, step, part, max(started_at) as started_at,
            max_by(state, started_at) as state, max_by(seconds, started_at) as seconds
        from warehouse.ops.steps semi join nights using (as_of)
        where dag = $dag
        group by all
    ),
"""
_STEPS = """
    timed as (select as_of, trim(step || ' ' || part) as name, seconds, state from runs)
"""
# A model that was built in slices has several rows.
_MODELS = """
    timed as (
        select
            as_of, node as name, sum(nodes.seconds) as seconds,
            if(bool_or(status in ('error', 'skipped')), 'failed', 'success') as state
        from warehouse.ops.nodes semi join runs using (as_of, step, part, started_at)
        group by all
    )
"""
_SLOWEST = """
    select
        any_value(seconds) filter (where as_of = $night) as of_night,
        name,
        median(seconds) filter (where as_of < $night and state = 'success') as usual
    from timed
    group by name
    having of_night is not null
    order by of_night desc, name
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
        steps, models = (_slowest(connection, night, timed) for timed in (_STEPS, _MODELS))
    return Slow(night, nights_before, steps, models, busy)


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


def _slowest(connection: duckdb.DuckDBPyConnection, night: date, timed: str) -> tuple[Timing, ...]:
    rows = connection.execute(
        _RUNS + timed + _SLOWEST, {"dag": DAG, "night": night, "before": _NIGHTS_BEFORE}
    ).fetchall()
    return tuple(
        Timing(name, seconds, usual, seconds / usual if usual else None)
        for seconds, name, usual in rows
    )
