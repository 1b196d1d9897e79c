"""What a block of a mapping says about each of its files, as fields of a manifest's entry."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from extracts.column_reading import ColumnReading
from extracts.contracts import Contract
from extracts.mappings.model import UNITS, MappedColumn, MappedFiles

_AS_IT_IS = ColumnReading()


def targets(contract: Contract) -> Mapping[str, str]:
    """Return what a header can bring, with the column that it belongs to: columns and parts."""
    found = {}
    for column in contract.columns:
        found[column.name] = column.name
        found |= {part.name: column.name for part in column.alternatives.parts}
        if column.kind == "timestamp":
            found |= {f"{column.name}_day": column.name, f"{column.name}_clock": column.name}
    return found


def fields(files: MappedFiles, contract: Contract) -> dict[str, Any]:
    """Return what the block says of a file; not its name, its hash and its rows."""
    own = {text: column for text, column in files.columns.items() if column is not None}
    owners = targets(contract)
    readings = {
        column.to: _reading(column, contract.column(owners[column.to]).unit)
        for column in own.values()
    }
    return {
        "table": files.table,
        "encoding": files.encoding,
        "delimiter": files.delimiter,
        "sheet": files.sheet,
        "headers": {
            **{text: column.to for text, column in own.items()},
            **{text: name for name, texts in files.one_of.items() for text in texts},
        },
        "constants": files.constants,
        "readings": {name: found for name, found in readings.items() if found != _AS_IT_IS},
        "ignored": tuple(text for text, column in files.columns.items() if column is None),
        "one_of": tuple(files.one_of),
        "not_rows": files.not_rows,
        "header_lines": files.header_lines,
        "header": files.header,
    }


def factor(unit: str | Decimal | None, wanted: str | None) -> Decimal | None:
    """Return the factor from a unit to that of a contract; null if there is none."""
    if isinstance(unit, Decimal):
        return unit
    return UNITS.get(wanted or "", {}).get(unit or "")


def _reading(column: MappedColumn, unit: str | None) -> ColumnReading:
    return ColumnReading(
        values=column.values,
        format=column.format,
        factor=factor(column.unit, unit),
        decimal=column.decimal,
        digits=column.digits,
        positive=column.positive,
    )
