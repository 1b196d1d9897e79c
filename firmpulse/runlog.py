"""What each step did: outcome, rows, seconds, memory, in `ops.steps`; and what was erased."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from firmpulse import asof, lineage, warehouse
from firmpulse.errors import told
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
    peak_mb double
)
"""

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
    run: lineage.Run | None = field(default=None, init=False)


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
    asof.checked(as_of)
    current = Step()
    started_at = datetime.now(UTC)
    job = f"{name}.{part}" if part else name
    current.run = lineage.Run(
        job, as_of, lineage.tables(*reads), lineage.tables(*writes), started_at
    )
    lineage.started(settings, current.run)
    clock = time.perf_counter()
    _forget_peak()

    def record(state: str, error: str | None) -> None:
        current.seconds = time.perf_counter() - clock
        if current.run:
            lineage.ended(settings, current.run, error=error, rows=current.rows_out)
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
    with warehouse.connect(settings) as connection:
        connection.execute(STEPS_DDL)
        connection.execute(
            "insert into warehouse.ops.steps values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row
        )


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
