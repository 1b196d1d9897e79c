"""SQL that reads the files of one layout, row by row, as pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate

from extracts import cells
from extracts.contracts import Column, Contract
from extracts.inspection import Inspected, Layout
from extracts.manifest import Manifest
from extracts.sql import ident, idents, literal, literals

# Between the parts of a hashed key; no tidied text holds a control character.
_SEPARATOR = "chr(31)"
# DuckDB repeats an expression wherever a filter over it is pushed to, and a check of a row repeats
# the reading of all its cells. Through an expression that is new each time, no filter is pushed.
_COMPUTE_ONCE = "cast(random() * 0 as integer)"


def texts_table(name: str, layout: Layout) -> str:
    """Return the DDL of a table of the cells of CSV files that the contract knows.

    One row per record: file_no, line and `c<position>`. `line` stays null for a delivered file,
    where the order of the rows gives it.
    """
    cells = (f"{column} varchar" for column in _csv_columns(layout))
    columns = ", ".join(["file_no integer", "line bigint", *cells])
    return f"create or replace temp table {ident(name)} ({columns})"


def load_texts(name: str, files: Sequence[Inspected]) -> str:
    """Return the statement that fills a table of `texts_table`, in file order."""
    layout = files[0].layout
    line = "null" if layout.line_position is None else f"cast(c{layout.line_position} as bigint)"
    values = ", ".join([_by_file([f.number for f in files]), line, *_csv_columns(layout)])
    return f"insert into {ident(name)} select {values} from {_csv_scan(files)}"  # noqa: S608 — quoted


def _csv_columns(layout: Layout) -> list[str]:
    return [f"c{position}" for position in sorted(set(layout.positions.values()))]


def _csv_scan(files: Sequence[Inspected]) -> str:
    paths = literals(str(file.path) for file in files)
    positions = range(len(files[0].layout.names))
    columns = ", ".join(f"'c{position}': 'varchar'" for position in positions)
    return (
        f"read_csv({paths}, columns = {{{columns}}}, auto_detect = false, header = false, "
        f"skip = 1, delim = ',', quote = '\"', escape = '\"', strict_mode = true, "
        f"store_rejects = true, rejects_table = 'broken_lines', rejects_scan = 'broken_scans')"
    )


@dataclass(frozen=True)
class Rows:
    """Where the rows of a chunk are read from: SQL over a table or files of one layout."""

    layout: Layout
    # Table or table function, with a condition if only some of its rows are meant.
    relation: str
    file_no: str
    line: str
    # Number of the row in the chunk, from 0, in the order of the files.
    place: str


def rows_of_parquet(files: Sequence[Inspected], rows: range | None = None) -> Rows:
    """Return the rows of Parquet files; with `rows`, only these of a single one, from 0."""
    paths = literals(str(file.path) for file in files)
    relation = f"read_parquet({paths}, file_row_number = true)"
    first = 0
    if rows is not None:
        first = -rows.start
        relation += f" where file_row_number >= {rows.start} and file_row_number < {rows.stop}"
    starts = list(accumulate((file.file.rows for file in files[:-1]), initial=first))
    return Rows(
        files[0].layout,
        relation,
        file_no=_by_file([file.number for file in files]),
        line="file_row_number + 1",
        place=f"{_by_file(starts)} + file_row_number",
    )


def rows_of_texts(name: str, layout: Layout, starts: Mapping[int, int]) -> Rows:
    """Return the rows of a table of `load_texts`.

    `starts` has the place of the first row of each file whose rows have no line of their own.
    """
    line = "line"
    if starts:
        first = [starts.get(number, 0) for number in range(1, max(starts) + 1)]
        line = f"coalesce(line, rowid - {first}[file_no] + 2)"
    return Rows(layout, ident(name), file_no="file_no", line=line, place="rowid")


def staged(
    name: str, contract: Contract, manifest: Manifest, rows: Rows, only: str = "true"
) -> str:
    """Return the view that reads rows: typed, with their key, and with what is wrong with them.

    It computes what a query asks of it, for rows of which the condition `only` is true.
    """
    columns, layout = contract.columns, rows.layout
    readable = [column for column in columns if not cells.is_typed(column, layout)]
    raw = ", ".join(f"{cells.raw_cell(c, layout)} as {cells.raw(c)}" for c in columns)
    tidied = ", ".join(f"{cells.tidied(c)} as {cells.text(c)}" for c in readable)
    emptied = ", ".join(f"nullif({cells.text(c)}, '') as {cells.text(c)}" for c in readable)
    typed = ", ".join(f"{cells.typed_value(c, layout)} as {ident(c.name)}" for c in columns)
    return f"""
create or replace temp view {ident(name)} as
with cells as (
    select {rows.file_no} as file_no, {rows.line} as line, {rows.place} as place, {raw}
    from {rows.relation}
),
tidied as (select *{_more(tidied)} from cells where {only}),
texts as (select * {f"replace ({emptied})" if emptied else ""} from tidied),
typed as (
    select *, {typed}, cast({literal(manifest.delivered_on.isoformat())} as date) as delivered_on
    from texts
),
firms as (
    select *, {literal(manifest.id_scheme + ":")} || ({contract.firm}) as firm from typed
),
judged as (
    select *, {_problem(columns, layout)} + {_COMPUTE_ONCE} as problem from firms
)
select {idents(c.name for c in columns)}, firm,
    cast({contract.event_at} as date) as event_at,
    cast({contract.available_at} as date) as available_at,
    {row_key(contract)} as row_key, file_no, line, place,
    -- JSON of column, rule, value_class and record; null for a row without a problem.
    case when problem > 0 then {_finding(columns, layout)} end as finding
from judged
"""  # noqa: S608 — identifiers and literals are quoted, formulas come from our contracts


def reading(file: Inspected) -> str:
    """Return a query that reads every cell of a file that the contract knows."""
    layout = file.layout
    if layout.format == "csv":
        names, relation = _csv_columns(layout), _csv_scan([file])
    else:
        names = [layout.names[position] for position in layout.positions.values()]
        relation = rows_of_parquet([file]).relation
    hashes = ", ".join(["count(*)", *(f"max(hash({ident(name)}))" for name in names)])
    return f"select {hashes} from {relation}"  # noqa: S608 — quoted


def _by_file(values: Sequence[int]) -> str:
    return f"{list(values)}[cast(file_index as bigint) + 1]"


def _more(expressions: str) -> str:
    return f", {expressions}" if expressions else ""


def row_hash(contract: Contract) -> str:
    """Return SQL of the digest that tells two contents of a row apart, today and in years.

    MD5 over the typed values as text: DuckDB's own `hash` may change with its version and MD5
    may not; decimals, dates and timestamps have one spelling each. Anybody who has an identifier
    could find it by such a digest, so it is kept in the encrypted vault only.
    """
    return f"md5_number(concat_ws({_SEPARATOR}, firm, {', '.join(_parts(contract.columns))}))"


def _parts(columns: Sequence[Column]) -> list[str]:
    """Return SQL of the columns' texts; a row that lacks a required one is stored nowhere."""
    texts = (f"cast({ident(column.name)} as varchar)" for column in columns)
    return [
        text if column.required else f"coalesce({text}, '')"
        for column, text in zip(columns, texts, strict=True)
    ]


def row_key(contract: Contract) -> str:
    """Return SQL of the digest of the natural key; of the whole row where it has none."""
    key = f"md5_number(concat_ws({_SEPARATOR}, {', '.join(_key_parts(contract))}))"
    if contract.key_when is None:
        return key
    return f"case when {contract.key_when} then {key} else {row_hash(contract)} end"


def booking_key(contract: Contract) -> str:
    """Return SQL of the digest that tells bookings under one natural key apart."""
    apart = _parts([contract.column(name) for name in contract.key_trust.apart])
    return f"md5_number(concat_ws({_SEPARATOR}, {', '.join([*_key_parts(contract), *apart])}))"


def _key_parts(contract: Contract) -> list[str]:
    within = [f"cast({contract.key_within} as varchar)"] if contract.key_within else []
    return ["firm", *_parts([contract.column(name) for name in contract.key]), *within]


def _checks(columns: Sequence[Column], layout: Layout) -> list[cells.Check]:
    found = [check for column in columns for check in cells.checks(column, layout)]
    return [*found, cells.Check("firm", "firm is null", "'required'", "'empty'")]


def _problem(columns: Sequence[Column], layout: Layout) -> str:
    """Return SQL of the ordinal of the first broken check, 0 for a good row."""
    cases = " ".join(
        f"when {check.broken} then {number}"
        for number, check in enumerate(_checks(columns, layout), 1)
    )
    return f"case {cases} else 0 end"


def _finding(columns: Sequence[Column], layout: Layout) -> str:
    numbered = list(enumerate(_checks(columns, layout), 1))
    name = " ".join(f"when {number} then {literal(c.column)}" for number, c in numbered)
    rule = " ".join(f"when {number} then {c.rule}" for number, c in numbered)
    value_class = " ".join(f"when {number} then {c.value_class}" for number, c in numbered)
    record = ", ".join(f"{literal(c.name)}, {cells.raw(c)}" for c in columns)
    return (
        f"cast(json_object('column', case problem {name} end, 'rule', case problem {rule} end, "
        f"'value_class', case problem {value_class} end, "
        f"'record', json_object({record})) as varchar)"
    )


def as_date(day: date) -> str:
    """Return a date literal."""
    return f"date {literal(day.isoformat())}"
