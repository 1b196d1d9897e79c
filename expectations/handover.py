"""Checks at each hand-over of the night: profile the batch, require its suite."""

from collections.abc import Callable, Collection
from datetime import date
from typing import TYPE_CHECKING, Any

from consent.grants import ASSESSMENT
from consent.ledger import Ledger
from expectations import profiles, verdicts
from expectations import suite as suites
from expectations.validation import Validation, stop_if_failed, validate
from firmpulse import runlog, warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

# Suites whose rows are deliveries, or tables of deliveries.
_OF_DELIVERIES = ("delivery", "masked")
Profile = Callable[["duckdb.DuckDBPyConnection", date], "pd.DataFrame"]


def deliveries(settings: Settings, as_of: date) -> dict[str, Any]:
    """Check what the providers delivered for a night, and earlier deliveries that failed.

    Raises:
        NotReadyError: nothing has landed here yet.
        ExpectationFailed: too much of a delivery is broken, or rows are unaccounted for.
    """
    with warehouse.connect(settings) as connection:
        landed = profiles.has_landed(connection)
    if not landed:
        # Also in the run log, which `firmpulse status` reads.
        with runlog.step(settings, as_of, "validate", "delivery"):
            raise NotReadyError(_nothing_landed(settings, as_of))
    return _check(settings, as_of, "delivery", profiles.deliveries)


def features(settings: Settings, as_of: date) -> dict[str, Any]:
    """Check the masked rows, the facts, the feature frame and its drift of a night.

    Raises:
        ExpectationFailed: rows were lost between vault and warehouse, a feature is out of range,
            or too many have moved away from the champion's training data.
    """
    masked = _check(settings, as_of, "masked", profiles.masked)
    facts = _check(settings, as_of, "facts", profiles.facts)

    def tonight(connection: "duckdb.DuckDBPyConnection", day: date) -> "pd.DataFrame":
        from features import registry
        from features.frame import frame

        known = registry.load(settings)
        return profiles.features(frame(connection, known, profiles.spine(connection, day)), known)

    found = _check(settings, as_of, "features", tonight)
    moved = drift(settings, as_of)
    checks = (masked, facts, found, moved)
    warnings = [warning for check in checks for warning in check["warnings"]]
    return {"features": found["rows"], "warnings": warnings}


def scores(
    settings: Settings,
    as_of: date,
    champion: str | None,
    firm_ids: Collection[str] | None = None,
) -> dict[str, Any]:
    """Check the scores of a night; without a champion there are none to check.

    With `firm_ids`, only these firms were to be scored.

    Raises:
        ExpectationFailed: a firm is missing or twice, or a score is out of range.
    """
    if champion is None:
        return {"message": "no champion, no scores to check"}
    live = Ledger(settings).live(as_of, purposes=ASSESSMENT, recipient=settings.recipient)
    due = set(live["firm_id"]) if firm_ids is None else set(live["firm_id"]) & set(firm_ids)
    with warehouse.connect(settings) as connection:
        expected = profiles.expected_scores(connection, as_of, sorted(due))
    return _check(settings, as_of, "scores", profiles.scores, {"expected_rows": expected})


def summary(settings: Settings, as_of: date) -> dict[str, int]:
    """Return the counts of a night: deliveries, rows, firms, scores."""
    with warehouse.connect(settings) as connection:
        return profiles.night(connection, as_of)


def drift(settings: Settings, as_of: date) -> dict[str, Any]:
    """Check the features of the assessable firms against the champion's training frame."""
    from expectations import stability

    if not stability.measure(settings, as_of):
        return {"warnings": []}
    return _check(settings, as_of, "drift", stability.profile)


def _check(
    settings: Settings,
    as_of: date,
    suite: str,
    profile: Profile,
    parameters: dict[str, float] | None = None,
) -> dict[str, Any]:
    with runlog.step(settings, as_of, "validate", suite) as step:
        with warehouse.connect(settings) as connection:
            frame = profile(connection, as_of)
        outcome = validate(settings, suite, frame, as_of.isoformat(), parameters)
        with warehouse.connect(settings) as connection:
            _record(connection, as_of, frame, outcome)
        stop_if_failed(settings, outcome, _advice(outcome))
        step.rows_out = len(frame)
        step.note = "; ".join(outcome.warnings) or None
    return {"rows": len(frame), "warnings": list(outcome.warnings)}


def _nothing_landed(settings: Settings, as_of: date) -> str:
    if not any(settings.inbox.glob("*/*/manifest.json")):
        return (
            f"the inbox is empty ({settings.inbox}); put deliveries with their manifests into it, "
            f"or simulate some with: firmpulse simulate"
        )
    return (
        f"nothing has landed yet: the deliveries in {settings.inbox} were refused, or were handed "
        f"over after {as_of}"
    )


def _record(
    connection: "duckdb.DuckDBPyConnection",
    as_of: date,
    frame: "pd.DataFrame",
    outcome: Validation,
) -> None:
    """Store the verdict: per delivery if the batch consists of deliveries."""
    if outcome.suite not in _OF_DELIVERIES:
        verdicts.record_night(connection, outcome.suite, as_of, passed=outcome.success)
        return
    landed = frame.dropna(subset="delivery_seq")
    failed: dict[int, str] = {}
    for seq, name in zip(
        landed["delivery_seq"], landed[suites.load(outcome.suite).row], strict=True
    ):
        if said := outcome.broken.get(name):
            failed[int(seq)] = "; ".join(filter(None, (failed.get(int(seq)), *said)))
    passed = sorted({int(seq) for seq in landed["delivery_seq"]} - set(failed))
    verdicts.record_deliveries(connection, outcome.suite, as_of, passed, failed)


def _advice(outcome: Validation) -> str:
    """Return what to do about broken deliveries; every night stops until that is done."""
    if outcome.suite not in _OF_DELIVERIES:
        return ""
    deliveries = dict.fromkeys(name.partition(" / ")[0] for name in outcome.broken)
    accept = "".join(
        f'  firmpulse accept {delivery_id} --because "..."\n' for delivery_id in deliveries
    )
    return (
        "Every night stops here until the cause is fixed or a person accepts the "
        f"delivery as it is:\n{accept}"
    )
