"""Erase what firms have withdrawn, what has expired and what is used up.

**Reads** the consent ledger. **Writes** the vault, the warehouse and the published scores: rows of
firms and sources without a grant in force are erased, both database files are renewed under new
keys, and the control store gets a certificate for each firm.

A withdrawal stops the use of a firm's data at once: landing, scoring and publishing check the
ledger in every task. This run does the erasure; it takes the writer's slot between two tasks of a
night.

**Date.** What has ended is decided only by today in China. The day of the run, or `on` if it was
triggered with `{"on": "2026-10-31"}`, is the day up to which waiting deliveries are landed first;
a day after today is refused. `{"firm": "TOKEN"}` erases only that firm.

**Stop.** If the clock has jumped, or more firms are due at once than the bound, nothing is erased
until a person has confirmed it: `firmpulse status` shows the command, and the run is skipped.

**Re-run.** Clear the failed task. A firm is done when its certificate is written; until then every
run repeats it.
"""

import logging
from datetime import date
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, Param, TriggerRule, dag, task

from firmpulse.airflow.asof import day_of
from firmpulse.airflow.schedule import TASK_DEFAULTS, first_day
from firmpulse.settings import Settings
from firmpulse.sources import SOURCES

ON = "{{ day_of(params.on, data_interval_end | default(none)) }}"


@task.short_circuit(pool="default_pool")
def is_anything_due(on: str, params: dict[str, Any] | None = None) -> bool:
    """Check the ledger; without an ended grant, or before a confirmation, the run ends.

    It takes the day because a wrong one must stop the run before anything is done.
    """
    from erasure import honour
    from firmpulse.errors import ConfirmationNeeded

    try:
        return bool(honour.allowed(Settings(), _firms(params)))
    except ConfirmationNeeded as stop:
        logging.getLogger(__name__).error("nothing is erased on %s: %s", on, stop)
        return False


@task(map_index_template="{{ task.op_kwargs['source'] }}")
def land(source: str, on: str) -> dict[str, int]:
    """Pass waiting deliveries through the gate, which drops the rows of withdrawn firms.

    The next night checks these deliveries before it masks them, like all without a verdict.
    """
    from extracts.vault import nightly

    return nightly.land(Settings(), source, date.fromisoformat(on)).summary()


@task(trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
def erase(on: str, params: dict[str, Any] | None = None) -> dict[str, int]:
    """Erase, publish again and certify."""
    from erasure import honour

    return honour.honour(Settings(), date.fromisoformat(on), _firms(params)).summary()


def _firms(params: dict[str, Any] | None) -> list[str] | None:
    firm = (params or {}).get("firm")
    return [firm] if firm else None


@dag(
    schedule=CronDataIntervalTimetable("*/5 * * * *", timezone="Asia/Shanghai"),
    start_date=first_day(Settings()),
    catchup=False,
    max_active_runs=1,
    params={
        "on": Param(None, type=["string", "null"], format="date"),
        "firm": Param(None, type=["string", "null"]),
    },
    default_args=TASK_DEFAULTS,
    user_defined_macros={"day_of": day_of},
    doc_md=__doc__,
    tags=["firmpulse"],
)
def honour_revocations() -> None:
    """Chain the tasks."""
    landed = land.partial(on=ON).expand(source=list(SOURCES))
    is_anything_due(ON) >> landed >> erase(ON)


honour_revocations()
