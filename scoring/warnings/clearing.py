"""A person clears a red level: with a reason, by name, and recorded in the audit chain."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import duckdb

from consent import audit
from consent.reasons import checked_reason
from firmpulse import clock, warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings

_NEWEST = """
    select as_of, level, found_level
    from warehouse.scoring.warning_levels
    where firm_id = ?
    order by as_of desc
    limit 1
"""
_RED_RULES = """
    select rule_id from warehouse.scoring.warnings
    where firm_id = ? and as_of = ? and level = 'red'
    order by rule_id
"""


@dataclass(frozen=True)
class Cleared:
    """What a clearance changed."""

    # Night whose level was red.
    night: date
    # Level from the clearance until the next night.
    level: str


def clear(settings: Settings, firm_id: str, as_of: date, *, reason: str, by: str) -> Cleared:
    """End a firm's red level from `as_of` on; the level found by the rules replaces it.

    Args:
        settings: home folder.
        firm_id: token of the firm.
        as_of: the firm's newest night, or a later day before the next one.
        reason: in words, without names and numbers; kept for years beside the token.
        by: who is responsible for it.

    Raises:
        NotReadyError: the firm is not red then, a red rule still holds, or a later night is known.
        GrantError: the reason seems to contain an identifier.
        ConfigurationError: the day is after today.
    """
    clock.checked(as_of)
    checked_reason(reason)
    with warehouse.connect(settings) as connection:
        night, found_level = _clearable(connection, firm_id, as_of)
        # Recorded before it takes effect: there must be no clearance without an entry.
        audit.append(
            settings, "CLEAR", actor=audit.actor(), subject=firm_id,
            as_of=as_of.isoformat(), level=found_level, reason=reason, by=by,
        )  # fmt: skip
        connection.execute("begin")
        _record(connection, firm_id, as_of, reason, by)
        if night == as_of:
            connection.execute(
                "update warehouse.scoring.warning_levels "
                "set level = found_level, since = as_of, clean_since = null "
                "where firm_id = ? and as_of = ?",
                [firm_id, as_of],
            )
        connection.execute("commit")
    return Cleared(night, found_level)


def _clearable(
    connection: duckdb.DuckDBPyConnection, firm_id: str, as_of: date
) -> tuple[date, str]:
    row = connection.execute(_NEWEST, [firm_id]).fetchone()
    if row is None:
        raise NotReadyError("the firm has no warning level yet; run: firmpulse night")
    night, level, found_level = row
    if night > as_of:
        raise NotReadyError(
            f"the firm's newest night is {night}; clear as of that day: --as-of {night}"
        )
    if level != "red":
        raise NotReadyError(f"the firm is at level {level} on {night}; only red can be cleared")
    if found_level == "red":
        held = [rule for (rule,) in connection.execute(_RED_RULES, [firm_id, night]).fetchall()]
        raise NotReadyError(
            f"on {night} a red rule still holds: {', '.join(held)}; red can be cleared once none "
            f"does"
        )
    return night, found_level


def _record(
    connection: duckdb.DuckDBPyConnection, firm_id: str, as_of: date, reason: str, by: str
) -> None:
    target = "warehouse.scoring.warning_clearances"
    connection.execute(f"delete from {target} where firm_id = ? and as_of = ?", [firm_id, as_of])  # noqa: S608 - constant
    connection.execute(
        f"insert into {target} (firm_id, as_of, reason, cleared_by, cleared_at) "  # noqa: S608 - constant
        f"values (?, ?, ?, ?, ?)",
        [firm_id, as_of, reason, by, datetime.now(UTC)],
    )
