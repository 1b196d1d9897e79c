"""Shared parts of the DAGs: date and start, retries, the writer pool, alerts."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import (
    CronDataIntervalTimetable,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    dag,
)
from airflow.sdk.exceptions import AirflowRescheduleException

from firmpulse import clock
from firmpulse.airflow import alerts, asof
from firmpulse.airflow.environment import WRITER_POOL
from firmpulse.calendar import CHINA
from firmpulse.errors import FileHeldError, FirmpulseError
from firmpulse.settings import Settings

# Waiting helps if another process holds a DuckDB file. Every other expected error would come back
# the same on each retry.
_RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception=FileHeldError, action=RetryAction.RETRY),
        RetryRule(exception=FirmpulseError, action=RetryAction.FAIL),
    ]
)

TASK_DEFAULTS: dict[str, Any] = {
    "pool": WRITER_POOL,
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": _RETRY_POLICY,
    "execution_timeout": timedelta(hours=6),
    "on_failure_callback": alerts.task_failed,
}

# The date of a run of a `dated_dag`, as passed to its tasks.
AS_OF = "{{ resolve(params.as_of, data_interval_end | default(none)) }}"


def dated_dag(
    cron: str, begins: datetime, doc_md: str | None, params: Mapping[str, Param] | None = None
) -> Callable[[Callable[[], None]], Callable[[], Any]]:
    """Return the decorator of a DAG whose runs are for one date each, one run at a time.

    Args:
        cron: its schedule, in Chinese time.
        begins: the midnight at which the schedule starts.
        doc_md: text on Airflow's page.
        params: parameters of a run besides `as_of`, the date if it is not that of the schedule.
    """
    decorator: Callable[[Callable[[], None]], Callable[[], Any]] = dag(
        schedule=CronDataIntervalTimetable(cron, timezone="Asia/Shanghai"),
        start_date=begins,
        catchup=False,
        max_active_runs=1,
        params={"as_of": Param(None, type=["string", "null"], format="date"), **(params or {})},
        default_args=TASK_DEFAULTS,
        user_defined_macros={"resolve": asof.resolve},
        doc_md=doc_md,
        tags=["firmpulse"],
    )
    return decorator


def wait_for_turn() -> None:
    """Defer the calling task by a minute while an earlier night is running.

    A backfill starts ten runs in parallel, regardless of the DAG's limit on active runs. A night
    depends on the one before it, so its first task waits.

    Raises:
        AirflowRescheduleException: an earlier run by date has not ended.
    """
    from airflow.sdk import get_current_context

    context = get_current_context()
    run: Any = context["dag_run"]
    if run.run_type not in ("backfill", "scheduled"):
        return
    if context["ti"].get_previous_dagrun(state="running") is not None:
        raise AirflowRescheduleException(datetime.now(UTC) + timedelta(minutes=1))


def first_day(settings: Settings) -> datetime:
    """Return the midnight at which the schedule starts; backfills may be earlier.

    Raises:
        ConfigurationError: the day is after today; nights would be missing silently until then.
    """
    day = clock.checked(settings.schedule_from, "FIRMPULSE_SCHEDULE_FROM")
    return datetime(day.year, day.month, day.day, tzinfo=CHINA)
