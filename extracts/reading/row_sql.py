"""SQL that reads the files of one layout, row by row; pure functions."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate, combinations

from extracts.contracts import Column, Contract, normalise_text
from extracts.manifest import Manifest
from extracts.reading import cells, composed_cells, nobody
from extracts.reading.inspection import Inspected, Layout
from extracts.reading.sql import ident, idents, literal, literals

# Marks lines that the mapping says are no rows.
NO_ROW = "is_no_row"
# Separates the parts of a hashed key; no tidied text contains a control character.
_SEPARATOR = "chr(31)"
# Switches off columns that DuckDB would add, or take from the names of folders.
_ONLY_CELLS = "hive_partitioning = false, union_by_name = false, filename = false"
# DuckDB repeats an expression wherever a filter over it is pushed to, so that a check of a row
# would read all its cells again. No filter is pushed through a volatile expression.
_COMPUTE_ONCE = "cast(random() * 0 as integer)"


def _columns(layout: Layout) -> list[str]:
    """Return the columns of a file that are in the contract, by position."""
    return [f"c{position}" for position in sorted(set(layout.positions.values()))]


def _csv_scan(files: Sequence[Inspected]) -> str:
    paths = literals(str(file.path) for file in files)
    layout = files[0].layout
    columns = ", ".join(f"'c{position}': 'varchar'" for position in range(len(layout.names)))
    return (
        f"read_csv({paths}, columns = {{{columns}}}, auto_detect = false, {_ONLY_CELLS}, "
        f"header = false, skip = 1, delim = {literal(layout.delimiter)}, quote = '\"', "
        f"escape = '\"', comment = '', nullstr = '', compression = 'none', encoding = 'utf-8', "
        f"normalize_names = false, null_padding = false, strict_mode = true, "
        f"store_rejects = true, rejects_table = 'broken_lines', rejects_scan = 'broken_scans')"
    )


@dataclass(frozen=True)
class Rows:
    """Where the rows of a chunk are read from: SQL over a table or files of one layout."""

    layout: Layout
    # Table or table function, with a condition if only some of its rows are read.
    relation: str
    file_no: str
    line: str
    # Number of the row in the chunk, from 0, in the order of the files.
    place: str
    # Column to SQL of its value in every row of a file.
    constants: Mapping[str, str]


def rows_of_parquet(files: Sequence[Inspected], rows: range | None = None) -> Rows:
    """Return the rows of Parquet files; with `rows`, only these rows of a single file, from 0.

    Columns are named by their position: DuckDB ignores case in names, and renames the second of
    two such names. A column named like one of DuckDB's virtual columns, such as
    `file_row_number`, is also named by its position and hides nothing.
    """
    paths = literals(str(file.path) for file in files)
    own = idents(f"c{position}" for position in range(len(files[0].layout.names)))
    relation = f"read_parquet({paths}, {_ONLY_CELLS}) as cells_by_position({own})"
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
        constants=_constants(files),
    )


def rows_of_csv(files: Sequence[Inspected]) -> Rows:
    """Return the rows of CSV files, without their place; `placed` gives it to loaded rows."""
    layout = files[0].layout
    line = "null" if layout.line_position is None else f"c{layout.line_position}"
    return Rows(
        layout,
        _csv_scan(files),
        file_no=_by_file([file.number for file in files]),
        line=f"cast({line} as bigint)",
        place="null::bigint",
        constants=_constants(files),
    )


def _constants(files: Sequence[Inspected]) -> dict[str, str]:
    """Return SQL of each constant: the value, or that of the row's file where they differ."""
    found = {}
    for name in files[0].layout.constants:
        values = [file.layout.constants[name] for file in files]
        differs = len(set(values)) > 1
        found[name] = _of_file(literals(values)) if differs else literal(values[0])
    return found


def to_load(contract: Contract, manifest: Manifest, files: Sequence[Inspected]) -> str:
    """Return the query of the rows of CSV files that are to be loaded into a table.

    Without columns that `placed` adds: a temp table keeps every null.
    """
    absent = idents(["place", *(column.name for column in _absent(contract, files[0].layout))])
    rows = typed_rows(contract, manifest, rows_of_csv(files))
    return f"select * exclude ({absent}) from ({rows})"  # noqa: S608 — quoted


def placed(
    name: str,
    contract: Contract,
    layout: Layout,
    starts: Mapping[int, int],
    before: Mapping[int, int],
) -> str:
    """Return the query of rows that were loaded into a table in file order, with their place.

    `starts` has the rowid of the first row of each file whose rows have no line number, and
    `before` the number of lines before the header of such a file.
    """
    line = "line"
    if starts:
        line = f"coalesce(line, rowid - {_by_number(starts)}[file_no] + 2)"
    if any(before.values()):
        line += f" + {_by_number(before)}[file_no]"
    absent = ", ".join(
        f"null::{column.physical_type} as {ident(column.name)}"
        for column in _absent(contract, layout)
    )
    return (
        f"select * {f'exclude ({NO_ROW})' if layout.not_rows else ''} "  # noqa: S608 — quoted
        f"replace ({line} as line), rowid as place{_more(absent)} "
        f"from {ident(name)} {f'where not {NO_ROW}' if layout.not_rows else ''}"
    )


def _absent(contract: Contract, layout: Layout) -> list[Column]:
    """Return the columns of which the files have no cell: null in every row."""
    given = {name for c in layout.composed for name in composed_cells.values(contract, c)}
    found = {*layout.positions, *layout.constants, *given}
    return [column for column in contract.columns if column.name not in found]


def typed_rows(contract: Contract, manifest: Manifest, rows: Rows, only: str = "true") -> str:
    """Return the query that reads rows: typed, with their key and their problems.

    As a view it computes only the columns that are used, for rows where the condition `only` is
    true.
    """
    layout, own = rows.layout, rows.constants
    columns = layout.cells
    marks = no_row(layout)
    readable = [column for column in columns if not cells.is_typed(column, layout)]
    raw = ", ".join(f"{cells.raw_cell(c, layout, own)} as {cells.raw(c)}" for c in columns)
    marked = ", ".join(f"{sql} as {cells.plain(c)}" for c in readable if (sql := cells.is_plain(c)))
    tidied = ", ".join(f"{cells.tidied(c)} as {cells.text(c)}" for c in readable)
    emptied = ", ".join(f"{cells.emptied(c)} as {cells.text(c)}" for c in readable)
    typed = ", ".join(
        f"{cells.typed_value(c, layout, manifest.id_scheme)} as {ident(c.name)}" for c in columns
    )
    return f"""
with cells as (
    select {rows.file_no} as file_no, {rows.line} as line, {rows.place} as place, {raw}
        {_more(f"{marks} as {NO_ROW}" if marks else "")}
    from {rows.relation}
),
marked as (select *{_more(marked)} from cells where {only}),
tidied as (select *{_more(tidied)} from marked),
texts as (select * {f"replace ({emptied})" if emptied else ""} from tidied),
typed as (
    select *, {typed}, cast({literal(manifest.delivered_on.isoformat())} as date) as delivered_on
    from texts
),
firms as (
    select *, {literal(manifest.id_scheme + ":")} || ({contract.firm}) as firm
    from {_composed(contract, layout)}
),
judged as (
    select *, {_problem(contract, layout)} + {_COMPUTE_ONCE} as problem
        {nobody.parties(contract, manifest.id_scheme)}
    from firms
)
select {", ".join(f"{nobody.kept(c)} as {ident(c.name)}" for c in contract.columns)}, firm,
    cast({contract.event_at} as date) as event_at,
    cast({contract.available_at} as date) as available_at,
    {row_key(contract)} as row_key, file_no, line, place,
    -- JSON of column, rule, value_class and record; null for a row without a problem.
    case when problem > 0 then {_finding(contract, layout)} end as finding
    {_more(NO_ROW if marks and layout.format == "csv" else "")}
from judged
{f"where not {NO_ROW}" if marks and layout.format == "parquet" else ""}
"""  # noqa: S608 — identifiers and literals are quoted, formulas come from our contracts


def no_row(layout: Layout) -> str:
    """Return SQL that is true for a line that the mapping says is no row; empty without one."""
    return " or ".join(
        f"coalesce(tidy(cast(c{place} as varchar)), '') in ({_marks(texts)})"
        for place, texts in layout.not_rows.items()
    )


def _marks(texts: Sequence[str]) -> str:
    return ", ".join(literal(normalise_text(text)) for text in texts)


def named(rows: Rows) -> str:
    """Return the query of the number of lines of each file that are no rows by the mapping."""
    return (
        f"select file_no, count(*) from (select {rows.file_no} as file_no, "  # noqa: S608 — quoted
        f"{no_row(rows.layout)} as {NO_ROW} from {rows.relation}) where {NO_ROW} group by all"
    )


def reading(file: Inspected) -> str:
    """Return a query that reads every cell of a file that is in the contract."""
    layout = file.layout
    relation = _csv_scan([file]) if layout.format == "csv" else rows_of_parquet([file]).relation
    hashes = ", ".join(["count(*)", *(f"max(hash({name}))" for name in _columns(layout))])
    return f"select {hashes} from {relation}"  # noqa: S608 — quoted


def counting(file: Inspected) -> str:
    """Return the query of the number of records of a CSV file that DuckDB can split."""
    return f"select count(*) from {_csv_scan([file])}"  # noqa: S608 — quoted


def _by_number(values: Mapping[int, int]) -> list[int]:
    """Return the values of files as a list literal, indexed by their ordinals."""
    return [values.get(number, 0) for number in range(1, max(values) + 1)]


def _by_file(values: Sequence[int]) -> str:
    return _of_file(str(list(values)))


def _of_file(values: str) -> str:
    """Return SQL of the element of a list that belongs to the row's file."""
    return f"{values}[cast(file_index as bigint) + 1]"


def _more(expressions: str) -> str:
    return f", {expressions}" if expressions else ""


def row_hash(contract: Contract) -> str:
    """Return SQL of the digest of a row's content, stable over years.

    MD5 over the typed values as text: DuckDB's `hash` may change between versions, MD5 does not;
    decimals, dates and timestamps have one spelling each. Anyone with an identifier could find
    it by such a digest, so it is kept only in the encrypted vault.
    """
    return _digest(contract.columns, lambda column: ident(column.name))


def _digest(columns: Sequence[Column], cell: Callable[[Column], str]) -> str:
    """Return SQL of the digest of the columns' texts.

    A row that lacks a required one is not stored; a row whose other party is nobody is stored.
    """
    texts = ((column, f"cast({cell(column)} as varchar)") for column in columns)
    parts = (
        text if column.required and not column.party else f"coalesce({text}, '')"
        for column, text in texts
    )
    return f"md5_number(concat_ws({_SEPARATOR}, firm, {', '.join(parts)}))"


def row_key(contract: Contract) -> str:
    """Return SQL of the digest of the natural key, or of the whole row without a key."""
    key = _digest(_natural(contract), nobody.key_part)
    if contract.key_within is not None:
        # Beside the digest, not in its text: longer texts take MD5 a second block.
        day = f"year({contract.key_within}) * 400 + dayofyear({contract.key_within})"
        key = f"xor({key}, cast(coalesce(abs({day}), 0) as uhugeint))"
    if contract.key_when is None:
        return key
    whole = _digest(contract.columns, nobody.key_part)
    return f"case when {contract.key_when} then {key} else {whole} end"


def key_additions(contract: Contract) -> tuple[str, ...]:
    """Return the texts of the natural key that an export may lack, such as a voucher's number."""
    if contract.key_when is not None:
        return ()
    optional = (c for c in _natural(contract) if not c.required and not c.party)
    return tuple(c.name for c in optional if c.kind in ("text", "code", "enum"))


def keys_without_additions(contract: Contract) -> list[str]:
    """Return SQL of the key that a row would have without some or all of `key_additions`."""
    added = key_additions(contract)
    left_out = (names for n in range(1, len(added) + 1) for names in combinations(added, n))
    return [_key_without(contract, names) for names in left_out]


def _key_without(contract: Contract, names: Collection[str]) -> str:
    def cell(column: Column) -> str:
        return "null" if column.name in names else nobody.key_part(column)

    return _digest(_natural(contract), cell)


def booking_key(contract: Contract) -> str:
    """Return SQL of the digest that distinguishes bookings under one natural key."""
    apart = [contract.column(name) for name in contract.key_trust.apart]
    columns = [*_natural(contract), *apart]
    return _digest(columns, lambda column: ident(column.name))


def _natural(contract: Contract) -> list[Column]:
    return [contract.column(name) for name in contract.key]


def _composed(contract: Contract, layout: Layout) -> str:
    """Return the relation of typed cells, with the composed columns."""
    given = [
        f"{value} as {ident(name)}"
        for composed in layout.composed
        for name, value in composed_cells.values(contract, composed).items()
    ]
    return f"(select *, {', '.join(given)} from typed)" if given else "typed"  # noqa: S608 — quoted


def _checks(contract: Contract, layout: Layout) -> list[cells.Check]:
    """Return the checks of all columns in the contract's order, then that of the firm."""
    composed = {found.column: found for found in layout.composed}
    given = {found.gives for found in layout.composed}
    found: list[cells.Check] = []
    for column in contract.columns:
        if column.name in composed:
            found += composed_cells.checks(contract, composed[column.name], layout)
        elif column.name not in given:
            found += cells.checks(column, layout)
    return [*found, cells.Check("firm", "firm is null", "'required'", "'empty'")]


def _problem(contract: Contract, layout: Layout) -> str:
    """Return SQL of the ordinal of the first failed check, 0 for a good row."""
    cases = " ".join(
        f"when {check.broken} then {number}"
        for number, check in enumerate(_checks(contract, layout), 1)
    )
    return f"case {cases} else 0 end"


def _finding(contract: Contract, layout: Layout) -> str:
    numbered = list(enumerate(_checks(contract, layout), 1))
    name = " ".join(f"when {number} then {literal(c.column)}" for number, c in numbered)
    rule = " ".join(f"when {number} then {c.rule}" for number, c in numbered)
    value_class = " ".join(f"when {number} then {c.value_class}" for number, c in numbered)
    # A party's cell as the vault would keep it, so that no person's number enters the quarantine.
    record = ", ".join(
        f"{literal(composed_cells.label(c, layout))}, {nobody.kept(c) if c.party else cells.raw(c)}"
        for c in layout.cells
    )
    return (
        f"cast(json_object('column', case problem {name} end, 'rule', case problem {rule} end, "
        f"'value_class', case problem {value_class} end, "
        f"'record', json_object({record})) as varchar)"
    )


def as_date(day: date) -> str:
    """Return a date literal."""
    return f"date {literal(day.isoformat())}"
