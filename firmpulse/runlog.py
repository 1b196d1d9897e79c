"""The run log: run, outcome, rows, seconds and memory of each step, and its dbt nodes."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from firmpulse import clock, openlineage, warehouse
from firmpulse.errors import ConfigurationError, told
from firmpulse.settings import Settings
from firmpulse.stored_tables import NODES, STEPS

SUCCESS, FAILED = "success", "failed"

_OTHER_RELEASE = (
    "this home folder was made by another release: its tables ops.steps and ops.verdicts lack what "
    "this one writes, such as the run of a step. Continue with that release, or set "
    "FIRMPULSE_HOME to an empty folder and deliver again"
)

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Node:
    """One model or test that dbt ran in a step."""

    node: str
    # model or test
    kind: str
    # As dbt names it.
    status: str
    seconds: float


@dataclass
class Step:
    """One step while it runs; the task fills in the results."""

    rows_out: int | None = None
    note: str | None = None
    # Also filled in if the build failed.
    nodes: list[Node] = field(default_factory=list)
    seconds: float = field(default=0.0, init=False)
    # Run for OpenLineage; the parts of a step have it as their parent.
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

    A failure is recorded if the warehouse can be written; the error is raised either way.

    Args:
        settings: home folder.
        as_of: night of the step.
        name: name of the step.
        part: part of the step, such as a source.
        reads: full names of the tables it reads, see `lineage.Table`.
        writes: full names of the tables it writes.

    Raises:
        ConfigurationError: the night is after today; nothing was begun.
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
            {
                "as_of": as_of, "step": name, "part": part, "started_at": started_at,
                "seconds": current.seconds, "rows_out": current.rows_out, "note": current.note,
                "state": state, "error": error, "peak_mb": _peak_mb(),
            },
            current.nodes,
        )  # fmt: skip

    try:
        yield current
    except Exception as error:
        with suppress(Exception):
            record(FAILED, told(error))
        raise
    record(SUCCESS, None)


def _record(settings: Settings, ended: Mapping[str, object], nodes: Sequence[Node]) -> None:
    dag, run_id = _run()
    row = {**ended, "dag": dag, "run_id": run_id}
    of_step = {name: ended[name] for name in ("as_of", "step", "part", "started_at")}
    with warehouse.connect(settings) as connection, of_this_release():
        connection.execute("begin")
        connection.execute(STEPS.insert_sql(row), row)
        for node in nodes:
            found = of_step | asdict(node)
            connection.execute(NODES.insert_sql(found), found)
        connection.execute("commit")


@contextmanager
def of_this_release() -> Iterator[None]:
    """Raise if a table of runs or checks lacks columns of this release.

    Raises:
        ConfigurationError: the home folder was made by another release.
    """
    try:
        yield
    except duckdb.BinderException as error:
        raise ConfigurationError(_OTHER_RELEASE) from error


def _run() -> tuple[str | None, str | None]:
    """Return DAG and run of the current task; nulls outside a task.

    In a task Airflow is already imported; other processes do not import it.
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
    # 5 resets the high-water mark of resident memory to its current value: see proc(5).
    with suppress(OSError):
        _CLEAR.write_text("5", encoding="ascii")


def _peak_mb() -> float | None:
    with suppress(OSError):
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None
