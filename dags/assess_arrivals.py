"""From a delivery that arrives by day to published scores and warnings of its firms.

**Reads** the inbox, as `run_nightly` does. A watcher polls it every two seconds; a delivery with
more rows than `FIRMPULSE_ARRIVAL_ROWS` waits for the night. **Writes** what the night writes, with
scores and warnings only of the touched firms; those of all others do not change.

**Date.** The watcher's event contains it: the day on which the delivery arrived, in China. Give any
other run its date: trigger with `{"as_of": "2026-11-01"}`. A date after today is refused.

**Re-run.** Clear the task, or trigger it again: the warehouse records
which firms are still to be assessed, so the next run completes a killed one.
"""

from datetime import date
from typing import Any

from airflow.sdk import Asset, AssetWatcher, Param, dag, task

from extracts.arrival_trigger import DeliveryArrived
from firmpulse.airflow.asof import of_arrivals
from firmpulse.airflow.schedule import TASK_DEFAULTS, first_day
from firmpulse.settings import Settings
from firmpulse.sources import SOURCES

AS_OF = "{{ of_arrivals(params.as_of, triggering_asset_events) }}"
DELIVERIES = Asset("deliveries", watchers=[AssetWatcher("inbox", trigger=DeliveryArrived())])


@task(outlets=[Asset("scores")])
def assess(as_of: str) -> dict[str, Any]:
    """Land, mask, build, score, warn and publish: one process, because start-up dominates."""
    from erasure import withdrawals
    from expectations import handover
    from extracts.vault import nightly
    from features.build import build
    from scoring import batch, hidden_champions, publish, touched
    from scoring.warnings import night as warning

    settings, day = Settings(), date.fromisoformat(as_of)
    for source in SOURCES:
        nightly.land(settings, source, day)
    handover.deliveries(settings, day)
    if not touched.is_anything_due(settings):
        return {"firms": 0, "message": "no firm has new data"}
    build(settings, day, "all")
    firms, through = touched.touched(settings)
    handover.features(settings, day)
    scored = batch.score(settings, day, firms)
    warned = warning.warn(settings, day, firms)
    hidden_champions.find(settings, day, firms)
    handover.scores(settings, day, scored.champion, firms)
    publish.publish(settings, day, withdrawals.withheld(settings))
    touched.settle(settings, through)
    return {"firms": len(firms), "scored": scored.scored, "warnings": sum(warned.rules.values())}


@dag(
    schedule=[DELIVERIES],
    start_date=first_day(Settings()),
    catchup=False,
    max_active_runs=1,
    params={"as_of": Param(None, type=["string", "null"], format="date")},
    default_args=TASK_DEFAULTS,
    user_defined_macros={"of_arrivals": of_arrivals},
    doc_md=__doc__,
    tags=["firmpulse"],
)
def assess_arrivals() -> None:
    """One task."""
    assess(AS_OF)


assess_arrivals()
