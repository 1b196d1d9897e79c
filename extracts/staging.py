"""Read a chunk of a delivery into staging tables."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from extracts import formats, statements
from extracts.chunks import Chunk, Delivered, RefusedFile
from extracts.contracts import Contract
from extracts.inspection import Inspected
from extracts.manifest import Manifest
from extracts.sql import ident
from firmpulse.errors import FilesUnreadable

# Temp tables of the chunk that is being landed: one row per row read, with the columns of
# `statements.staging_table`; lines of the wrong shape (file_no, line, finding); and the place of
# each CSV file's first row (file_no, first_rowid).
ROWS, BROKEN, STARTS = "staged", "broken", "starts"

# Lines that DuckDB could not split into columns: one row per line of a delivered file.
_BROKEN_DDL = """
create or replace temp table {name} (file_no integer, line bigint, finding varchar)
"""


@dataclass(frozen=True)
class Staged:
    """One chunk, read but not yet judged; its tables live until the next chunk is read."""

    contract: Contract
    # Name of each file of the table, by ordinal.
    names: Mapping[int, str]
    # Files that hold another number of rows than promised; nothing of them is staged.
    refused: tuple[RefusedFile, ...]


def read(
    connection: duckdb.DuckDBPyConnection,
    manifest: Manifest,
    delivered: Delivered,
    chunk: Chunk,
) -> Staged:
    """Read a chunk into the tables ROWS, BROKEN and STARTS.

    Raises:
        FilesUnreadable: some of its files are damaged; nothing of the chunk is to be used.
    """
    contract = delivered.contract
    connection.execute(statements.staging_table(ROWS, contract))
    connection.execute(_BROKEN_DDL.format(name=BROKEN))
    _note_lines(connection, BROKEN, chunk.files)
    unreadable = _read(connection, contract, manifest, chunk)
    if unreadable:
        raise FilesUnreadable({file.number: file.reason for file in unreadable})
    refused = _check_counts(connection, delivered.names, chunk.counts)
    connection.execute(statements.first_rows(STARTS, ROWS))
    _number_lines(connection, ROWS, BROKEN, STARTS)
    return Staged(contract, delivered.names, tuple(refused))


def size(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the number of row ids that the staged chunk may use up."""
    query = f"select coalesce(max(rowid), -1) + 1 from {ROWS}"  # noqa: S608 — our own name
    return int(connection.execute(query).fetchall()[0][0])


def drop(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what is staged."""
    for name in (ROWS, BROKEN, STARTS):
        connection.execute(f"drop table if exists {name}")


def _note_lines(
    connection: duckdb.DuckDBPyConnection, broken: str, files: Sequence[Inspected]
) -> None:
    """Take up the lines that inspection found to be no rows: broken ones and blank ones."""
    lines = [(file.number, line) for file in files for line in file.broken_lines]
    records = {
        "numbers": [number for number, _ in lines],
        "lines": [line.line for _, line in lines],
        "findings": [
            json.dumps({
                "column": None,
                "rule": "structure",
                "value_class": line.value_class,
                "record": {"line": line.record},
            })
            for _, line in lines
        ],
    }  # fmt: skip
    connection.execute(
        f"insert into {ident(broken)} select unnest($numbers), unnest($lines), unnest($findings)",
        records,
    )
    blank = [(file.number, line) for file in files for line in file.blank_lines]
    connection.execute(
        "create or replace temp table blank_lines as "
        "select unnest($numbers::integer[]) as file_no, unnest($lines::bigint[]) as line",
        {"numbers": [number for number, _ in blank], "lines": [line for _, line in blank]},
    )


def _read(
    connection: duckdb.DuckDBPyConnection, contract: Contract, manifest: Manifest, chunk: Chunk
) -> list[RefusedFile]:
    """Read a chunk; return the files of it that DuckDB cannot read."""
    connection.execute("drop table if exists broken_lines")
    connection.execute("drop table if exists broken_scans")
    files = chunk.files
    try:
        connection.execute(statements.stage(ROWS, contract, manifest, files, chunk.rows))
    except (duckdb.InvalidInputException, duckdb.IOException) as error:
        if len(files) > 1:
            singly = (_read(connection, contract, manifest, Chunk((file,))) for file in files)
            return [file for part in singly for file in part]
        # DuckDB's own text may quote the file's content.
        reason = f"the file cannot be read as {files[0].file.format} ({type(error).__name__})"
        return [RefusedFile(files[0].number, files[0].file.name, reason)]
    if files[0].layout.format == "csv":
        found = {"numbers": [file.number for file in files], "paths": [str(f.path) for f in files]}
        connection.execute(_KEEP_BROKEN.format(broken=BROKEN), found)
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
    connection: duckdb.DuckDBPyConnection, names: Mapping[int, str], promised: Mapping[int, int]
) -> list[RefusedFile]:
    """Drop what was read of files that hold another number of rows than promised."""
    query = f"""
        select file_no, count(*) from (
            select file_no from {ROWS} union all select file_no from {BROKEN}
        ) group by file_no"""  # noqa: S608 — our own names
    found: dict[int, int] = dict(connection.execute(query).fetchall())
    wrong = [
        RefusedFile(n, names[n], str(formats.wrong_row_count(found.get(n, 0), rows)))
        for n, rows in promised.items()
        if found.get(n, 0) != rows
    ]
    for table in (ROWS, BROKEN) if wrong else ():
        connection.execute(
            f"delete from {table} where list_contains($numbers, file_no)",  # noqa: S608 — our own names
            {"numbers": [file.number for file in wrong]},
        )
    return wrong


def _number_lines(
    connection: duckdb.DuckDBPyConnection, rows: str, broken: str, starts: str
) -> None:
    """Give the rows of CSV files with broken or blank lines their line; elsewhere place tells it.

    Such a line that has `k` of them before it has `line - 2 - k` good rows before it.
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
                    from (
                        select file_no, line from {ident(broken)}
                        union all
                        select file_no, line from blank_lines
                    )
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
