"""SQL that reads the files of one layout into a staging table, as pure functions."""

from collections.abc import Sequence
from datetime import date

from extracts import cells
from extracts.contracts import Column, Contract
from extracts.inspection import Inspected, Layout
from extracts.manifest import Manifest
from extracts.sql import ident, idents, literal, literals

# Between the parts of a hashed key; no tidied text holds a control character.
_SEPARATOR = "chr(31)"

# What staging adds to the columns of a contract.
_STAGING_COLUMNS = (
    ("firm", "varchar"),
    ("event_at", "date"),
    ("available_at", "date"),
    ("row_key", "uhugeint"),
    ("row_hash", "uhugeint"),
    ("file_no", "integer"),
    ("line", "bigint"),
    # JSON of column, rule, value_class and record; null for a row without a problem.
    ("finding", "varchar"),
)


def staging_table(name: str, contract: Contract) -> str:
    """Return the DDL of the staging table of a contract: one row per row read."""
    own = [f"{ident(column.name)} {column.physical_type}" for column in contract.columns]
    added = [f"{name} {sql_type}" for name, sql_type in _STAGING_COLUMNS]
    return f"create or replace temp table {ident(name)} ({', '.join([*own, *added])})"


def stage(
    name: str,
    contract: Contract,
    manifest: Manifest,
    files: Sequence[Inspected],
    rows: range | None = None,
) -> str:
    """Return the statement that reads files of one layout in one pass, in file order.

    With `rows`, only these rows of a Parquet file, counted from 0. `line` stays null for a
    delivered CSV file, where the order of the rows gives it.
    """
    layout = files[0].layout
    columns = contract.columns
    readable = [column for column in columns if not cells.is_typed(column, layout)]
    numbers = "[" + ", ".join(str(file.number) for file in files) + "]"
    line = _line(layout)
    raw = ", ".join(f"{cells.raw_cell(c, layout)} as {cells.raw(c)}" for c in columns)
    tidied = ", ".join(f"{cells.tidied(c)} as {cells.text(c)}" for c in readable)
    emptied = ", ".join(f"nullif({cells.text(c)}, '') as {cells.text(c)}" for c in readable)
    typed = ", ".join(f"{cells.typed_value(c, layout)} as {ident(c.name)}" for c in columns)
    return f"""
insert into {ident(name)}
with cells as (
    select {numbers}[cast(file_index as bigint) + 1] as file_no, {line} as line, {raw}
    from {_scan(layout, files)}{_only(rows)}
),
tidied as (select *{_more(tidied)} from cells),
texts as (select * {f"replace ({emptied})" if emptied else ""} from tidied),
typed as (
    select *, {typed}, cast({literal(manifest.delivered_on.isoformat())} as date) as delivered_on
    from texts
),
firms as (
    select *, {literal(manifest.id_scheme + ":")} || ({contract.firm}) as firm from typed
),
dated as (
    select *,
        cast({contract.event_at} as date) as event_at,
        cast({contract.available_at} as date) as available_at,
        {_row_hash(columns)} as row_hash,
        {_problem(columns, layout)} as problem
    from firms
)
select {idents(c.name for c in columns)}, firm, event_at, available_at,
    {_row_key(contract)} as row_key, row_hash, file_no, line,
    case when problem > 0 then {_finding(columns, layout)} end as finding
from dated
"""  # noqa: S608 — identifiers and literals are quoted, formulas come from our contracts


def first_rows(name: str, rows: str) -> str:
    """Return the statement that makes a table of each CSV file's first row among `rows`."""
    return f"""
create or replace temp table {ident(name)} as
select file_no, min(rowid) as first_rowid from {ident(rows)} where line is null group by file_no
"""  # noqa: S608 — quoted identifiers


def _more(expressions: str) -> str:
    return f", {expressions}" if expressions else ""


def _only(rows: range | None) -> str:
    if rows is None:
        return ""
    return f" where file_row_number >= {rows.start} and file_row_number < {rows.stop}"


def _line(layout: Layout) -> str:
    if layout.format == "parquet":
        return "file_row_number + 1"
    if layout.line_position is None:
        return "null::bigint"
    return f"cast({ident(f'c{layout.line_position}')} as bigint)"


def _scan(layout: Layout, files: Sequence[Inspected]) -> str:
    paths = literals(str(file.path) for file in files)
    if layout.format == "parquet":
        return f"read_parquet({paths}, file_row_number = true)"
    columns = ", ".join(f"'c{position}': 'varchar'" for position in range(len(layout.names)))
    return (
        f"read_csv({paths}, columns = {{{columns}}}, auto_detect = false, header = false, "
        f"skip = 1, delim = ',', quote = '\"', escape = '\"', strict_mode = true, "
        f"store_rejects = true, rejects_table = 'broken_lines', rejects_scan = 'broken_scans')"
    )


def _row_hash(columns: Sequence[Column]) -> str:
    """Return SQL of the digest that tells two contents of a row apart, today and in years.

    MD5 over the typed values as text: DuckDB's own `hash` may change with its version and MD5
    may not; decimals, dates and timestamps have one spelling each. Anybody who has an identifier
    could find it by such a digest, so it is kept in the encrypted vault only.
    """
    return f"md5_number(concat_ws({_SEPARATOR}, firm, {', '.join(_parts(columns))}))"


def _parts(columns: Sequence[Column]) -> list[str]:
    """Return SQL of the columns' texts; a row that lacks a required one is stored nowhere."""
    texts = (f"cast({ident(column.name)} as varchar)" for column in columns)
    return [
        text if column.required else f"coalesce({text}, '')"
        for column, text in zip(columns, texts, strict=True)
    ]


def _row_key(contract: Contract) -> str:
    parts = ", ".join(_parts([contract.column(name) for name in contract.key]))
    key = f"md5_number(concat_ws({_SEPARATOR}, firm, {parts}))"
    if contract.key_when is None:
        return key
    return f"case when {contract.key_when} then {key} else row_hash end"


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
