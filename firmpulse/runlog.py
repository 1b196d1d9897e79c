"""What each step did: rows and seconds, in the warehouse's `ops.steps`; and what was erased."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from firmpulse import warehouse
from firmpulse.settings import Settings

STEPS_DDL = """
create table if not exists warehouse.ops.steps (
    as_of date not null,
    step varchar not null,
    part varchar not null,
    started_at timestamptz not null,
    seconds double not null,
    rows_out bigint,
    note varchar
)
"""

# Landed rows that were erased since; what is masked is less by as many.
ERASED_DDL = """
create table if not exists warehouse.ops.erased_deliveries (
    delivery_seq bigint primary key,
    rows bigint not null
)
"""


@dataclass
class Step:
    """One step while it runs; the task fills in what came out."""

    rows_out: int | None = None
    note: str | None = None
    seconds: float = field(default=0.0, init=False)


@contextmanager
def step(settings: Settings, as_of: date, name: str, part: str = "") -> Iterator[Step]:
    """Time a step and record it once it has succeeded; a failed step leaves Airflow's record."""
    current = Step()
    started_at = datetime.now(UTC)
    clock = time.perf_counter()
    yield current
    current.seconds = time.perf_counter() - clock
    with warehouse.connect(settings) as connection:
        connection.execute(STEPS_DDL)
        connection.execute(
            "insert into warehouse.ops.steps values (?, ?, ?, ?, ?, ?, ?)",
            [as_of, name, part, started_at, current.seconds, current.rows_out, current.note],
        )
