"""The gate at load time: which firms of a delivery may be stored, and from which day."""

from datetime import date

import duckdb

from consent import today
from consent.codes import Codes
from consent.ledger import Ledger
from extracts.contracts import Contract
from extracts.reading.sql import ident
from firmpulse import uscc
from firmpulse.settings import Settings

# One row per firm of the delivered table.
FIRMS = "firm_gate"

_CREATE = """
create or replace temp table firm_gate (
    firm varchar, first_event date, is_valid boolean, is_off_standard boolean, is_granted boolean,
    window_start date)
"""


def open_gate(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    contract: Contract,
    rows: str,
    as_of: date,
) -> bool:
    """Judge each firm of staged rows; the verdicts are in the temp table `firm_gate`.

    Returns:
        Whether every row of every firm may be stored.
    """
    first_event = "min(event_at)" if contract.windowed else "null::date"
    found = connection.execute(
        f"select firm, {first_event} from {ident(rows)} group by firm"  # noqa: S608 — quoted
    ).fetchall()
    firms = {firm: first for firm, first in found if firm is not None}
    codes = Codes(settings)
    valid = {firm: is_valid(firm, codes) for firm in firms}
    connection.execute(_CREATE)
    connection.execute(
        "insert into firm_gate "
        "select unnest($firms), unnest($first::date[]), unnest($valid), unnest($off), $open, null",
        {
            "firms": list(firms),
            "first": list(firms.values()),
            "valid": list(valid.values()),
            "off": [not v and uscc.is_off_standard(f.partition(":")[2]) for f, v in valid.items()],
            "open": not contract.grant_required,
        },
    )
    if contract.grant_required:
        _apply_grants(connection, settings, contract.source, as_of)
    else:
        _refuse_withdrawn(connection, settings, as_of)
    (is_open,) = connection.execute("""
        select coalesce(bool_and(
            is_valid and is_granted and not coalesce(first_event < window_start, false)
        ), true) from firm_gate
    """).fetchall()[0]
    return bool(is_open)


def is_valid(firm: str, codes: Codes) -> bool:
    """Whether an identifier `scheme:value` passes the check of its scheme."""
    return codes.problem_of(*firm.split(":", 1)) is None


def _apply_grants(
    connection: duckdb.DuckDBPyConnection, settings: Settings, source: str, as_of: date
) -> None:
    live = Ledger(settings).live(as_of, source, recipient=settings.recipient)
    grants = live.select("firm_id", "window_start").to_arrow()
    connection.register("live_grants", grants)
    connection.execute("""
        update firm_gate set is_granted = true, window_start = granted.window_start
        from (
            select cast(firm_id as uuid) as firm_id, min(window_start) as window_start
            from live_grants group by firm_id
        ) as granted
        where token('firm', firm_gate.firm) = granted.firm_id
    """)
    connection.unregister("live_grants")


def _refuse_withdrawn(
    connection: duckdb.DuckDBPyConnection, settings: Settings, as_of: date
) -> None:
    """Refuse rows that need no grant for firms that withdrew all grants: they are erased.

    This excludes a firm that had none left on a past night but has one today.
    """
    ledger = Ledger(settings)
    here = set(ledger.live(today.surely(settings))["firm_id"])
    gone = [firm_id for firm_id in ledger.withdrawn(as_of) if firm_id not in here]
    connection.execute(
        "update firm_gate set is_granted = false "
        "where list_contains($gone, cast(token('firm', firm) as varchar))",
        {"gone": gone},
    )


def verdict(contract: Contract) -> str:
    """Return SQL of a row's verdict over staging `s` left joined to `firm_gate` as `g`.

    A firm without a grant is refused before its record could reach the quarantine.
    """
    early = "or s.event_at < g.window_start" if contract.windowed else ""
    return f"""
        case
            when s.firm is null then 'quarantined'
            when not g.is_valid then 'quarantined'
            when not g.is_granted {early} then 'refused'
            when s.finding is not null then 'quarantined'
            else 'good'
        end"""
