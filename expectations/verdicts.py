"""Which deliveries and nights passed their checks: the warehouse's `ops.verdicts`.

A failed delivery is checked again every night until it passes or a person accepts it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

import duckdb

from consent import audit
from firmpulse import warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from firmpulse.stored_tables import VERDICTS

_ACCEPT = """
update warehouse.ops.verdicts
set passed = true, accepted_because = $because
where
    -- Of a passed one, firms may be quarantined.
    (not passed or exists (
        select 1 from warehouse.scoring.quarantined_firms
        where suite = 'delivery' and starts_with(column_name, $delivery_id || ' / ')
    ))
    and delivery_seq in (
        select delivery_seq from warehouse.ops.deliveries where delivery_id = $delivery_id
    )
returning suite
"""


def record_night(
    connection: duckdb.DuckDBPyConnection, suite: str, as_of: date, failed: Sequence[str]
) -> None:
    """Replace the verdict of a suite on a night: the rules that failed and stop it."""
    connection.execute("begin")
    connection.execute(
        "delete from warehouse.ops.verdicts where suite = ? and as_of = ? and delivery_seq is null",
        [suite, as_of],
    )
    _insert(connection, suite, as_of, None, not failed, ", ".join(failed) or None)
    connection.execute("commit")


def record_deliveries(
    connection: duckdb.DuckDBPyConnection,
    suite: str,
    as_of: date,
    passed: Sequence[int],
    failed: Mapping[int, str],
) -> None:
    """Replace the verdicts of a suite on deliveries by delivery_seq: passed, or what broke."""
    connection.execute("begin")
    for delivery_seq in (*passed, *failed):
        connection.execute(
            "delete from warehouse.ops.verdicts where suite = ? and delivery_seq = ?",
            [suite, delivery_seq],
        )
        broke = failed.get(delivery_seq)
        _insert(connection, suite, as_of, delivery_seq, broke is None, broke)
    connection.execute("commit")


def accept(settings: Settings, delivery_id: str, because: str) -> tuple[str, ...]:
    """Accept a delivery that failed its checks and return the suites it had failed.

    Raises:
        NotReadyError: no such delivery has failed.
    """
    with warehouse.connect(settings) as connection:
        accepted = connection.execute(
            _ACCEPT, {"delivery_id": delivery_id, "because": because}
        ).fetchall()
    if not accepted:
        raise NotReadyError(
            f"no delivery {delivery_id!r} has failed a check; "
            f"the message of the stopped night names those that have"
        )
    audit.append(settings, "ACCEPT", actor=audit.actor(), delivery_id=delivery_id, because=because)
    return tuple(suite for (suite,) in accepted)


def _insert(
    connection: duckdb.DuckDBPyConnection,
    suite: str,
    as_of: date,
    delivery_seq: int | None,
    passed: bool,
    broke: str | None,
) -> None:
    row = {
        "suite": suite, "as_of": as_of, "delivery_seq": delivery_seq, "passed": passed,
        "checked_at": datetime.now(UTC), "broke": broke,
    }  # fmt: skip
    connection.execute(VERDICTS.insert_sql(row), row)
