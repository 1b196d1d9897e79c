"""What is checked at each hand-over of the night: profile the batch, require its suite."""

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

from expectations import profiles
from expectations.validation import require
from firmpulse import runlog, warehouse
from firmpulse.settings import Settings

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

Profile = Callable[["duckdb.DuckDBPyConnection", date], "pd.DataFrame"]


def deliveries(settings: Settings, as_of: date) -> dict[str, Any]:
    """Check what the providers delivered for a night.

    Raises:
        ExpectationFailed: a delivery is empty, or too much of it is broken or repeated.
    """
    return _check(settings, as_of, "delivery", profiles.deliveries)


def features(settings: Settings, as_of: date) -> dict[str, Any]:
    """Check the masked rows, the facts and the feature frame of a night.

    Raises:
        ExpectationFailed: rows were lost between vault and warehouse, or a feature is out of range.
    """
    masked = _check(settings, as_of, "masked", profiles.masked)
    facts = _check(settings, as_of, "facts", profiles.facts)

    def tonight(connection: "duckdb.DuckDBPyConnection", day: date) -> "pd.DataFrame":
        from features import registry
        from features.frame import frame

        known = registry.load(settings)
        return profiles.features(frame(connection, known, profiles.spine(connection, day)), known)

    found = _check(settings, as_of, "features", tonight)
    warnings = masked["warnings"] + facts["warnings"] + found["warnings"]
    return {"features": found["rows"], "warnings": warnings}


def scores(settings: Settings, as_of: date, champion: str | None) -> dict[str, Any]:
    """Check the scores of a night; without a champion there are none to check.

    Raises:
        ExpectationFailed: a firm is missing or twice, or a score is out of range.
    """
    if champion is None:
        return {"message": "no champion, no scores to check"}
    with warehouse.connect(settings) as connection:
        expected = profiles.expected_scores(connection, as_of)
    return _check(settings, as_of, "scores", profiles.scores, {"expected_rows": expected})


def summary(settings: Settings, as_of: date) -> dict[str, int]:
    """Return the counts of a night: deliveries, rows, firms, scores."""
    with warehouse.connect(settings) as connection:
        return profiles.night(connection, as_of)


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
        outcome = require(settings, suite, frame, as_of.isoformat(), parameters)
        step.rows_out = len(frame)
        step.note = "; ".join(outcome.warnings) or None
    return {"rows": len(frame), "warnings": list(outcome.warnings)}
