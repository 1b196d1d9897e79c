"""What each step did: run, outcome, rows, seconds, memory, in `ops.steps`; and what was erased."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from firmpulse import clock, openlineage, warehouse
from firmpulse.errors import ConfigurationError, told
from firmpulse.settings import Settings

SUCCESS, FAILED = "success", "failed"

STEPS_DDL = """
create table if not exists warehouse.ops.steps (
    as_of date not null,
    step varchar not null,
    part varchar not null,
    started_at timestamptz not null,
    seconds double not null,
    rows_out bigint,
    note varchar,
    -- success or failed
    state varchar not null,
    -- Null unless it failed.
    error varchar,
    -- Largest resident memory of the process during the step; null where the system tells none.
    peak_mb double,
    -- DAG and run whose task it was; null for a command that somebody called.
    dag varchar,
    run_id varchar
)
"""

_OTHER_RELEASE = (
    "this home folder was made by another release: its tables ops.steps and ops.verdicts lack what "
    "this one notes in them, such as the run of a step. Go on with that release, or set "
    "FIRMPULSE_HOME to an empty folder and deliver again"
)

# Landed rows that were erased since; what is masked is less by as many.
ERASED_DDL = """
create table if not exists warehouse.ops.erased_deliveries (
    delivery_seq bigint primary key,
    rows bigint not null
)
"""

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Step:
    """One step while it runs; the task fills in what came out."""

    rows_out: int | None = None
    note: str | None = None
    seconds: float = field(default=0.0, init=False)
    # As OpenLineage is told of it; the parts of a step name it as their parent.
    run: openlineage.Run | None = field(default=None, init=False)


@contextmanager
def step(
    settings: Settings,
    as_of: date,
    name: str,
    part: str = "",
    *,
    reads: Sequence[str] = (),
    writes: Sequence[str] = (),
) -> Iterator[Step]:
    """Time a step and record how it ended, in the run log and for OpenLineage.

    That a step failed is recorded if the warehouse can be written; its error goes on either way.

    Args:
        settings: home folder.
        as_of: night that it works for.
        name: of the step.
        part: of the step, such as a source.
        reads: full names of the tables it reads, see `lineage.Table`.
        writes: full names of the tables it writes.

    Raises:
        ConfigurationError: the night lies after today; nothing was begun.
    """
    clock.checked(as_of)
    current = Step()
    started_at = datetime.now(UTC)
    job = f"{name}.{part}" if part else name
    current.run = openlineage.Run(
        job, as_of, openlineage.tables(*reads), openlineage.tables(*writes), started_at
    )
    openlineage.started(settings, current.run)
    began = time.perf_counter()
    _forget_peak()

    def record(state: str, error: str | None) -> None:
        current.seconds = time.perf_counter() - began
        if current.run:
            openlineage.ended(settings, current.run, error=error, rows=current.rows_out)
        _record(
            settings,
            [as_of, name, part, started_at, current.seconds, current.rows_out, current.note, state,
             error, _peak_mb()],
        )  # fmt: skip

    try:
        yield current
    except Exception as error:
        with suppress(Exception):
            record(FAILED, told(error))
        raise
    record(SUCCESS, None)


def _record(settings: Settings, row: list[object]) -> None:
    with warehouse.connect(settings) as connection, of_this_release():
        connection.execute(STEPS_DDL)
        marks = ", ".join("?" * (len(row) + 2))
        connection.execute(
            f"insert into warehouse.ops.steps values ({marks})",  # noqa: S608 - question marks
            [*row, *_run()],
        )


@contextmanager
def of_this_release() -> Iterator[None]:
    """Say in a sentence that a table of runs or checks has not the columns of this release.

    Raises:
        ConfigurationError: the home folder was made by another release.
    """
    try:
        yield
    except duckdb.BinderException as error:
        raise ConfigurationError(_OTHER_RELEASE) from error


def _run() -> tuple[str | None, str | None]:
    """Return DAG and run of the task that this process works at; nulls outside of one.

    In a task Airflow is imported already; no other process pays for importing it.
    """
    sdk = sys.modules.get("airflow.sdk")
    if sdk is None:
        return None, None
    try:
        task = sdk.get_current_context()["ti"]
    except RuntimeError:
        return None, None
    return task.dag_id, task.run_id


def _forget_peak() -> None:
    # 5 sets the high-water mark of resident memory back to what is resident now: see proc(5).
    with suppress(OSError):
        _CLEAR.write_text("5", encoding="ascii")


def _peak_mb() -> float | None:
    with suppress(OSError):
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None
