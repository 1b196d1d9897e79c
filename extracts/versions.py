"""Versions of a row: which rows are new to the vault, and in which order.

The versions of a natural key are ordered by the contract's versionOrder if it has one, and by the
hand-over of their delivery. A row is a new version if it differs from the newest version and comes
after it. A row is counted as duplicate if it is equal to the newest version, or superseded: of a
lower versionOrder or an older hand-over than that version, or before it in its own delivery.
Within one delivery, equal rows are one, and rows are ordered by versionOrder, the date on which
the contract says they could be known, and their place.
A new version has the row_id of its key and the next record_version; it is available no earlier than
its delivery and the version before, so that no correction reaches back behind its hand-over.
"""

from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from extracts.contracts import Contract
from extracts.gate import verdict
from extracts.sql import ident, idents, literal
from extracts.staging import Staged
from extracts.statements import as_date


@dataclass(frozen=True)
class Place:
    """Where a delivery's rows go."""

    delivery_id: str
    delivery_seq: int
    # Highest row_id given out before this table.
    last_row_id: int
    delivered_at: datetime
    delivered_on: date
    # A row of an increment is known no earlier than its delivery, even if its key is new.
    is_increment: bool


def store(connection: duckdb.DuckDBPyConnection, staged: Staged, place: Place) -> None:
    """Insert the rows of a judged table that are first or new versions; leave the others out."""
    _find_known(connection, staged.contract, staged.rows, place)
    _find_contested(connection, staged)
    connection.execute(_insert_first_versions(staged, place))
    connection.execute(_insert_contested(staged, place))
    connection.execute(_remember_repeated(staged, place))


def _find_known(
    connection: duckdb.DuckDBPyConnection, contract: Contract, rows: str, place: Place
) -> None:
    """Collect the newest version of each key of a staging table that is in the vault already.

    `is_later` says that a delivery handed over after this one brought or repeated that version.
    """
    order = ident(contract.version_order) if contract.version_order else "null"
    connection.execute(
        f"""
        create or replace temp table known_keys as
        with later as (
            select distinct delivery_seq from vault.ops.deliveries
            where delivered_at > $delivered_at
        ),
        newest as (
            select row_key, any_value(row_id) as row_id, max(record_version) as record_version,
                max(available_at) as available_at,
                arg_max(row_hash, record_version) as row_hash,
                arg_max({order}, record_version) as version_order,
                arg_max(delivery_seq, record_version) as delivery_seq
            from vault.raw.{ident(contract.table)}
            where row_key in (select row_key from {ident(rows)})
            group by row_key
        )
        select * replace (greatest(available_at, $delivered_on) as available_at),
            delivery_seq in (from later) or (row_key, record_version) in (
                select (row_key, record_version) from vault.ops.repeated
                where table_name = $table and delivery_seq in (from later)
            ) as is_later
        from newest
        """,  # noqa: S608 — quoted identifiers
        {
            "delivered_at": place.delivered_at,
            "delivered_on": place.delivered_on,
            "table": contract.table,
        },
    )


def _find_contested(connection: duckdb.DuckDBPyConnection, staged: Staged) -> None:
    """Collect the keys that come more than once or are in the vault already.

    All other rows, nearly the whole of a first delivery, need neither sort nor window.
    """
    connection.execute(f"""
        create or replace temp table contested_keys as
        select row_key from known_keys
        union
        select row_key from {ident(staged.rows)} group by row_key having count(*) > 1
    """)  # noqa: S608 — quoted identifiers


def _target(contract: Contract) -> str:
    own = idents(column.name for column in contract.columns)
    return (
        f"insert into vault.raw.{ident(contract.table)} ({own}, firm, row_id, record_version, "
        f"available_at, delivery_seq, file_no, line, row_key, row_hash)"
    )


def _insert_first_versions(staged: Staged, place: Place) -> str:
    contract = staged.contract
    return f"""
{_target(contract)}
select {idents((c.name for c in contract.columns), "s.")}, s.firm,
    {place.last_row_id + 1} + s.rowid, 1, {_no_earlier("s.available_at", place)},
    {place.delivery_seq}, s.file_no, coalesce(s.line, s.rowid - f.first_rowid + 2), s.row_key,
    s.row_hash
from {ident(staged.rows)} as s
left join firm_gate as g using (firm)
left join {ident(staged.starts)} as f using (file_no)
where {verdict(contract)} = 'good' and s.row_key not in (select row_key from contested_keys)
"""  # noqa: S608 — quoted identifiers, integers and our own SQL


def _insert_contested(staged: Staged, place: Place) -> str:
    """Return the insert of rows that repeat or restate others, in the order of their versions."""
    contract = staged.contract
    order, superseded = "s.available_at, s.file_no, s.place", "k.is_later"
    if contract.version_order:
        version = f"s.{ident(contract.version_order)}"
        order = f"{version}, {order}"
        superseded = f"{version} < k.version_order or {version} = k.version_order and k.is_later"
    return f"""
{_target(contract)}
with good as (
    select s.*, s.rowid as place, coalesce(s.line, s.rowid - f.first_rowid + 2) as line_no
    from {ident(staged.rows)} as s
    left join firm_gate as g using (firm)
    left join {ident(staged.starts)} as f using (file_no)
    where {verdict(contract)} = 'good' and s.row_key in (select row_key from contested_keys)
),
distinct_rows as (
    select s.* from good as s
    qualify row_number() over (partition by s.row_key, s.row_hash order by {order}) = 1
),
fresh as (
    select s.* from distinct_rows as s
    left join known_keys as k using (row_key)
    where not coalesce({superseded}, false)
    -- Neither the known version nor what this delivery has before it.
    qualify not coalesce(bool_or(s.row_hash = k.row_hash) over (
        partition by s.row_key order by {order}
        rows between current row and unbounded following
    ), false)
),
numbered as (
    select s.*,
        coalesce(k.row_id, {place.last_row_id + 1} + min(s.place) over keys) as row_id,
        coalesce(k.record_version, 0) + row_number() over versions as record_version,
        greatest(max(s.available_at) over versions, k.available_at) as known_at
    from fresh as s
    left join known_keys as k using (row_key)
    window
        keys as (partition by s.row_key),
        versions as (partition by s.row_key order by {order})
)
select {idents((c.name for c in contract.columns), "s.")}, s.firm, s.row_id, s.record_version,
    {_no_earlier("s.known_at", place)}, {place.delivery_seq}, s.file_no, s.line_no, s.row_key,
    s.row_hash
from numbered as s
"""  # noqa: S608 — quoted identifiers, integers and our own SQL


def _remember_repeated(staged: Staged, place: Place) -> str:
    """Return the insert of keys whose newest version this delivery repeats.

    What an older delivery says about them is superseded, even if it lands later.
    """
    return f"""
insert into vault.ops.repeated
select distinct {literal(staged.contract.table)}, k.row_key, k.record_version,
    {place.delivery_seq}
from {ident(staged.rows)} as s
inner join known_keys as k on s.row_key = k.row_key and s.row_hash = k.row_hash
left join firm_gate as g on s.firm = g.firm
where {verdict(staged.contract)} = 'good' and not k.is_later
"""  # noqa: S608 — quoted identifiers, integers and our own SQL


def _no_earlier(available_at: str, place: Place) -> str:
    if not place.is_increment:
        return available_at
    return f"greatest({available_at}, {as_date(place.delivered_on)})"
