"""Features of a month, rebuilt from the existing facts.

For a changed definition: a night builds only what is missing or has new data, so older months keep
the old definition until they are rebuilt. Dates of knowledge do not change.

**Reads** the facts and the masked rows. **Writes** the feature views, at the dates of one month.

**Date.** A scheduled run is for the previous month. Give any other run a day of the month:
trigger with `{"as_of": "2026-10-31", "view": "feat_bank_monthly"}`; without a view it builds all.

**Re-run.** Clear the failed task; it may run twice.

**Backfill.** `firmpulse airflow backfill create --dag-id rebuild_features --from-date 2026-01-01
--to-date 2026-10-31 --dag-run-conf '{"view": "feat_bank_monthly"}'`: one run per month, oldest
first. A view with new columns must be rebuilt as a whole first, with
`firmpulse features backfill --view NAME`.
"""

from datetime import date
from typing import Any

from airflow.sdk import Param, task

from firmpulse.airflow.schedule import AS_OF, dated_dag, first_day
from firmpulse.settings import Settings


@task
def rebuild(as_of: str, params: dict[str, Any] | None = None) -> dict[str, int]:
    """Build the views at the dates of the month; returns the rows of each."""
    from features import build, registry
    from firmpulse.calendar import month_end, month_start

    settings, day = Settings(), date.fromisoformat(as_of)
    view = (params or {}).get("view")
    views = [view] if view else registry.load(settings).views()
    return dict(build.backfill(settings, views, (month_start(day), month_end(day))).rows)


@dated_dag(
    "0 9 1 * *",
    first_day(Settings()).replace(day=1),
    __doc__,
    {
        "view": Param(None, type=["string", "null"]),
    },
)
def rebuild_features() -> None:
    """One task per run."""
    rebuild(AS_OF)


rebuild_features()
