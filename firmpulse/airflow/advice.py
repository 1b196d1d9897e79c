"""The command that runs a DAG now: by Airflow if its scheduler runs, otherwise in this process."""

import json
import shlex
from collections.abc import Mapping
from datetime import date
from typing import Any

from firmpulse.airflow import services
from firmpulse.settings import Settings

# DAG → command that runs it without a scheduler; other DAGs have none.
_COMMANDS = {
    "run_nightly": "firmpulse night --as-of {as_of}",
    "assess_arrivals": "firmpulse arrivals --as-of {as_of}",
    "train_model": "firmpulse train --as-of {as_of} --approver {approver}",
    "honour_revocations": "firmpulse consent honour",
}
# Placeholders for values that the caller does not have.
_UNKNOWN = {"as_of": "DATE", "approver": "NAME"}
# Nights that are listed one by one.
_FEW = 7


def is_served(settings: Settings) -> bool:
    """Return whether a scheduler owns the runs of this home folder."""
    return services.is_running(settings, "airflow-scheduler")


def run(settings: Settings, dag_id: str, conf: Mapping[str, Any]) -> str:
    """Return the command that runs a DAG with these parameters.

    Args:
        settings: home folder.
        dag_id: a DAG of `dags/`.
        conf: its parameters, such as {"as_of": "2026-10-31"}.
    """
    if is_served(settings):
        return trigger(dag_id, conf)
    command = _COMMANDS.get(dag_id)
    return (
        command.format(**_UNKNOWN | dict(conf))
        if command
        else f"firmpulse up && {trigger(dag_id, conf)}"
    )


def trigger(dag_id: str, conf: Mapping[str, Any]) -> str:
    """Return the command that makes Airflow run a DAG."""
    return f"firmpulse airflow dags trigger {dag_id} --conf {shlex.quote(json.dumps(dict(conf)))}"


def nights(settings: Settings, days: list[date]) -> str:
    """Return the command that runs these nights, oldest first.

    Args:
        settings: home folder.
        days: the nights, without a gap.
    """
    if len(days) == 1:
        return run(settings, "run_nightly", {"as_of": days[0].isoformat()})
    # `completed`: includes dates with an Airflow run but without a night in the run log.
    backfill = (
        f"firmpulse airflow backfill create --dag-id run_nightly --from-date {days[0]} "
        f"--to-date {days[-1]} --reprocess-behavior completed"
    )
    if is_served(settings):
        return backfill
    if len(days) <= _FEW:
        one_by_one = " && ".join(f"firmpulse night --as-of {day}" for day in days)
        return f"{one_by_one}; or, by the scheduler: firmpulse up && {backfill}"
    return f"firmpulse up && {backfill}"
