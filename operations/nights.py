"""What the run log says of nights: which ran, which ended well, what failed."""

from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from firmpulse import runlog

# Steps of a night; others of the log belong to training, backfills and erasure.
STEPS = ("pull", "land", "build", "validate", "score", "warn", "champions", "publish", "purge")
# The step after which analysts see the night.
_LAST = "publish"

_NEWEST = """
    select max(as_of) from warehouse.ops.steps where list_contains(?, step)
"""
# Of a step that ran more than once, the last run.
_ENDED = """
    select
        step, part, max(started_at) as started_at,
        max_by(state, started_at) as state, max_by(error, started_at) as error,
        max_by(seconds, started_at) as seconds,
        cast(max_by(rows_out, started_at) as bigint) as rows_out,
        max_by(peak_mb, started_at) as peak_mb
    from warehouse.ops.steps
    where as_of = ? and list_contains(?, step)
    group by step, part
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
    """One night as the run log knows it."""

    as_of: date
    steps: tuple[StepOutcome, ...]

    @property
    def failed(self) -> tuple[StepOutcome, ...]:
        """Steps whose last run failed."""
        return tuple(step for step in self.steps if step.state == runlog.FAILED)

    @property
    def published_at(self) -> datetime | None:
        """When its scores were published last, None if they never were."""
        found = [s.started_at for s in self.steps if (s.step, s.state) == (_LAST, runlog.SUCCESS)]
        return max(found, default=None)

    @property
    def seconds(self) -> float:
        """Seconds of all its steps together."""
        return sum(step.seconds for step in self.steps)


def newest(connection: duckdb.DuckDBPyConnection) -> Night | None:
    """Return the newest night of which any step ended, None if there is none."""
    connection.execute(runlog.STEPS_DDL)
    ((as_of,),) = connection.execute(_NEWEST, [list(STEPS)]).fetchall()
    return None if as_of is None else read(connection, as_of)


def read(connection: duckdb.DuckDBPyConnection, as_of: date) -> Night:
    """Return what the log says of a night."""
    rows = connection.execute(_ENDED, [as_of, list(STEPS)]).fetchall()
    return Night(as_of, tuple(StepOutcome(*row) for row in rows))


def published(connection: duckdb.DuckDBPyConnection) -> date | None:
    """Return the newest night that was published, None if there is none."""
    connection.execute(runlog.STEPS_DDL)
    ((as_of,),) = connection.execute(
        "select max(as_of) from warehouse.ops.steps where step = ? and state = ?",
        [_LAST, runlog.SUCCESS],
    ).fetchall()
    return None if as_of is None else date.fromisoformat(str(as_of))
