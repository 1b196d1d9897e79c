"""Read a chunk of a delivery: its rows, and the lines that are not rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from extracts.contracts import Contract
from extracts.manifest import Manifest
from extracts.reading import formats, row_sql
from extracts.reading.chunks import Chunk, Delivered, RefusedFile
from extracts.reading.inspection import Inspected, Layout
from extracts.reading.sql import ident

# The rows of the current chunk, a view over its files or over _LOADED; the same, but only rows
# whose place is in the table PICKED; and lines of the wrong shape, a table (file_no, line,
# finding).
ROWS, PICKED_ROWS, PICKED, BROKEN = "staged", "picked_rows", "picked", "broken"
# The rows of CSV files, a table: only its order shows the order of the rows.
_LOADED = "loaded"

# What DuckDB raises on a damaged file, and on a full disk.
UNREADABLE = (duckdb.InvalidInputException, duckdb.IOException)

# Lines that DuckDB could not split into columns: one row per line of a delivered file.
_BROKEN_DDL = """
create or replace temp table {name} (file_no integer, line bigint, finding varchar)
"""


@dataclass(frozen=True)
class Staged:
    """One chunk, read but not yet judged; it can be queried until the next one is read."""

    contract: Contract
    # Name of each file of the table, by ordinal.
    names: Mapping[int, str]
    # Files with a wrong number of rows; nothing of them is staged.
    refused: tuple[RefusedFile, ...]
    rows: int
    broken_lines: int
    # Lines that are no rows and that the manifest counts as rows.
    counted_lines: int
    # Number of row ids that the chunk may use: above every place.
    size: int
    # Number of lines of each file, by ordinal, that the mapping says are no rows.
    named: Mapping[int, int]


def read(
    connection: duckdb.DuckDBPyConnection,
    manifest: Manifest,
    delivered: Delivered,
    chunk: Chunk,
) -> Staged:
    """Make a chunk readable as ROWS, PICKED_ROWS and BROKEN.

    Queries over them may raise one of UNREADABLE; `damaged` shows whether files are the cause.
    """
    layout = chunk.files[0].layout
    contract = layout.contract
    connection.execute(_BROKEN_DDL.format(name=BROKEN))
    connection.execute(f"create or replace temp table {PICKED} (place bigint)")
    _note_lines(connection, BROKEN, chunk.files)
    refused: list[RefusedFile] = []
    counted = 0
    picked = f"place in (select place from {PICKED})"  # noqa: S608 — our own name
    if layout.format == "parquet":
        rows = row_sql.rows_of_parquet(chunk.files, chunk.rows)
        size = sum(chunk.counts.values())
        named = _count_named(connection, rows)
        count = size - sum(named.values())
        every = row_sql.typed_rows(contract, manifest, rows)
        some = row_sql.typed_rows(contract, manifest, rows, picked)
    else:
        _load(connection, row_sql.to_load(contract, manifest, chunk.files))
        _keep_broken(connection, chunk.files)
        refused, counted = _check_counts(connection, chunk.files)
        starts = _number_lines(connection)
        named = _named(connection, layout)
        before = {file.number: file.lines_before for file in chunk.files}
        _shift_lines(connection, before)
        loaded, size = connection.execute(
            f"select count(*), coalesce(max(rowid), -1) + 1 from {_LOADED}"  # noqa: S608 — our own name
        ).fetchall()[0]
        count = loaded - sum(named.values())
        every = row_sql.placed(_LOADED, contract, layout, starts, before)
        some = f"select * from {ROWS} where {picked}"  # noqa: S608 — our own names
    connection.execute(f"create or replace temp view {ROWS} as {every}")
    connection.execute(f"create or replace temp view {PICKED_ROWS} as {some}")
    (broken,) = connection.execute(f"select count(*) from {BROKEN}").fetchall()[0]  # noqa: S608 — our own name
    counted += sum(named.values())
    return Staged(
        delivered.contract, delivered.names, tuple(refused), count, broken, counted, size, named
    )


def damaged(connection: duckdb.DuckDBPyConnection, chunk: Chunk) -> dict[int, str]:
    """Return the files of a chunk that cannot be read to the end, by ordinal, with the reason."""
    found = {}
    for file in chunk.files:
        try:
            connection.execute(row_sql.reading(file)).fetchall()
        except UNREADABLE as error:
            # DuckDB's own text may quote the file's content.
            found[file.number] = (
                f"the file cannot be read as {file.file.format} ({type(error).__name__})"
            )
    return found


def drop(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what is staged."""
    for view in (ROWS, PICKED_ROWS):
        connection.execute(f"drop view if exists {view}")
    for table in (_LOADED, PICKED, BROKEN, "starts", "blank_lines"):
        connection.execute(f"drop table if exists {table}")


def _count_named(connection: duckdb.DuckDBPyConnection, rows: row_sql.Rows) -> dict[int, int]:
    """Return the number of lines of Parquet files that the mapping says are no rows."""
    if not rows.layout.not_rows:
        return {}
    return dict(connection.execute(row_sql.named(rows)).fetchall())


def _named(connection: duckdb.DuckDBPyConnection, layout: Layout) -> dict[int, int]:
    """Return the number of loaded lines of each file that the mapping says are no rows.

    They stay in the table, and out of ROWS: a scan of a table with deleted rows takes longer.
    """
    if not layout.not_rows:
        return {}
    return dict(connection.execute(
        f"select file_no, count(*) from {_LOADED} where {row_sql.NO_ROW} group by file_no"  # noqa: S608 — our own names
    ).fetchall())  # fmt: skip


def _note_lines(
    connection: duckdb.DuckDBPyConnection, broken: str, files: Sequence[Inspected]
) -> None:
    """Add the lines that inspection found not to be rows: broken and blank ones."""
    lines = [(file, line) for file in files for line in file.broken_lines]
    records = {
        "numbers": [file.number for file, _ in lines],
        # Counted from the header like the others; `_shift_lines` brings them back.
        "lines": [line.line - file.lines_before for file, line in lines],
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


def _load(connection: duckdb.DuckDBPyConnection, rows: str) -> None:
    """Load the rows of CSV files, in file order."""
    connection.execute("drop table if exists broken_lines")
    connection.execute("drop table if exists broken_scans")
    connection.execute(f"create or replace temp table {_LOADED} as {rows}")


def _keep_broken(connection: duckdb.DuckDBPyConnection, files: Sequence[Inspected]) -> None:
    """Keep the lines that DuckDB could not split while it loaded the files."""
    found = {"numbers": [file.number for file in files], "paths": [str(f.path) for f in files]}
    connection.execute(_KEEP_BROKEN.format(broken=BROKEN), found)


# A line counts once, even if several of its columns are broken.
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
    connection: duckdb.DuckDBPyConnection, files: Sequence[Inspected]
) -> tuple[list[RefusedFile], int]:
    """Drop what was read of files with a wrong number of rows.

    A manifest may count titles and totals as rows; the number of those is returned too.
    """
    query = f"""
        select file_no, count(*) from (
            select file_no from {_LOADED} union all select file_no from {BROKEN}
        ) group by file_no"""  # noqa: S608 — our own names
    found: dict[int, int] = dict(connection.execute(query).fetchall())
    more = {file.number: file.file.rows - found.get(file.number, 0) for file in files}
    wrong = [
        RefusedFile(
            file.number,
            file.file.name,
            str(formats.wrong_row_count(found.get(file.number, 0), file.file.rows)),
        )
        for file in files
        if more[file.number] not in file.skipped.counts
    ]
    numbers = [file.number for file in wrong]
    for table in (_LOADED, BROKEN) if wrong else ():
        connection.execute(
            f"delete from {table} where list_contains($numbers, file_no)",  # noqa: S608 — our own names
            {"numbers": numbers},
        )
    return wrong, sum(count for number, count in more.items() if number not in numbers)


def _shift_lines(connection: duckdb.DuckDBPyConnection, before: Mapping[int, int]) -> None:
    """Count the broken lines of files from their first line, not from their header."""
    for number, lines in before.items():
        if lines:
            connection.execute(
                f"update {BROKEN} set line = line + {lines:d} where file_no = {number:d}"  # noqa: S608 — our own name and integers
            )


def _number_lines(connection: duckdb.DuckDBPyConnection) -> dict[int, int]:
    """Give rows of CSV files with broken or blank lines their line; elsewhere the place gives it.

    If `k` such lines precede one of them, `line - 2 - k` good rows precede it.

    Returns:
        The rowid of the first row of each file whose rows have no line.
    """
    connection.execute(f"""
        create or replace temp table starts as
        select file_no, min(rowid) as first_rowid from {_LOADED}
        where line is null group by file_no
    """)  # noqa: S608 — our own name
    connection.execute(f"""
        update {_LOADED} as r set line = place.line
        from (
            with gaps as (
                select file_no, rows_before, max(broken_lines) as broken_lines
                from (
                    select
                        file_no,
                        row_number() over (partition by file_no order by line) as broken_lines,
                        line - 1 - broken_lines as rows_before
                    from (
                        select file_no, line from {BROKEN} where line > 1
                        union all
                        select file_no, line from blank_lines
                    )
                ) group by file_no, rows_before
            ),
            places as (
                select s.file_no, r.rowid as id, r.rowid - s.first_rowid + 1 as place
                from {_LOADED} as r
                inner join starts as s using (file_no)
                where r.file_no in (select file_no from gaps)
            )
            select p.id, p.place + 1 + coalesce(g.broken_lines, 0) as line
            from places as p
            asof left join gaps as g on p.file_no = g.file_no and p.place > g.rows_before
        ) as place
        where place.id = r.rowid
    """)  # noqa: S608 — our own names
    return dict(connection.execute("select file_no, first_rowid from starts").fetchall())
