"""Reports to OpenLineage what each step and dbt model read and wrote: table names, never rows.

Events go to a file in the home folder, one file per month, or to the destination that OpenLineage's
variables define (`OPENLINEAGE_URL`, `OPENLINEAGE__TRANSPORT__…`, `OPENLINEAGE_CONFIG`).
"""

import logging
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from firmpulse.settings import Settings

PRODUCER = "urn:firmpulse"
_NAMESPACE, _DEFAULT_NAMESPACE = "OPENLINEAGE_NAMESPACE", "firmpulse"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Table:
    """A table, a delivered file's contract or a model version's name, with its columns."""

    name: str
    # Column → type; empty if not reported.
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A step or a dbt model while it runs."""

    job: str
    as_of: date
    reads: tuple[Table, ...]
    writes: tuple[Table, ...]
    started_at: datetime
    # The step that a model belongs to.
    parent: "Run | None" = None

    @property
    def run_id(self) -> str:
        """The same for the same job and time."""
        from openlineage.client.uuid import generate_static_uuid

        return str(generate_static_uuid(self.started_at, self.job.encode()))


def tables(*names: str) -> tuple[Table, ...]:
    """Return tables of which only the names are reported."""
    return tuple(Table(name) for name in names)


def _named(told: Iterable[Table]) -> tuple[Table, ...]:
    return tables(*(table.name for table in told))


def started(settings: Settings, run: Run) -> None:
    """Emit the start of a run with the names of its tables; their columns follow at its end."""
    named = replace(run, reads=_named(run.reads), writes=_named(run.writes))
    _emit(settings, named, "START", run.started_at, {})


def ended(
    settings: Settings,
    run: Run,
    at: datetime | None = None,
    *,
    error: str | None = None,
    rows: int | None = None,
) -> None:
    """Report that a run succeeded or failed.

    Args:
        settings: home folder.
        run: the run.
        at: time of the end; now by default.
        error: message of a run that failed.
        rows: number of rows in its output, if that is one table.
    """
    facets: dict[str, Any] = {}
    if error is not None:
        from openlineage.client.facet_v2 import error_message_run

        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(error, "python")
    state = "COMPLETE" if error is None else "FAIL"
    _emit(settings, run, state, at or datetime.now(UTC), facets, rows)


def events_path(settings: Settings, day: date) -> Path:
    """Return the file for the events of a month, one event per line."""
    return settings.root / "lineage" / f"{day:%Y-%m}.jsonl"


# The client tries a server that is down for several seconds, and a night has hundreds of events.
_PAUSE_SECONDS = 300
_silent_until = 0.0


def _emit(
    settings: Settings,
    run: Run,
    state: str,
    at: datetime,
    facets: dict[str, Any],
    rows: int | None = None,
) -> None:
    """Send an event; a failure does not stop the step, and none is tried for a while after it."""
    global _silent_until
    if time.monotonic() < _silent_until:
        return
    try:
        from openlineage.client import event_v2

        event = event_v2.RunEvent(
            eventType=getattr(event_v2.RunState, state),
            eventTime=at.isoformat(),
            producer=PRODUCER,
            run=event_v2.Run(runId=run.run_id, facets={**_run_facets(run), **facets}),
            job=event_v2.Job(namespace=_namespace(), name=run.job),
            inputs=[
                event_v2.InputDataset(_namespace(), table.name, facets=_schema(table))
                for table in run.reads
            ],
            outputs=[
                event_v2.OutputDataset(
                    _namespace(),
                    table.name,
                    facets=_schema(table),
                    outputFacets=_written(run, rows),
                )
                for table in run.writes
            ],
        )
        _client(settings, at).emit(event)
    except Exception:
        # Lineage must not stop the work; the failure is in the log of the task.
        _silent_until = time.monotonic() + _PAUSE_SECONDS
        _log.warning(
            "the lineage event of %s could not be sent; events of the next %d seconds are left out",
            run.job,
            _PAUSE_SECONDS,
            exc_info=True,
        )


def _run_facets(run: Run) -> dict[str, Any]:
    from openlineage.client.facet_v2 import nominal_time_run, parent_run

    day = f"{run.as_of.isoformat()}T00:00:00+08:00"
    facets: dict[str, Any] = {"nominalTime": nominal_time_run.NominalTimeRunFacet(day)}
    if parent := _parent(run):
        job, run_id = parent
        facets["parent"] = parent_run.ParentRunFacet(
            parent_run.Run(run_id), parent_run.Job(_namespace(), job)
        )
    return facets


def _parent(run: Run) -> tuple[str, str] | None:
    """Return job and run that this run belongs to: a step, or a run of a DAG."""
    if run.parent is not None:
        return run.parent.job, run.parent.run_id
    dag, dag_run = (os.environ.get(f"AIRFLOW_CTX_DAG_{name}") for name in ("ID", "RUN_ID"))
    if not dag or not dag_run:
        return None
    from openlineage.client.uuid import generate_static_uuid

    day = datetime(run.as_of.year, run.as_of.month, run.as_of.day, tzinfo=UTC)
    return dag, str(generate_static_uuid(day, f"{dag} {dag_run}".encode()))


def _schema(table: Table) -> dict[str, Any]:
    if not table.columns:
        return {}
    from openlineage.client.facet_v2 import schema_dataset

    fields = [
        schema_dataset.SchemaDatasetFacetFields(name, type=kind)
        for name, kind in table.columns.items()
    ]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields)}


def _written(run: Run, rows: int | None) -> dict[str, Any]:
    if rows is None or len(run.writes) != 1:
        return {}
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    return {"outputStatistics": statistics.OutputStatisticsOutputDatasetFacet(rowCount=rows)}


def _namespace() -> str:
    return os.environ.get(_NAMESPACE, _DEFAULT_NAMESPACE)


def _client(settings: Settings, at: datetime) -> Any:
    if any(name.startswith("OPENLINEAGE_") for name in os.environ.keys() - {_NAMESPACE}):
        return _client_of_environment()
    path = events_path(settings, at.date())
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return _client_of_file(path)


@cache
def _client_of_environment() -> Any:
    from openlineage.client import OpenLineageClient

    return OpenLineageClient()


@cache
def _client_of_file(path: Path) -> Any:
    from openlineage.client import OpenLineageClient

    transport = {"type": "file", "log_file_path": str(path), "append": True}
    return OpenLineageClient(config={"transport": transport})
