"""Is the champion still valid? Measured once a month, and on request.

**Reads** the scores, the features' drift, the outcomes known at `as_of`, and the training frame of
the champion. **Writes** `model_health`: the PSI of scores and features, defaults observed
to expected with a test, the AUC of published scores whose twelve months are over, the default rate
of each grade, and the performance of the warning rules; then publishes it beside the scores.

**Date.** A scheduled run is for the last day of the previous month. Give any other run its date:
trigger with `{"as_of": "2026-10-31"}`.

**Re-run.** Clear the task; it replaces what it measured for the date.

**Backfill.** `firmpulse airflow backfill create --dag-id monitor_model --from-date 2026-01-01
--to-date 2026-10-31` measures today's champion at each month end.
"""

from datetime import date
from typing import Any

from airflow.sdk import task

from firmpulse.airflow.schedule import AS_OF, dated_dag, first_day
from firmpulse.settings import Settings


@task
def measure(as_of: str) -> dict[str, Any]:
    """Measure the champion; returns the number of measures per light, and the red ones."""
    from collections import Counter

    from operations import health

    found = health.measure(Settings(), date.fromisoformat(as_of))
    red = [one.metric for one in found if one.light == "red"]
    return {**Counter(one.light for one in found), "red_ones": red}


@task
def publish() -> str:
    """Publish the measures beside the published scores."""
    from erasure import withdrawals
    from scoring import publish

    settings = Settings()
    return publish.publish_again(settings, withdrawals.withheld(settings)).name


@dated_dag("0 5 1 * *", first_day(Settings()).replace(day=1), __doc__)
def monitor_model() -> None:
    """Measure, then publish."""
    measure(AS_OF) >> publish()


monitor_model()
