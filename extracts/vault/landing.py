"""Store the good rows of a chunk in the vault, keep the bad ones, and count all verdicts."""

from dataclasses import dataclass

import duckdb

from extracts.contracts import Contract
from extracts.reading.sql import ident, literal
from extracts.reading.staging import BROKEN, Staged
from extracts.vault import versions
from extracts.vault.versions import Place
from firmpulse import identifiers


@dataclass(frozen=True)
class Counts:
    """Verdicts on the rows of one table of a delivery; `restated` is a part of `landed`."""

    read: int = 0
    landed: int = 0
    restated: int = 0
    duplicate: int = 0
    refused_by_gate: int = 0
    quarantined: int = 0


@dataclass(frozen=True)
class Verdicts:
    """Rows of a chunk, or of a table, per verdict; broken lines are quarantined."""

    good: int = 0
    refused: int = 0
    quarantined: int = 0
    # Quarantined rows whose firm's code a person could accept (`consent.codes`).
    off_standard: int = 0

    def plus(self, other: "Verdicts") -> "Verdicts":
        """Return the sums."""
        return Verdicts(
            self.good + other.good,
            self.refused + other.refused,
            self.quarantined + other.quarantined,
            self.off_standard + other.off_standard,
        )


def store(
    connection: duckdb.DuckDBPyConnection, staged: Staged, place: Place, *, is_open: bool
) -> Verdicts:
    """Store a judged chunk in one transaction; return the number of rows per verdict.

    Most rows go from the file to the vault in one statement; the rest is processed again.
    """
    connection.execute("begin")
    try:
        stored = versions.store_first(connection, staged.contract, place, is_open=is_open)
        verdicts = Verdicts(good=stored, quarantined=staged.broken_lines)
        if stored < staged.rows or staged.broken_lines:
            versions.take_others(connection, staged.contract, place)
            others = _count_others(connection)
            if others.good:
                versions.keep_waiting(connection, staged.contract)
            verdicts = verdicts.plus(others)
        if verdicts.quarantined:
            _quarantine(connection, staged, place)
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return verdicts


def finish(
    connection: duckdb.DuckDBPyConnection, contract: Contract, place: Place, verdicts: Verdicts
) -> tuple[Counts, int]:
    """Store the rows that wait for the last chunk of a table.

    Returns:
        The verdicts on all its rows, and how many share their key with a different row.
    """
    connection.execute("begin")
    try:
        sharing = versions.finish(connection, contract, place)
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    landed, restated = connection.execute(
        f"select count(*), count(*) filter (where record_version > 1) "  # noqa: S608 — quoted
        f"from vault.raw.{ident(contract.table)} where delivery_seq = $seq",
        {"seq": place.delivery_seq},
    ).fetchall()[0]
    counts = Counts(
        read=verdicts.good + verdicts.refused + verdicts.quarantined,
        landed=landed,
        restated=restated,
        duplicate=verdicts.good - landed,
        refused_by_gate=verdicts.refused,
        quarantined=verdicts.quarantined,
    )
    return counts, sharing


def _count_others(connection: duckdb.DuckDBPyConnection) -> Verdicts:
    good, refused, quarantined, off_standard = connection.execute("""
        select
            count(*) filter (where verdict = 'good'),
            count(*) filter (where verdict = 'refused'),
            count(*) filter (where verdict = 'quarantined'),
            count(*) filter (where is_off_standard and not is_valid)
        from others
    """).fetchall()[0]
    return Verdicts(good, refused, quarantined, off_standard)


def _quarantine(connection: duckdb.DuckDBPyConnection, staged: Staged, place: Place) -> None:
    """Keep the bad rows; a row without a finding is here for its firm's wrong code.

    Whether a row without a readable firm has a grant is unknown, so only its place and rule are
    kept, not its content.
    """
    columns = staged.contract.columns
    record = ", ".join(f"{literal(c.name)}, cast({ident(c.name)} as varchar)" for c in columns)
    rule = f"if(starts_with(others.firm, '{identifiers.USCC}:'), 'uscc', 'identifier')"
    wrong_code = (
        f"json_object('column', 'firm', 'rule', {rule}, 'value_class', 'code', "
        f"'record', json_object({record}))"
    )
    connection.execute(
        f"""
        insert into vault.ops.quarantine (
            delivery_seq, delivery_id, table_name, file, line, column_name, rule, value_class,
            record, firm
        )
        with bad as (
            select file_no, line, case when is_valid then firm end as firm,
                case when not coalesce(is_valid, true) then {wrong_code}
                    else cast(finding as json) end as finding
            from others where verdict = 'quarantined'
            union all
            select file_no, line, null, cast(finding as json) from {BROKEN}
        )
        select $seq, $id, $table, $files[file_no], line, finding ->> 'column', finding ->> 'rule',
            finding ->> 'value_class',
            case when firm is not null then cast(finding -> 'record' as varchar) end, firm
        from bad order by file_no, line
        """,  # noqa: S608 — quoted identifiers and literals
        {
            "seq": place.delivery_seq,
            "id": place.delivery_id,
            "table": staged.contract.table,
            "files": [staged.names.get(n) for n in range(1, max(staged.names) + 1)],
        },
    )
