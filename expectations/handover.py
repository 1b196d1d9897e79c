"""Checks at each hand-over of the night: profile the batch, require its suite."""

from collections.abc import Callable, Collection
from datetime import date
from typing import TYPE_CHECKING, Any

from consent.grants import ASSESSMENT
from consent.ledger import Ledger
from expectations import acceptance, profiles, quarantine, unreadable, verdicts
from expectations import suite as suites
from expectations.profiles import Batch
from expectations.validation import Validation, stop_if_failed, validate
from firmpulse import runlog, warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

Profile = Callable[["duckdb.DuckDBPyConnection", date], "Batch | pd.DataFrame"]


def deliveries(settings: Settings, as_of: date) -> dict[str, Any]:
    """Check what the providers delivered for a night, and earlier deliveries that failed.

    A few firms whose rows could not be read are quarantined until these have landed.

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
    limits = suites.load("delivery").unreadable

    def tonight(connection: "duckdb.DuckDBPyConnection", day: date) -> Batch:
        found = unreadable.firms(connection, int(limits["least_rows"]), limits["share"])
        return profiles.deliveries(connection, day, found)

    return _check(settings, as_of, "delivery", tonight, vault=True)


def features(settings: Settings, as_of: date) -> dict[str, Any]:
    """Check the masked rows, the facts, the feature frame and its drift of a night.

    A few firms with an impossible feature are quarantined for the night.

    Raises:
        ExpectationFailed: rows were lost between vault and warehouse, a feature is out of range for
            many firms, or too many have moved away from the champion's training data.
    """
    masked = _check(settings, as_of, "masked", profiles.masked)
    facts = _check(settings, as_of, "facts", profiles.facts)

    def tonight(connection: "duckdb.DuckDBPyConnection", day: date) -> Batch:
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

    With `firm_ids`, only these firms were to be scored. A few firms with an impossible score are
    quarantined, and their scores are not published.

    Raises:
        ExpectationFailed: a firm is missing or twice, or many scores are out of range.
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
    *,
    vault: bool = False,
) -> dict[str, Any]:
    with runlog.step(settings, as_of, "validate", suite) as step:
        with warehouse.connect(settings, vault=vault) as connection:
            found = profile(connection, as_of)
            accepted = acceptance.of_night(connection, suite, as_of)
        batch = found if isinstance(found, Batch) else Batch(found)
        outcome = validate(settings, suite, batch, as_of.isoformat(), parameters, accepted)
        with warehouse.connect(settings) as connection:
            _record(connection, as_of, batch.frame, outcome)
        stop_if_failed(settings, outcome, _advice(outcome, as_of))
        step.rows_out = len(batch.frame)
        step.note = "; ".join(outcome.warnings) or None
    return {"rows": len(batch.frame), "warnings": list(outcome.warnings)}


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
    """Store the verdict, per delivery if the batch consists of deliveries, and whom it names."""
    if suites.load(outcome.suite).judges_firms:
        quarantine.record(connection, outcome.suite, as_of, outcome.quarantined)
    if outcome.suite not in acceptance.OF_DELIVERIES:
        verdicts.record_night(connection, outcome.suite, as_of, outcome.failed_rules)
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


def _advice(outcome: Validation, as_of: date) -> str:
    """Return what to do; the night, or every night, stops until that is done."""
    if outcome.suite not in acceptance.OF_DELIVERIES:
        commands = "".join(
            f"  firmpulse checks accept {outcome.suite} {rule} --as-of {as_of} "
            f'--because "..." --by NAME\n'
            for rule in outcome.failed_rules
        )
        return (
            "The night stops here. Fix the cause and run it again, or accept what is right as it "
            f"is:\n{commands}"
        )
    deliveries = dict.fromkeys(name.partition(" / ")[0] for name in outcome.broken)
    accept = "".join(
        f'  firmpulse accept {delivery_id} --because "..."\n' for delivery_id in deliveries
    )
    return (
        "Every night stops here until the cause is fixed or a person accepts the "
        f"delivery as it is:\n{accept}"
    )
