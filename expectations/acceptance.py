"""Rules of suites whose failure a person has accepted, so that the nights go on.

A delivery that failed is accepted by its id (`expectations.verdicts`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import duckdb

from consent import audit
from expectations import suite as suites
from firmpulse import warehouse
from firmpulse.errors import ConfigurationError, NotReadyError
from firmpulse.settings import Settings
from firmpulse.stored_tables import ACCEPTED_RULES

# Suites whose rows are deliveries, or tables of deliveries.
OF_DELIVERIES = ("delivery", "masked")
OF_NIGHTS = ("facts", "features", "drift", "scores")


@dataclass(frozen=True)
class Accepted:
    """A rule whose failure is accepted for the nights from the first to the last."""

    suite: str
    rule: str
    first_night: date
    last_night: date
    because: str
    accepted_by: str


def accept(settings: Settings, wanted: Accepted) -> None:
    """Accept the failure of a rule from a night on that it has stopped.

    Raises:
        ConfigurationError: there is no such suite or rule, it only warns, or the dates are swapped.
        NotReadyError: the rule did not fail on the first night.
    """
    if wanted.suite in OF_DELIVERIES:
        raise ConfigurationError(
            f"the suite {wanted.suite} judges deliveries, and each is accepted by its id: "
            f"firmpulse accept DELIVERY --because REASON"
        )
    rule = suites.load(wanted.suite).expectation(wanted.rule)
    if rule.severity == "warning":
        raise ConfigurationError(
            f"{wanted.suite} {wanted.rule} only warns and stops no night; nothing to accept"
        )
    if wanted.last_night < wanted.first_night:
        raise ConfigurationError(
            f"--until {wanted.last_night} is before --as-of {wanted.first_night}; "
            f"give the last night for which it is accepted"
        )
    _require_failed(settings, wanted)
    audit.append(
        settings, "ACCEPT", actor=audit.actor(), suite=wanted.suite, rule=wanted.rule,
        first_night=wanted.first_night.isoformat(), last_night=wanted.last_night.isoformat(),
        because=wanted.because, accepted_by=wanted.accepted_by,
    )  # fmt: skip
    row = {**vars(wanted), "accepted_at": datetime.now(UTC)}
    with warehouse.connect(settings) as connection:
        connection.execute(ACCEPTED_RULES.insert_sql(row), row)


def of_night(connection: duckdb.DuckDBPyConnection, suite: str, as_of: date) -> Mapping[str, str]:
    """Return the accepted rules of a suite in a night → who accepted each, and why."""
    rows = connection.execute(
        "select rule, arg_max(accepted_by || ': ' || because, accepted_at) "
        "from warehouse.ops.accepted_rules "
        "where suite = ? and ? between first_night and last_night group by rule",
        [suite, as_of],
    ).fetchall()
    return dict(rows)


def listed(settings: Settings) -> list[Accepted]:
    """Return every acceptance, the newest first."""
    if not settings.warehouse_path.exists():
        return []
    with warehouse.connect(settings) as connection:
        rows = connection.execute(
            "select suite, rule, first_night, last_night, because, accepted_by "
            "from warehouse.ops.accepted_rules order by accepted_at desc"
        ).fetchall()
    return [Accepted(*row) for row in rows]


def _require_failed(settings: Settings, wanted: Accepted) -> None:
    with warehouse.connect(settings) as connection:
        rows = connection.execute(
            "select broke from warehouse.ops.verdicts "
            "where suite = ? and as_of = ? and delivery_seq is null and not passed",
            [wanted.suite, wanted.first_night],
        ).fetchall()
    failed = rows[0][0].split(", ") if rows else []
    if wanted.rule not in failed:
        seen = f"it broke {', '.join(failed)}" if failed else "no rule of it failed"
        raise NotReadyError(
            f"{wanted.suite} {wanted.rule} did not stop the night of {wanted.first_night}: {seen}; "
            f"the message of a stopped night names what to accept"
        )
