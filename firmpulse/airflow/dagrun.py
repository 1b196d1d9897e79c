"""Runs a DAG in this process, task by task, without a scheduler."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from firmpulse import long_work
from firmpulse.airflow import advice, environment, homelock
from firmpulse.airflow.taskwatch import TaskEvent, TaskWatch
from firmpulse.errors import ConfigurationError, FirmpulseError, TaskFailed
from firmpulse.settings import Settings


@dataclass(frozen=True)
class DagOutcome:
    """A DAG run that succeeded."""

    dag_id: str
    run_id: str
    seconds: float
    tasks: tuple[TaskEvent, ...]

    def results(self, task_id: str) -> list[Any]:
        """Return what a task returned, one entry per mapped instance."""
        return [event.result for event in self.tasks if event.task_id == task_id]


def run_dag(
    settings: Settings,
    dag_id: str,
    conf: Mapping[str, Any],
    on_task: Callable[[TaskEvent], None] | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> DagOutcome:
    """Run a DAG to its end; each task runs once, only a scheduler retries.

    Args:
        settings: its home folder; Airflow's database is created there if missing.
        dag_id: a DAG of `dags/`, such as run_nightly.
        conf: parameters of the run, such as {"as_of": "2026-10-31"}.
        on_task: called as soon as a task has ended.
        on_progress: called with each line about the progress of a task that takes long.

    Raises:
        FirmpulseError: the error of the first task that failed, or the run cannot be started.
        TaskFailed: a task failed unexpectedly; the cause is chained.
    """
    if advice.is_served(settings):
        raise ConfigurationError(
            "Airflow is running on this home folder and owns its DAG runs; run this there with: "
            f"{advice.trigger(dag_id, {k: v for k, v in conf.items() if v is not None})}\n"
            "or stop it with: firmpulse down"
        )
    started = time.perf_counter()
    watch = TaskWatch(on_task)
    with homelock.alone(settings), environment.activated(settings):
        dag = _load(dag_id)
        with _listening(watch), _without_waiting(len(dag.tasks)), long_work.heard(on_progress):
            run = dag.test(run_conf=dict(conf))
    _check(dag_id, str(run.state), watch.events)
    return DagOutcome(dag_id, run.run_id, time.perf_counter() - started, tuple(watch.events))


def _load(dag_id: str) -> Any:
    path = environment.DAGS_FOLDER / f"{dag_id}.py"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("[a-z]*.py")))
        raise ConfigurationError(f"no DAG {dag_id!r}; use one of {known}")
    from firmpulse.airflow import database

    database.ensure()
    database.close_abandoned_runs()
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(path)
    if bag.import_errors:
        raise ConfigurationError(
            f"{path.name} does not load: {'; '.join(bag.import_errors.values())}"
        )
    dag = bag.dags[dag_id]
    for task in dag.tasks:
        if hasattr(task, "partial_kwargs"):
            task.partial_kwargs["retries"] = 0
        else:
            task.retries = 0
    return dag


@contextmanager
def _listening(watch: TaskWatch) -> Iterator[None]:
    from airflow.sdk.listener import get_listener_manager

    manager = get_listener_manager()
    manager.add_listener(watch)
    try:
        yield
    finally:
        manager.pm.unregister(watch)


@contextmanager
def _without_waiting(turns: int) -> Iterator[None]:
    """Mark all tasks after a failed one at once.

    `dag.test` marks one per iteration, and waits a second between iterations.
    """
    from airflow.models.dagrun import DagRun

    update_once = DagRun.update_state

    def update(run: DagRun, **options: Any) -> Any:
        for _ in range(turns):
            found = update_once(run, **options)
            if found[0] or run.state != "running":
                break
        return found

    DagRun.update_state = update
    try:
        yield
    finally:
        DagRun.update_state = update_once


def _check(dag_id: str, state: str, events: list[TaskEvent]) -> None:
    failed = [event for event in events if not event.succeeded]
    for event in failed:
        if isinstance(event.error, FirmpulseError):
            raise event.error
    if failed:
        first = failed[0]
        cause = first.error if isinstance(first.error, BaseException) else None
        raise TaskFailed(f"task {first.label} of {dag_id} failed: {first.note}") from cause
    if state != "success":
        raise TaskFailed(f"{dag_id} ended as {state}")
