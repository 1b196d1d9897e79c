"""Nights in the run log: which ran, which succeeded, what failed, which are missing.

A night is a date for which the DAG run_nightly ran, under the scheduler or by `firmpulse night`.
Deliveries assessed by day, backfills, erasures and commands also leave steps; they are not
nights.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb

from firmpulse import runlog

DAG = "run_nightly"
# The step after which analysts see the night.
_LAST = "publish"
# A gap between nights is reported for this many nights; a failed night until it is fixed.
_LOOK_BACK = 31

# The last run of a step that ran more than once.
_ENDED = """
    select
        as_of, step, part, max(started_at) as started_at,
        max_by(state, started_at) as state, max_by(error, started_at) as error,
        max_by(seconds, started_at) as seconds,
        cast(max_by(rows_out, started_at) as bigint) as rows_out,
        max_by(peak_mb, started_at) as peak_mb
    from warehouse.ops.steps
    where dag = ?
    group by as_of, step, part
    order by as_of, max(started_at)
"""
# For any date: the next run of these DAGs replaces a failed one.
_FAILED_ELSEWHERE = """
    select dag, step, part, max_by(as_of, started_at) as as_of, max_by(error, started_at) as error
    from warehouse.ops.steps
    where dag is not null and dag <> ?
    group by dag, step, part
    having max_by(state, started_at) = ?
    order by max(started_at)
"""


@dataclass(frozen=True)
class StepOutcome:
    """The last run of one step of a night."""

    step: str
    part: str
    started_at: datetime
    state: str
    error: str | None
    seconds: float
    rows_out: int | None
    peak_mb: float | None

    @property
    def label(self) -> str:
        """The step with its part, such as `land tax`."""
        return f"{self.step} {self.part}".rstrip()


@dataclass(frozen=True)
class Night:
    """One night in the run log."""

    as_of: date
    steps: tuple[StepOutcome, ...]

    @property
    def failed(self) -> tuple[StepOutcome, ...]:
        """Steps whose last run failed."""
        return tuple(step for step in self.steps if step.state == runlog.FAILED)

    @property
    def published_at(self) -> datetime | None:
        """When its scores were last published, None if never."""
        found = [s.started_at for s in self.steps if (s.step, s.state) == (_LAST, runlog.SUCCESS)]
        return max(found, default=None)

    @property
    def seconds(self) -> float:
        """Total seconds of all its steps."""
        return sum(step.seconds for step in self.steps)


@dataclass(frozen=True)
class ElsewhereFailed:
    """A step of another DAG whose last run failed."""

    dag: str
    label: str
    as_of: date
    error: str | None


def read(connection: duckdb.DuckDBPyConnection) -> tuple[Night, ...]:
    """Return every night with a finished step, oldest first.

    Raises:
        ConfigurationError: the run log was written by another release.
    """
    with runlog.of_this_release():
        rows = connection.execute(_ENDED, [DAG]).fetchall()
    steps: dict[date, list[StepOutcome]] = {}
    for as_of, *outcome in rows:
        steps.setdefault(as_of, []).append(StepOutcome(*outcome))
    return tuple(Night(as_of, tuple(found)) for as_of, found in steps.items())


def newest(found: tuple[Night, ...]) -> Night | None:
    """Return the newest night, None if there is none."""
    return found[-1] if found else None


def published(found: tuple[Night, ...]) -> date | None:
    """Return the newest night that was published, None if there is none."""
    return max((night.as_of for night in found if night.published_at), default=None)


def served(connection: duckdb.DuckDBPyConnection, found: tuple[Night, ...]) -> date | None:
    """Return the newest night with scores; for the published log, which lacks its publication.

    Scores of a later day are those of deliveries that arrived by day.
    """
    ((newest,),) = connection.execute(
        "select max(as_of) from warehouse.scoring.scores where list_contains(?, as_of)",
        [[night.as_of for night in found]],
    ).fetchall()
    return newest or published(found)


def missing(found: tuple[Night, ...], due: date) -> list[tuple[date, date]]:
    """Return the due nights without any step, as first and last night of each gap.

    Args:
        found: nights of the log, oldest first.
        due: the newest night that is due.
    """
    if not found:
        return []
    ran = {night.as_of for night in found}
    first = max(min(ran), min(max(ran), due - timedelta(days=_LOOK_BACK - 1)))
    gaps: list[tuple[date, date]] = []
    for back in range((due - first).days, -1, -1):
        day = due - timedelta(days=back)
        if day in ran:
            continue
        if gaps and gaps[-1][1] == day - timedelta(days=1):
            gaps[-1] = (gaps[-1][0], day)
        else:
            gaps.append((day, day))
    return gaps


def failed_elsewhere(connection: duckdb.DuckDBPyConnection) -> tuple[ElsewhereFailed, ...]:
    """Return the steps of all other DAGs whose last run failed."""
    with runlog.of_this_release():
        rows = connection.execute(_FAILED_ELSEWHERE, [DAG, runlog.FAILED]).fetchall()
    return tuple(
        ElsewhereFailed(dag, f"{step} {part}".rstrip(), as_of, error)
        for dag, step, part, as_of, error in rows
    )
