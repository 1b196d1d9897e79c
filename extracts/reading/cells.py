"""SQL of one column: from the raw cell to its typed value, with its checks.

The statements of a reading use four names per column: `raw_<name>` is the cell as delivered,
`plain_<name>` whether it has the usual spelling of its kind, `text_<name>` its tidied text (null
when empty), and `<name>` the typed value. A plain cell is its own tidied text and is read without
another pattern: a pattern takes 3 ns per byte, more than all else that is done with a cell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from extracts.contracts import Column
from extracts.reading import macros
from extracts.reading.inspection import Layout
from extracts.reading.sql import ident, literal, literals
from firmpulse import identifiers

_STRING_TYPES = ("string", "large_string", "string_view")
_MOMENTS = ("date", "timestamp")
_TEXT_KINDS = ("text", "code", "tax_no", "enum", "clock")


@dataclass(frozen=True)
class Check:
    """One way in which a row can be wrong."""

    column: str
    # SQL condition over the names of the column; true for a wrong row.
    broken: str
    # SQL expression: name of the rule that it breaks.
    rule: str
    # SQL expression: class of the value, never the value.
    value_class: str


def raw(column: Column) -> str:
    """Return the quoted name of the raw cell."""
    return ident(f"raw_{column.name}")


def text(column: Column) -> str:
    """Return the quoted name of the tidied text."""
    return ident(f"text_{column.name}")


def is_typed(column: Column, layout: Layout) -> bool:
    """Whether the file has the column as a typed value, so that no text must be parsed."""
    if layout.format != "parquet" or column.name not in layout.positions:
        return False
    if column.reading.values or column.reading.format:
        return False
    arrow_type = layout.types[layout.positions[column.name]]
    is_string = arrow_type in _STRING_TYPES or arrow_type.startswith("dictionary")
    return not is_string and column.kind not in _TEXT_KINDS


def raw_cell(column: Column, layout: Layout, constants: Mapping[str, str]) -> str:
    """Return SQL of the raw cell over the columns of the file; `constants` has SQL by column."""
    if column.name in constants:
        return constants[column.name]
    if column.name not in layout.positions:
        return "null::varchar"
    cell = f"c{layout.positions[column.name]}"
    return (
        cell if layout.format == "csv" or is_typed(column, layout) else f"cast({cell} as varchar)"
    )


def plain(column: Column) -> str:
    """Return the quoted name of the mark of a plain cell."""
    return ident(f"plain_{column.name}")


def is_plain(column: Column) -> str | None:
    """Return SQL of the mark over `raw_<name>`, null without a cell; None for other kinds.

    A column that a mapping reads in its own way has no usual spelling.
    """
    own = column.reading
    if own.values or own.format or own.decimal != ".":
        return None
    pattern = macros.PLAIN.get(column.kind)
    return pattern and f"regexp_full_match({raw(column)}, {literal(pattern)})"


def tidied(column: Column) -> str:
    """Return SQL of the tidied text over `raw_<name>`; empty text may remain."""
    if column.kind == "text":
        return f"tidy_text({raw(column)})"
    return _unless_plain(column, f"tidy({raw(column)})", raw(column))


def emptied(column: Column) -> str:
    """Return SQL of the tidied text over `text_<name>`; null when empty.

    The texts of a mapping's map of values are replaced.
    """
    substitutes = column.reading.substitutes
    if substitutes:
        pairs = " ".join(
            f"when {literal(found)} then {'null' if value is None else literal(value)}"
            for found, value in substitutes.items()
        )
        return f"nullif(case {text(column)} {pairs} else {text(column)} end, '')"
    return _unless_plain(column, f"nullif({text(column)}, '')", text(column))


def _unless_plain(column: Column, sql: str, plain_sql: str) -> str:
    """Return SQL that computes `sql` for cells that are not plain.

    The condition is false for a whole vector of plain or missing cells; then DuckDB returns the
    other side as it is.
    """
    if is_plain(column) is None:
        return sql
    return f"case when not {plain(column)} then {sql} else {plain_sql} end"


def typed_value(column: Column, layout: Layout, id_scheme: str) -> str:
    """Return SQL of the typed value over `raw_<name>` or `text_<name>`; null if unreadable.

    Numbers of firms are read by the rule of their scheme.
    """
    if is_typed(column, layout):
        return _cast(column, layout, raw(column))
    cell = text(column)
    if column.kind == "enum":
        choices = " ".join(
            f"when {literal(found)} then {literal(value)}" for found, value in column.values.items()
        )
        return f"case {cell} {choices} end"
    if column.kind in ("decimal", "integer"):
        written = _with_a_point(cell) if column.reading.decimal == "," else cell
        text_sql = _unless_plain(column, f"read_{column.kind}_text({written})", cell)
        return _number(column, layout, text_sql)
    if column.reading.format is not None:
        return _formatted(column, layout)
    plain_sql = f"try_cast({cell} as {column.kind})" if column.kind in _MOMENTS else cell
    is_own = column.kind == "tax_no" and id_scheme != identifiers.USCC
    reader = "read_own_no" if is_own else f"read_{column.kind}"
    return _unless_plain(column, f"{reader}({cell})", plain_sql)


def checks(column: Column, layout: Layout) -> Sequence[Check]:
    """Return the checks of one column; the first failed one names the row's problem."""
    found = []
    cell = raw(column) if is_typed(column, layout) else text(column)
    value_class = "'typed'" if is_typed(column, layout) else f"value_class({cell})"
    value = ident(column.name)
    unreadable = f"case when {cell} is null then 'required' else {literal(column.kind)} end"
    value_class = f"case when {cell} is null then 'empty' else {value_class} end"
    if column.required:
        found.append(Check(column.name, f"{value} is null", unreadable, value_class))
    elif column.kind != "text":
        broken = f"{value} is null and {cell} is not null"
        found.append(Check(column.name, broken, unreadable, value_class))
    if column.bound:
        broken = f"not ({value} {column.bound})"
        found.append(Check(column.name, broken, "'bound'", value_class))
    return found


def _with_a_point(cell: str) -> str:
    """Return SQL of a number's text with a decimal point, from one with a decimal comma."""
    return f"replace(regexp_replace({cell}, '[. '']', '', 'g'), ',', '.')"


def _formatted(column: Column, layout: Layout) -> str:
    """Return SQL of a date or time in the format of a mapping, and in no other.

    A cell that a workbook holds as a date arrives in the form of `sheet_reader`.
    """
    formats = [str(column.reading.format)]
    if layout.line_position is not None:
        formats.append("%Y-%m-%d %H:%M:%S")
    moment = f"try_strptime({text(column)}, {literals(formats)})"
    if column.kind == "month":
        return f"cast(date_trunc('month', {moment}) as date)"
    return f"cast({moment} as {'time' if column.kind == 'clock' else column.kind})"


def _cast(column: Column, layout: Layout, cell: str) -> str:
    if column.kind == "month":
        return f"cast(date_trunc('month', try_cast({cell} as date)) as date)"
    return _number(column, layout, cell)


def _number(column: Column, layout: Layout, cell: str) -> str:
    """Return SQL of a value in the contract's unit; null if too large for its type."""
    factor = layout.factors.get(column.name)
    if factor is None:
        return f"try_cast({cell} as {column.physical_type})"
    # Decimals throughout, so that 1.1 of ten thousand yuan is exactly 11000.00.
    scaled = f"try_cast({cell} as decimal(28,10)) * cast({factor:f} as decimal(10,4))"
    return f"try(cast({scaled} as {column.physical_type}))"
