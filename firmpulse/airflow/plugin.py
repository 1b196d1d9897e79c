"""Airflow plugin: writes what each task did into the note of a finished run.

The scheduler writes it; it shows in the list of runs, without opening a log.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from firmpulse.airflow.alerts import ERROR
from firmpulse.airflow.taskwatch import hookimpl, in_short
from firmpulse.errors import shortened

# Text that a person wrote above this line stays.
_HEADING = "**What the run did**"
# Size limit of Airflow's column.
_MOST = 1000


class RunNotes:
    """Listener of the scheduler."""

    @hookimpl
    def on_dag_run_success(self, dag_run: Any) -> None:
        """Record what the tasks returned."""
        _write(dag_run)

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any) -> None:
        """Record which tasks failed, and what the others returned."""
        _write(dag_run)


class FirmpulsePlugin(AirflowPlugin):  # type: ignore[misc] # Airflow brings no types
    """Found through the entry point `airflow.plugins`."""

    name = "firmpulse"
    listeners = [RunNotes()]  # noqa: RUF012 - Airflow's own form


def note(
    before: str | None,
    states: Mapping[str, Sequence[str]],
    results: Mapping[str, Sequence[Any]],
    errors: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str:
    """Return the note of a run that has ended, in Markdown.

    A failed task has its whole message. If the note becomes too long, first the successful tasks
    are left out, then the middle of the messages.

    Args:
        before: its note until now; text from an earlier attempt is replaced.
        states: task id → state of each instance, in the order of the tasks.
        results: task id → what each instance returned.
        errors: task id → message of each failed instance.
    """
    kept = (before or "").partition(_HEADING)[0].rstrip()
    heading = f"{kept}\n\n{_HEADING}\n\n" if kept else f"{_HEADING}\n\n"
    lines = {task: _line(task, states[task], results.get(task, ())) for task in states}
    failed = [task for task in states if "failed" in states[task]]
    said = {task: "".join(f"\n\n{error}" for error in errors.get(task, ())) for task in failed}
    whole = [line + said.get(task, "") for task, line in lines.items() if line]
    if len(text := heading + "\n".join(whole)) <= _MOST or not failed:
        return text[:_MOST]
    left = _MOST - len(heading) - sum(len(lines[task]) + 1 for task in failed)
    share = max(0, left // len(failed))
    short = [lines[task] + shortened(said[task], share)[:share] for task in failed]
    return (heading + "\n".join(short))[:_MOST]


def _line(task: str, found: Sequence[str], results: Sequence[Any]) -> str:
    """Return what a task did, in short; empty for a task without counts."""
    failed = list(found).count("failed")
    parts = [in_short(_sum(results))]
    if failed:
        parts.insert(0, f"**failed**{f' ({failed} of {len(found)})' if len(found) > 1 else ''}")
    elif any(state == "upstream_failed" for state in found):
        parts.insert(0, "not run")
    text = ", ".join(part for part in parts if part)
    return f"- {task}: {text}" if text else ""


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
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return
    results = _pushed(session, dag_run, "return_value")
    errors = _pushed(session, dag_run, ERROR)
    states: dict[str, list[str]] = defaultdict(list)
    instances = dag_run.get_task_instances(session=session)
    for instance in sorted(instances, key=lambda one: (one.start_date is None, one.start_date)):
        states[instance.task_id].append(str(instance.state))
    dag_run.note = note(dag_run.note, states, results, errors)


def _pushed(session: Any, dag_run: Any, key: str) -> dict[str, list[Any]]:
    """Return what the tasks of a run pushed under a key, by task."""
    from airflow.models.xcom import XComModel

    found: dict[str, list[Any]] = defaultdict(list)
    query = XComModel.get_many(run_id=dag_run.run_id, key=key, dag_ids=dag_run.dag_id)
    for row in session.scalars(query):
        found[row.task_id].append(XComModel.deserialize_value(row))
    return found
