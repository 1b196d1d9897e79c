"""Move the good rows of a staging table into the vault as versions, and count every row's fate.

Runs inside one transaction over the vault; the caller begins and ends it.
"""

from dataclasses import dataclass

import duckdb

from extracts import versions
from extracts.gate import verdict
from extracts.sql import ident, literal
from extracts.staging import Staged
from extracts.versions import Place


@dataclass(frozen=True)
class Counts:
    """Fates of the rows of one table of a delivery; `restated` is a part of `landed`."""

    read: int = 0
    landed: int = 0
    restated: int = 0
    duplicate: int = 0
    refused_by_gate: int = 0
    quarantined: int = 0


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
    """Store a judged table; return what became of its rows."""
    verdicts = count_verdicts(connection, staged)
    _quarantine(connection, staged, place)
    versions.store(connection, staged, place)
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
            select s.firm, s.file_no, coalesce(s.line, s.rowid - f.first_rowid + 2) as line,
                case when not coalesce(g.is_valid, true) then {wrong_code}
                    else cast(s.finding as json) end as finding
            from {ident(staged.rows)} as s
            left join firm_gate as g using (firm)
            left join {ident(staged.starts)} as f using (file_no)
            where {verdict(staged.contract)} = 'quarantined'
            union all
            select null, file_no, line, cast(finding as json) from {ident(staged.broken)}
        )
        select $seq, $id, $table, $files[file_no], line, finding ->> 'column', finding ->> 'rule',
            finding ->> 'value_class', cast(finding -> 'record' as varchar), firm
        from bad order by file_no, line
        """,  # noqa: S608 — quoted identifiers and literals
        {
            "seq": place.delivery_seq,
            "id": place.delivery_id,
            "table": staged.contract.table,
            "files": [staged.files.get(n) for n in range(1, max(staged.files, default=0) + 1)],
        },
    )
