"""From the night's deliveries to published scores.

**Reads** the grants in the inbox, the deliveries that providers put there or offered for pulling on
or before `as_of`, and the champion model. **Writes** the vault, the masked rows, facts, features,
scores, warnings and hidden champions of the warehouse, the published scores file, the portfolio
pages and the Data Docs. At the end, raw rows past the correction window are purged, and data whose
authorisation has ended by today are erased, for any night.

**Date.** A scheduled run starts at midnight in China and is for the day that has just ended. Give
any other run its date: trigger with `{"as_of": "2026-10-31"}`. The first task refuses a date after
today.

**Re-run.** Clear the failed task; every task may run twice. A refused delivery does not fail the
run; it stays in the inbox and is tried again the next night. If landing one source crashes, the
night continues with the others, and the run as a whole is marked failed.

**Backfill.** `firmpulse airflow backfill create --dag-id run_nightly --from-date 2026-10-01
--to-date 2026-10-31` runs every night from the first to the last of October, one at a time, oldest
first. Nights missed while the scheduler was down are not run automatically.
"""

from datetime import date
from typing import Any

from airflow.sdk import Asset, TriggerRule, task

from firmpulse.airflow.schedule import AS_OF, dated_dag, first_day, wait_for_turn
from firmpulse.settings import Settings
from firmpulse.sources import SOURCES


@task
def import_grants(as_of: str) -> dict[str, Any]:
    """Update the consent ledger, once earlier nights have ended.

    It takes the date because a wrong one must stop the night before anything is done.
    """
    from consent import intake

    wait_for_turn()
    return intake.import_night(Settings())


@task
def pull(as_of: str) -> dict[str, Any]:
    """Request what is granted from providers, and pull what they offer into the inbox."""
    from extracts.connectors import fetch

    return fetch.fetch(Settings(), date.fromisoformat(as_of))


@task(map_index_template="{{ task.op_kwargs['source'] }}")
def land(source: str, as_of: str) -> dict[str, int]:
    """Land every waiting delivery of one source."""
    from extracts.vault import nightly

    return nightly.land(Settings(), source, date.fromisoformat(as_of)).summary()


@task(trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
def validate_deliveries(as_of: str) -> dict[str, Any]:
    """Check volumes and shares of what landed."""
    from expectations import handover

    return handover.deliveries(Settings(), date.fromisoformat(as_of))


@task(outlets=[Asset("masked_rows"), Asset("features")])
def build(as_of: str) -> dict[str, int]:
    """Mask what has landed, and update facts and features with it."""
    from features.build import build

    return {"models_and_tests": len(build(Settings(), date.fromisoformat(as_of), "all"))}


@task
def validate_features(as_of: str) -> dict[str, Any]:
    """Check masked rows, facts and the night's features."""
    from expectations import handover

    return handover.features(Settings(), date.fromisoformat(as_of))


@task
def score(as_of: str) -> dict[str, Any]:
    """Score every firm of the night with the champion, if there is one."""
    from scoring import batch, touched

    through = touched.newest(Settings())
    report = batch.score(Settings(), date.fromisoformat(as_of))
    return {
        "champion": report.champion, "scored": report.scored,
        "message": "" if report.scored else report.message, "_through": through,
    }  # fmt: skip


@task
def warn(as_of: str) -> dict[str, Any]:
    """Check the early-warning rules for every firm, and update its warning level."""
    from scoring.warnings import night

    return night.warn(Settings(), date.fromisoformat(as_of)).summary()


@task
def find_champions(as_of: str) -> int:
    """Find small firms with a strong position in the trade of their industry."""
    from scoring import hidden_champions

    return hidden_champions.find(Settings(), date.fromisoformat(as_of))


@task
def validate_scores(as_of: str, scored: dict[str, Any]) -> dict[str, Any]:
    """Check the night's scores before they are published."""
    from expectations import handover

    return handover.scores(Settings(), date.fromisoformat(as_of), scored["champion"])


@task(outlets=[Asset("scores")])
def publish(as_of: str, scored: dict[str, Any]) -> str:
    """Replace the published file, without firms that have withdrawn."""
    from erasure import withdrawals
    from scoring import publish, touched

    settings, day = Settings(), date.fromisoformat(as_of)
    published = publish.publish(settings, day, withdrawals.withheld(settings))
    touched.settle(settings, scored["_through"])
    return published.name


@task
def report(as_of: str) -> list[str]:
    """Write the portfolio pages of the night."""
    from scoring.pages import write

    settings, day = Settings(), date.fromisoformat(as_of)
    return [write.portfolio(settings, day, language).name for language in ("zh", "en")]


@task
def purge_raw(as_of: str) -> dict[str, Any]:
    """Delete raw rows that are masked and past the correction window."""
    from extracts.vault import purge

    return purge.purge(Settings(), date.fromisoformat(as_of)).summary()


@task(trigger_rule=TriggerRule.ALL_DONE)
def erase(as_of: str) -> dict[str, int]:
    """Erase what has ended by today, even if the night itself failed."""
    from erasure import honour

    return honour.honour(Settings(), date.fromisoformat(as_of)).summary()


@task
def summarise(as_of: str) -> dict[str, int]:
    """Count what the night did; runs only if every source and every step succeeded."""
    from expectations import handover

    return handover.summary(Settings(), date.fromisoformat(as_of))


@dated_dag("0 0 * * *", first_day(Settings()), __doc__)
def run_nightly() -> None:
    """Chain the tasks."""
    landed = land.partial(as_of=AS_OF).expand(source=list(SOURCES))
    scored = score(AS_OF)
    (
        import_grants(AS_OF)
        >> pull(AS_OF)
        >> landed
        >> validate_deliveries(AS_OF)
        >> build(AS_OF)
        >> validate_features(AS_OF)
        >> scored
    )
    published = publish(AS_OF, scored)
    scored >> warn(AS_OF) >> find_champions(AS_OF) >> validate_scores(AS_OF, scored) >> published
    published >> report(AS_OF) >> purge_raw(AS_OF) >> erase(AS_OF)
    [landed, published] >> summarise(AS_OF)


run_nightly()
