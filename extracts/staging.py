"""Read a delivery's files into staging tables, one per contract."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from extracts import inspection, statements
from extracts.contracts import Contract
from extracts.inspection import Inspected
from extracts.manifest import DeliveryRef, Manifest
from extracts.sql import ident
from firmpulse.errors import DeliveryRefused

# Lines that DuckDB could not split into columns: one row per line of a delivered file.
_BROKEN_DDL = """
create or replace temp table {name} (file_no integer, line bigint, finding varchar)
"""


@dataclass(frozen=True)
class RefusedFile:
    """A file that is not taken: its ordinal in the manifest, its name, the reason."""

    number: int
    name: str
    reason: str


@dataclass(frozen=True)
class Staged:
    """One table of a delivery, read but not yet judged."""

    contract: Contract
    # Temp table with one row per row read; `statements.staging_table` has its columns.
    rows: str
    # Temp table of lines that have the wrong shape: file_no, line, finding.
    broken: str
    # Temp table of the place of each CSV file's first row: file_no, first_rowid.
    starts: str
    # Name of each file that was read, by ordinal.
    files: Mapping[int, str]
    refused: tuple[RefusedFile, ...]
    columns_dropped: int


def stage(
    connection: duckdb.DuckDBPyConnection,
    ref: DeliveryRef,
    manifest: Manifest,
    contract: Contract,
    scratch: Path,
) -> Staged:
    """Read the files of one table; a file that cannot be taken is among the refused."""
    rows, broken, starts = (f"{part}_{contract.table}" for part in ("staged", "broken", "starts"))
    connection.execute(statements.staging_table(rows, contract))
    connection.execute(_BROKEN_DDL.format(name=ident(broken)))
    good: list[Inspected] = []
    refused: list[RefusedFile] = []
    for number, file in enumerate(manifest.files, 1):
        if file.table == contract.table:
            try:
                good.append(inspection.inspect(ref.folder, file, number, contract, scratch))
            except DeliveryRefused as refusal:
                refused.append(RefusedFile(number, file.name, str(refusal)))
    for group in _groups(good):
        refused += _read(connection, rows, broken, contract, manifest, group)
    refused += _check_counts(connection, rows, broken, good, {file.number for file in refused})
    taken = {file.number for file in good} - {file.number for file in refused}
    connection.execute(statements.first_rows(starts, rows))
    _number_lines(connection, rows, broken, starts)
    return Staged(
        contract=contract,
        rows=rows,
        broken=broken,
        starts=starts,
        files={file.number: file.file.name for file in good if file.number in taken},
        refused=tuple(sorted(refused, key=lambda file: file.number)),
        columns_dropped=len({name for file in good for name in file.layout.dropped}),
    )


def _groups(files: Iterable[Inspected]) -> list[list[Inspected]]:
    """Put files of one layout together, so that hundreds of small files cost one statement."""
    groups: dict[tuple[object, ...], list[Inspected]] = {}
    for file in files:
        groups.setdefault(file.layout.identity, []).append(file)
    return list(groups.values())


def _read(
    connection: duckdb.DuckDBPyConnection,
    rows: str,
    broken: str,
    contract: Contract,
    manifest: Manifest,
    group: Sequence[Inspected],
) -> list[RefusedFile]:
    connection.execute("drop table if exists broken_lines")
    connection.execute("drop table if exists broken_scans")
    try:
        connection.execute(statements.stage(rows, contract, manifest, group))
    except (duckdb.InvalidInputException, duckdb.IOException) as error:
        if len(group) > 1:
            singly = ([file] for file in group)
            parts = (_read(connection, rows, broken, contract, manifest, g) for g in singly)
            return [file for part in parts for file in part]
        # DuckDB's own text may quote the file's content.
        reason = f"the file cannot be read as {group[0].file.format} ({type(error).__name__})"
        return [RefusedFile(group[0].number, group[0].file.name, reason)]
    if group[0].file.format == "csv":
        found = {"numbers": [file.number for file in group], "paths": [str(f.path) for f in group]}
        connection.execute(_KEEP_BROKEN.format(broken=ident(broken)), found)
    return []


# A line breaks once, however many of its columns do.
_KEEP_BROKEN = """
insert into {broken}
select
    $numbers[list_position($paths, s.file_path)],
    e.line,
    cast(json_object(
        'column', null,
        'rule', 'structure',
        'value_class', lower(cast(any_value(e.error_type) as varchar)),
        'record', json_object('line', trim(any_value(e.csv_line), chr(10) || chr(13)))
    ) as varchar)
from broken_lines as e
inner join broken_scans as s using (scan_id, file_id)
group by s.file_path, e.line
"""


def _check_counts(
    connection: duckdb.DuckDBPyConnection,
    rows: str,
    broken: str,
    files: Sequence[Inspected],
    refused: set[int],
) -> list[RefusedFile]:
    """Drop what was read of CSV files that hold another number of rows than promised."""
    query = f"""
        select file_no, count(*) from (
            select file_no from {ident(rows)} union all select file_no from {ident(broken)}
        ) group by file_no"""  # noqa: S608 — quoted identifiers
    found: dict[int, int] = dict(connection.execute(query).fetchall())
    wrong = []
    for file in files:
        count = found.get(file.number, 0)
        if file.number not in refused and count != file.file.rows:
            reason = str(inspection.wrong_row_count(count, file.file.rows))
            wrong.append(RefusedFile(file.number, file.file.name, reason))
    numbers = [file.number for file in wrong]
    for table in (rows, broken) if numbers else ():
        connection.execute(
            f"delete from {ident(table)} where list_contains($numbers, file_no)",  # noqa: S608 — quoted
            {"numbers": numbers},
        )
    return wrong


def _number_lines(
    connection: duckdb.DuckDBPyConnection, rows: str, broken: str, starts: str
) -> None:
    """Give the rows of CSV files with broken lines their line; elsewhere a row's place tells it.

    A broken line that has `k` broken ones before it has `line - 2 - k` good rows before it.
    """
    connection.execute(f"""
        update {ident(rows)} as r set line = place.line
        from (
            with gaps as (
                select file_no, rows_before, max(broken_lines) as broken_lines
                from (
                    select
                        file_no,
                        row_number() over (partition by file_no order by line) as broken_lines,
                        line - 1 - broken_lines as rows_before
                    from {ident(broken)}
                ) group by file_no, rows_before
            ),
            places as (
                select s.file_no, r.rowid as id, r.rowid - s.first_rowid + 1 as place
                from {ident(rows)} as r
                inner join {ident(starts)} as s using (file_no)
                where r.file_no in (select file_no from gaps)
            )
            select p.id, p.place + 1 + coalesce(g.broken_lines, 0) as line
            from places as p
            asof left join gaps as g on p.file_no = g.file_no and p.place > g.rows_before
        ) as place
        where place.id = r.rowid
    """)  # noqa: S608 — quoted identifiers
