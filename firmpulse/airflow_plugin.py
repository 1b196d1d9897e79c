"""Airflow plugin: when a run has ended, its note says what each task did.

The scheduler writes it; people see it in the list of runs without opening a log.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from firmpulse.taskwatch import hookimpl, in_short

# What somebody wrote before this line stays.
_HEADING = "**What the run did**"


class RunNotes:
    """Listener of the scheduler."""

    @hookimpl
    def on_dag_run_success(self, dag_run: Any) -> None:
        """Note what the tasks returned."""
        _write(dag_run)

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any) -> None:
        """Note which tasks failed, and what the others returned."""
        _write(dag_run)


class FirmpulsePlugin(AirflowPlugin):  # type: ignore[misc] # Airflow brings no types
    """Found through the entry point `airflow.plugins`."""

    name = "firmpulse"
    listeners = [RunNotes()]  # noqa: RUF012 - Airflow's own form


def note(
    before: str | None, states: Mapping[str, Sequence[str]], results: Mapping[str, Sequence[Any]]
) -> str:
    """Return the note of a run that has ended, in Markdown.

    Args:
        before: its note until now; what stands there of an earlier attempt is replaced.
        states: task id → state of each instance, in the order of the tasks.
        results: task id → what each instance returned.
    """
    lines = [_HEADING, ""]
    for task, found in states.items():
        failed = found.count("failed")
        parts = [in_short(_sum(results.get(task, ())))]
        if failed:
            parts.insert(0, f"**failed**{f' ({failed} of {len(found)})' if len(found) > 1 else ''}")
        elif any(state == "upstream_failed" for state in found):
            parts.insert(0, "not run")
        text = ", ".join(part for part in parts if part)
        if text:
            lines.append(f"- {task}: {text}")
    kept = (before or "").partition(_HEADING)[0].rstrip()
    return "\n".join([kept, "", *lines] if kept else lines)


def _sum(results: Sequence[Any]) -> Any:
    """Return the only result, or counts of mapped instances added up."""
    if len(results) == 1:
        return results[0]
    total: dict[str, int] = defaultdict(int)
    for result in results:
        for name, value in (result if isinstance(result, Mapping) else {}).items():
            if isinstance(value, int):
                total[name] += value
    return dict(total)


def _write(dag_run: Any) -> None:
    from airflow.models.xcom import XComModel
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return
    results: dict[str, list[Any]] = defaultdict(list)
    query = XComModel.get_many(run_id=dag_run.run_id, key="return_value", dag_ids=dag_run.dag_id)
    for row in session.scalars(query):
        results[row.task_id].append(XComModel.deserialize_value(row))
    states: dict[str, list[str]] = defaultdict(list)
    instances = dag_run.get_task_instances(session=session)
    for instance in sorted(instances, key=lambda one: (one.start_date is None, one.start_date)):
        states[instance.task_id].append(str(instance.state))
    dag_run.note = note(dag_run.note, states, results)
