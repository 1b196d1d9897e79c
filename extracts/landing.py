"""Move the good rows of a staging table into the vault as versions, and count every row's fate.

Runs inside one transaction over the vault; the caller begins and ends it.
"""

from dataclasses import dataclass

import duckdb

from extracts.contracts import Contract
from extracts.gate import verdict
from extracts.sql import ident, idents, literal
from extracts.staging import Staged


@dataclass(frozen=True)
class Counts:
    """Fates of the rows of one table of a delivery; `restated` is a part of `landed`."""

    read: int = 0
    landed: int = 0
    restated: int = 0
    duplicate: int = 0
    refused_by_gate: int = 0
    quarantined: int = 0


@dataclass(frozen=True)
class Place:
    """Where a delivery's rows go."""

    delivery_id: str
    delivery_seq: int
    # Highest row_id given out before this table.
    last_row_id: int


def count_verdicts(connection: duckdb.DuckDBPyConnection, staged: Staged) -> dict[str, int]:
    """Return the number of rows per verdict: good, refused, and, with broken lines, quarantined."""
    rows = connection.execute(f"""
        select {verdict(staged.contract)} as verdict, count(*)
        from {ident(staged.rows)} as s left join firm_gate as g using (firm) group by verdict
    """).fetchall()  # noqa: S608 — quoted identifiers
    counts: dict[str, int] = {"good": 0, "refused": 0, "quarantined": 0, **dict(rows)}
    (broken,) = connection.execute(
        f"select count(*) from {ident(staged.broken)}"  # noqa: S608 — quoted
    ).fetchall()[0]
    counts["quarantined"] += broken
    return counts


def land(connection: duckdb.DuckDBPyConnection, staged: Staged, place: Place) -> Counts:
    """Store a judged table; return what became of its rows.

    A row whose key and content are known is a duplicate; one whose key is known with other
    content is a new version under the same row_id, available no earlier than the version before.
    Known also means: superseded by a version that landed earlier.
    """
    verdicts = count_verdicts(connection, staged)
    _quarantine(connection, staged, place)
    _find_contested(connection, staged)
    connection.execute(_insert_first_versions(staged, place))
    connection.execute(_insert_contested(staged, place))
    landed, restated = connection.execute(
        f"select count(*), count(*) filter (where record_version > 1) "  # noqa: S608 — quoted
        f"from vault.raw.{ident(staged.contract.table)} where delivery_seq = $seq",
        {"seq": place.delivery_seq},
    ).fetchall()[0]
    return Counts(
        read=sum(verdicts.values()),
        landed=landed,
        restated=restated,
        duplicate=verdicts["good"] - landed,
        refused_by_gate=verdicts["refused"],
        quarantined=verdicts["quarantined"],
    )


def _quarantine(connection: duckdb.DuckDBPyConnection, staged: Staged, place: Place) -> None:
    """Keep the bad rows; a row without a finding is there for its firm's wrong code."""
    columns = staged.contract.columns
    record = ", ".join(f"{literal(c.name)}, cast({ident(c.name)} as varchar)" for c in columns)
    wrong_code = (
        "json_object('column', 'firm', 'rule', 'uscc', 'value_class', 'code', "
        f"'record', json_object({record}))"
    )
    connection.execute(
        f"""
        insert into vault.ops.quarantine
        with bad as (
            select s.file_no, coalesce(s.line, s.rowid - f.first_rowid + 2) as line,
                case when not coalesce(g.is_valid, true) then {wrong_code}
                    else cast(s.finding as json) end as finding
            from {ident(staged.rows)} as s
            left join firm_gate as g using (firm)
            left join {ident(staged.starts)} as f using (file_no)
            where {verdict(staged.contract)} = 'quarantined'
            union all
            select file_no, line, cast(finding as json) from {ident(staged.broken)}
        )
        select $seq, $id, $table, $files[file_no], line, finding ->> 'column', finding ->> 'rule',
            finding ->> 'value_class', cast(finding -> 'record' as varchar)
        from bad order by file_no, line
        """,  # noqa: S608 — quoted identifiers and literals
        {
            "seq": place.delivery_seq,
            "id": place.delivery_id,
            "table": staged.contract.table,
            "files": [staged.files.get(n) for n in range(1, max(staged.files, default=0) + 1)],
        },
    )


def _find_contested(connection: duckdb.DuckDBPyConnection, staged: Staged) -> None:
    """Collect the keys that come more than once or are in the vault already.

    All other rows, nearly the whole of a first delivery, need neither sort nor window.
    """
    contract = staged.contract
    order = f"max({ident(contract.version_order)})" if contract.version_order else "null"
    connection.execute(f"""
        create or replace temp table known_keys as
        select row_key, any_value(row_id) as row_id, max(record_version) as record_version,
            max(available_at) as available_at, {order} as version_order
        from vault.raw.{ident(contract.table)}
        where row_key in (select row_key from {ident(staged.rows)})
        group by row_key
    """)  # noqa: S608 — quoted identifiers
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
    {place.last_row_id + 1} + s.rowid, 1, s.available_at, {place.delivery_seq}, s.file_no,
    coalesce(s.line, s.rowid - f.first_rowid + 2), s.row_key, s.row_hash
from {ident(staged.rows)} as s
left join firm_gate as g using (firm)
left join {ident(staged.starts)} as f using (file_no)
where {verdict(contract)} = 'good' and s.row_key not in (select row_key from contested_keys)
"""  # noqa: S608 — quoted identifiers, integers and our own SQL


def _insert_contested(staged: Staged, place: Place) -> str:
    """Return the insert of rows that repeat or restate others, in the order they became known.

    A version that arrives after a later one of its key is superseded already and stays out.
    """
    contract = staged.contract
    order, superseded = "s.available_at, s.file_no, s.place", "false"
    if contract.version_order:
        version = f"s.{ident(contract.version_order)}"
        order, superseded = f"{version}, {order}", f"{version} < k.version_order"
    return f"""
{_target(contract)}
with good as (
    select s.*, s.rowid as place, coalesce(s.line, s.rowid - f.first_rowid + 2) as line_no
    from {ident(staged.rows)} as s
    left join firm_gate as g using (firm)
    left join {ident(staged.starts)} as f using (file_no)
    where {verdict(contract)} = 'good' and s.row_key in (select row_key from contested_keys)
),
fresh as (
    select s.* from good as s
    left join known_keys as k using (row_key)
    where not coalesce({superseded}, false) and (s.row_key, s.row_hash) not in (
        select (v.row_key, v.row_hash) from vault.raw.{ident(contract.table)} as v
        where v.row_key in (select row_key from known_keys)
    )
    qualify row_number() over (partition by s.row_key, s.row_hash order by {order}) = 1
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
    s.known_at, {place.delivery_seq}, s.file_no, s.line_no, s.row_key, s.row_hash
from numbered as s
"""  # noqa: S608 — quoted identifiers, integers and our own SQL
