"""Statements that store the rows of a table as versions; `extracts.vault.versions` runs them."""

from dataclasses import dataclass
from datetime import date, datetime

from extracts.contracts import Contract
from extracts.reading.row_sql import as_date, booking_key, row_hash
from extracts.reading.sql import ident, idents
from extracts.reading.staging import PICKED, PICKED_ROWS, ROWS
from extracts.vault.gate import verdict


@dataclass(frozen=True)
class Place:
    """Where a delivery's rows go."""

    delivery_id: str
    delivery_seq: int
    # Highest row_id assigned before this chunk; the row at place `p` gets `p + 1` more.
    last_row_id: int
    delivered_at: datetime
    delivered_on: date
    # A row of an increment is known no earlier than its delivery, even with a new key.
    is_increment: bool


def take_out(contract: Contract, place: Place) -> str:
    """Return the insert that returns stored rows, with the day of the contract's formula."""
    own = idents(c.name for c in contract.columns)
    return f"""
insert into contested
with stored as (
    select * exclude (available_at), {as_date(place.delivered_on)} as delivered_on
    from vault.raw.{ident(contract.table)}
    where delivery_seq = {place.delivery_seq} and row_key in (select row_key from again)
)
select {own}, firm, cast({contract.available_at} as date), row_key,
    {row_hash(contract)} as row_hash, file_no, line, row_id
from stored
"""  # noqa: S608 — quoted identifiers and our own SQL


def _target(contract: Contract) -> str:
    own = idents(column.name for column in contract.columns)
    return (
        f"insert into vault.raw.{ident(contract.table)} ({own}, firm, row_id, record_version, "
        f"available_at, delivery_seq, file_no, line, row_key)"
    )


def insert_first_versions(
    contract: Contract, place: Place, *, is_open: bool, any_known: bool
) -> str:
    """Return the insert of the good rows of the chunk with keys new to the vault."""
    join, good = "", "s.finding is null"
    if not is_open:
        join, good = "left join firm_gate as g using (firm)", f"{verdict(contract)} = 'good'"
    new = "and s.row_key not in (select row_key from known_keys)" if any_known else ""
    return f"""
{_target(contract)}
select {idents((c.name for c in contract.columns), "s.")}, s.firm,
    {place.last_row_id + 1} + s.place, 1, {_no_earlier("s.available_at", place)},
    {place.delivery_seq}, s.file_no, s.line, s.row_key
from {ROWS} as s {join}
where {good} {new}
"""  # noqa: S608 — quoted identifiers, integers and our own SQL


def find_known(contract: Contract, place: Place, keys: str) -> str:
    """Return the statement that makes a table of the newest known version of each of `keys`."""
    order = ident(contract.version_order) if contract.version_order else "null::integer"
    columns = "row_key as stored_key, row_id, record_version, available_at, delivery_seq"
    made, kept, steps = "", "", f"newest as ({_newest('seen', 'stored_key')})"
    if contract.key_trust.apart:
        keys += " union all select row_key from shared_keys"
        made, kept = f", {booking_key(contract)} as booking_key", ", booking_key"
        shared = "stored_key in (select row_key from shared_keys)"
        actual = f"case when {shared} then booking_key else stored_key end"
        steps = (
            f"stored as ({_newest('seen', 'stored_key', 'booking_key')}), "
            f"newest as ({_newest('stored', actual, 'booking_key')})"
        )
    table = ident(contract.table)
    return f"""
create or replace temp table known_keys as
with later as (
    select distinct delivery_seq from vault.ops.deliveries where delivered_at > $delivered_at
),
seen as (
    select {columns}, {order} as version_order, {row_hash(contract)} as row_hash{made}
    from vault.raw.{table} where delivery_seq < $seq and row_key in ({keys})
    union all by name
    select {columns}, version_order, row_hash{kept}
    from vault.known.{table} where row_key in ({keys})
),
{steps}
select * replace (greatest(available_at, $delivered_on) as available_at),
    delivery_seq in (from later) or (stored_key, record_version) in (
        select (row_key, record_version) from vault.ops.repeated
        where table_name = $table and delivery_seq in (from later)
    ) as is_later
from newest
"""  # noqa: S608 — quoted identifiers and our own SQL


def _newest(relation: str, key: str, *more: str) -> str:
    names = ("stored_key", "row_hash", "version_order", "delivery_seq", *more)
    picked = ", ".join(f"arg_max({name}, record_version) as {name}" for name in names)
    return (
        f"select {key} as row_key, any_value(row_id) as row_id, "  # noqa: S608 — our own SQL
        f"max(record_version) as record_version, max(available_at) as available_at, {picked} "
        f"from {relation} group by {key}"
    )


def pick_others(contract: Contract, place: Place) -> str:
    """Return the insert of the places of the rows that `insert_first_versions` left."""
    return f"""
insert into {PICKED}
select place from {ROWS}
where {place.last_row_id + 1} + place not in (
    select row_id from vault.raw.{ident(contract.table)} where delivery_seq = {place.delivery_seq}
)
"""  # noqa: S608 — quoted identifiers and integers


def take_others(contract: Contract, place: Place) -> str:
    """Return the statement that makes a table of those rows, each with its verdict."""
    return f"""
create or replace temp table others as
with judged as (
    select s.* replace ({place.last_row_id + 1} + s.place as place), g.is_valid, g.is_off_standard,
        {verdict(contract)} as verdict
    from {PICKED_ROWS} as s
    left join firm_gate as g using (firm)
)
select *, case when verdict = 'good' then {row_hash(contract)} end as row_hash from judged
"""  # noqa: S608 — quoted identifiers, integers and our own SQL


def keep_echoes(contract: Contract) -> str:
    """Return the insert of places at which the chunk repeats a known newest version."""
    return f"""
insert into echoes
select s.row_key, k.record_version, k.is_later, struct_pack({position(contract, "s")})
from others as s
inner join known_keys as k on s.row_key = k.row_key and s.row_hash = k.row_hash
where s.verdict = 'good'
"""  # noqa: S608 — quoted identifiers


def keep_contested(contract: Contract) -> str:
    """Return the insert of the other good rows of the chunk, which must wait."""
    return f"""
insert into contested
select {idents((c.name for c in contract.columns), "s.")}, s.firm, s.available_at, s.row_key,
    s.row_hash, s.file_no, s.line, s.place
from others as s
left join known_keys as k on s.row_key = k.row_key and s.row_hash = k.row_hash
where s.verdict = 'good' and k.row_key is null
"""  # noqa: S608 — quoted identifiers


def position(contract: Contract, alias: str) -> str:
    """Return SQL of the fields that order the rows of one key within a delivery."""
    parts = [contract.version_order] if contract.version_order else []
    names = [*parts, "available_at", "file_no", "place"]
    return ", ".join(f"o{n} := {alias}.{ident(name)}" for n, name in enumerate(names))


def insert_contested(contract: Contract, place: Place) -> str:
    """Return the insert of rows that repeat or restate others, in version order."""
    order, superseded = "s.available_at, s.file_no, s.place", "k.is_later"
    if contract.version_order:
        version = f"s.{ident(contract.version_order)}"
        order = f"{version}, {order}"
        superseded = f"{version} < k.version_order or {version} = k.version_order and k.is_later"
    return f"""
{_target(contract)}
with distinct_rows as (
    select s.* from contested as s
    qualify row_number() over (partition by s.row_key, s.row_hash order by {order}) = 1
),
first_echoes as (
    select row_key, min(position) as position from echoes
    where row_key in (select row_key from contested) group by row_key
),
fresh as (
    select s.* from distinct_rows as s
    left join known_keys as k using (row_key)
    left join first_echoes as e using (row_key)
    -- After the known version, and after its repetition in this delivery.
    where not coalesce({superseded}, false)
        and (e.position is null or struct_pack({position(contract, "s")}) > e.position)
),
numbered as (
    select s.*,
        coalesce(k.row_id, min(s.place) over keys) as row_id,
        coalesce(k.record_version, 0) + row_number() over versions as record_version,
        greatest(max(s.available_at) over versions, k.available_at) as known_at
    from fresh as s
    left join known_keys as k using (row_key)
    window
        keys as (partition by s.row_key),
        versions as (partition by s.row_key order by {order})
)
select {idents((c.name for c in contract.columns), "s.")}, s.firm, s.row_id, s.record_version,
    {_no_earlier("s.known_at", place)}, {place.delivery_seq}, s.file_no, s.line, s.row_key
from numbered as s
"""  # noqa: S608 — quoted identifiers, integers and our own SQL


def _no_earlier(available_at: str, place: Place) -> str:
    if not place.is_increment:
        return available_at
    return f"greatest({available_at}, {as_date(place.delivered_on)})"
