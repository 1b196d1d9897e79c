"""Listens to Airflow while a DAG runs in this process."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pluggy


@dataclass(frozen=True)
class TaskEvent:
    """One task that has ended."""

    task_id: str
    # The task id, with the source of a mapped task.
    label: str
    succeeded: bool
    seconds: float
    # What the task returned in a few words, or its error.
    note: str
    result: Any = None
    error: BaseException | str | None = None


hookimpl = pluggy.HookimplMarker("airflow")


class TaskWatch:
    """Airflow listener that collects the outcome of each task and calls `on_task` at once."""

    def __init__(self, on_task: Callable[[TaskEvent], None] | None) -> None:
        self.events: list[TaskEvent] = []
        self._on_task = on_task
        self._clock = time.perf_counter()

    @hookimpl
    def on_task_instance_running(self, task_instance: Any) -> None:
        """Start the clock of a task."""
        self._clock = time.perf_counter()

    @hookimpl
    def on_task_instance_success(self, task_instance: Any) -> None:
        """Record a task that succeeded, with its result."""
        result = task_instance.xcom_pull(
            task_ids=task_instance.task_id, map_indexes=task_instance.map_index
        )
        self._note(task_instance, note=in_short(result), result=result)

    @hookimpl
    def on_task_instance_failed(self, task_instance: Any, error: Any) -> None:
        """Record a task that failed, with its error."""
        self._note(task_instance, note=str(error), error=error)

    def _note(self, task_instance: Any, **details: Any) -> None:
        source = task_instance.rendered_map_index
        event = TaskEvent(
            task_id=task_instance.task_id,
            label=f"{task_instance.task_id} {source}" if source else task_instance.task_id,
            succeeded="error" not in details,
            seconds=time.perf_counter() - self._clock,
            **details,
        )
        self.events.append(event)
        if self._on_task is not None:
            self._on_task(event)


def in_short(result: Any) -> str:
    """Return the counts and words of a task's result on one line; zeros and nulls are left out.

    So is what has a name that begins with `_`, which only later tasks read.
    """
    if not isinstance(result, Mapping):
        return "" if result is None else str(result)
    told = {str(name): value for name, value in result.items() if value}
    parts = [_part(name, value) for name, value in told.items() if not name.startswith("_")]
    return ", ".join(parts)


def _part(name: str, value: Any) -> str:
    words = name.replace("_", " ")
    if isinstance(value, bool):
        return words
    if isinstance(value, int):
        return f"{value:,} {words}"
    if isinstance(value, (list, tuple)):
        return f"{words}: {'; '.join(str(entry) for entry in value)}"
    return str(value) if name == "message" else f"{words} {value}"
