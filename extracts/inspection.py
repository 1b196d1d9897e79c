"""First look at a delivered file: is it the promised one, how is it encoded, what is in it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import pyarrow
from pyarrow import types

from extracts import csv_files, csv_lines, encodings, formats, json_lines, workbooks
from extracts.contracts import Column, Contract, normalise_header
from extracts.formats import BrokenLine, Readable
from extracts.manifest import DeliveredFile
from extracts.table_bounds import Bounds, Skipped, may_hold_total
from firmpulse import digests
from firmpulse.errors import DeliveryRefused

# A header that announces a unit, half-width: 金额(万元), 余额(千元), 发生额 单位:万元.
_OTHER_UNIT = re.compile(r"[十百千万亿]+元|[(:\[/][十百千万亿]+[)\]]?$")
_LINE_COLUMN = "the delivered line"
_AS_TEXT = "string"


@dataclass(frozen=True)
class Layout:
    """How the rows of a file are laid out; files that share it are read together."""

    # What DuckDB reads: csv, or parquet.
    format: str
    # Contract column to its position in the file.
    positions: Mapping[str, int]
    names: tuple[str, ...]
    # Physical type of each name, Parquet only; string where a cell is read by its text.
    types: tuple[str, ...]
    constants: Mapping[str, str]
    # Contract column to the factor that leads from the header's unit to the contract's.
    factors: Mapping[str, Decimal]
    # Position of the column that holds the delivered line, null where the order of rows tells it.
    line_position: int | None
    dropped: tuple[str, ...]
    # Between the cells of CSV.
    delimiter: str = ","

    @property
    def identity(self) -> tuple[object, ...]:
        """What two files must share to be read by one statement."""
        return (
            self.format,
            tuple(self.positions.items()),
            self.names,
            self.types,
            tuple(sorted(self.constants.items())),
            tuple(sorted(self.factors.items())),
            self.line_position,
            self.delimiter,
        )


@dataclass(frozen=True)
class Inspected:
    """A file that is worth reading."""

    file: DeliveredFile
    # Ordinal in the manifest, from 1.
    number: int
    # A UTF-8 CSV or Parquet file; a copy where the delivered file is neither.
    path: Path
    encoding: str
    layout: Layout
    # Lines of the CSV that are blank, and lines of any delivered file that are no rows.
    blank_lines: tuple[int, ...] = ()
    broken_lines: tuple[BrokenLine, ...] = ()
    # Lines of the delivered file that the CSV lacks: those before its header, and those named here.
    lines_before: int = 0
    skipped: Skipped = field(default=Skipped())


def inspect(
    folder: Path, file: DeliveredFile, number: int, contract: Contract, scratch: Path
) -> Inspected:
    """Check a file against its manifest entry and its contract.

    Args:
        folder: the delivery.
        file: what the manifest says about the file.
        number: its ordinal in the manifest, from 1.
        contract: the table it is for.
        scratch: where a copy may be kept until the delivery has been read.

    Raises:
        DeliveryRefused: the file is missing, changed, in no known form, or lacks a column.
    """
    path = folder / file.name
    if not path.is_file():
        raise DeliveryRefused("the file that the manifest names is not there")
    if path.resolve() != folder.resolve() / file.name:
        raise DeliveryRefused("the file is a link; hand over the file itself")
    if digests.of_file(path) != file.sha256:
        raise DeliveryRefused("the file's sha256 is not the manifest's")
    readable = _readable(path, file, contract, scratch / str(number))
    return Inspected(
        file=file,
        number=number,
        path=readable.path,
        encoding=readable.encoding,
        layout=_layout(file, contract, readable),
        blank_lines=readable.blank_lines,
        broken_lines=readable.broken_lines,
        lines_before=readable.lines_before,
        skipped=readable.skipped,
    )


def _readable(path: Path, file: DeliveredFile, contract: Contract, copy: Path) -> Readable:
    if file.format == "parquet":
        return formats.read_parquet(path, file.rows)
    if file.format == "jsonl":
        return json_lines.read(
            path, copy.with_suffix(".utf8"), copy.with_suffix(".csv"), file.encoding
        )
    if file.format == "xlsx":
        return _read_workbook(path, file, contract, copy)
    text = encodings.as_utf8(path, copy.with_suffix(".utf8"), file.encoding)
    bounds = _bounds(file, contract)
    return csv_files.read(text, copy.with_suffix(".csv"), bounds, file.delimiter)


def _read_workbook(path: Path, file: DeliveredFile, contract: Contract, copy: Path) -> Readable:
    """Convert a sheet; once more where identifiers stand as numbers, to mark them as such."""
    workbooks.check(path)
    sheet, table = copy.with_suffix(".sheet"), copy.with_suffix(".csv")
    bounds = _bounds(file, contract)
    numeric = workbooks.convert(path, sheet, file.sheet)
    if not sheet.stat().st_size:
        raise DeliveryRefused("the sheet is empty")
    header = csv_files.find_header(sheet, bounds, ",", shift=1)
    codes = {
        position
        for name, position in _positions(file, contract, header.cells).items()
        if contract.column(name).kind in ("code", "tax_no")
    }
    if codes & numeric:
        workbooks.convert(path, sheet, file.sheet, codes & numeric)
    if header.line == 1 and header.is_one_line and not may_hold_total(csv_lines.last(sheet)):
        return Readable(sheet, "xlsx", header.cells, has_lines=True)
    _, totals = csv_files.cut(sheet, table, header, bounds, ",", shift=1)
    return Readable(
        table,
        "xlsx",
        header.cells,
        has_lines=True,
        broken_lines=header.doubtful,
        skipped=Skipped(header.above.above, totals),
    )


def _bounds(file: DeliveredFile, contract: Contract) -> Bounds:
    """Return what tells the table of a contract from titles and totals."""
    headers = {
        normalise_header(text)
        for column in contract.columns
        for text in (column.name, *column.headers, *column.scaled_headers)
    } | {normalise_header(text) for text in file.headers}

    def required(header: tuple[str, ...]) -> frozenset[int]:
        positions = _positions(file, contract, header)
        found = (positions.get(column.name) for column in contract.columns if column.required)
        return frozenset(position for position in found if position is not None)

    return Bounds(
        match=lambda header: _positions(file, contract, header),
        required=required,
        known=lambda cells: len(headers & set(map(normalise_header, cells))),
    )


def _layout(file: DeliveredFile, contract: Contract, readable: Readable) -> Layout:
    positions = _positions(file, contract, readable.header)
    kinds = [_AS_TEXT] * len(readable.types)
    for name, position in positions.items():
        if readable.types:
            kinds[position] = _physical_type(contract.column(name), readable.types[position])
    factors = {
        name: factor
        for name, position in positions.items()
        if (factor := _factor(contract.column(name), readable.header[position])) != 1
    }
    shift = 1 if readable.has_lines else 0
    taken = set(positions.values())
    return Layout(
        format="parquet" if readable.types else "csv",
        positions=MappingProxyType({name: at + shift for name, at in positions.items()}),
        names=(_LINE_COLUMN,) * shift + readable.header,
        types=tuple(kinds),
        constants=MappingProxyType(dict(file.constants)),
        factors=MappingProxyType(factors),
        line_position=0 if readable.has_lines else None,
        dropped=tuple(name for at, name in enumerate(readable.header) if at not in taken),
        delimiter=readable.delimiter,
    )


def _positions(
    file: DeliveredFile, contract: Contract, header: tuple[str, ...]
) -> Mapping[str, int]:
    """Return where in the file each contract column is.

    Raises:
        DeliveryRefused: a required column is missing, or one is there twice.
    """
    lookup = {
        normalise_header(text): column.name
        for column in contract.columns
        for text in (column.name, *column.headers, *column.scaled_headers)
    }
    lookup |= {normalise_header(text): column for text, column in file.headers.items()}
    known = {column.name for column in contract.columns}
    if not {*file.headers.values(), *file.constants} <= known:
        raise DeliveryRefused("the manifest's headers or constants name no contract column")
    positions: dict[str, int] = {}
    for position, text in enumerate(header):
        column = lookup.get(normalise_header(text))
        if column is not None and column in positions:
            raise DeliveryRefused(f"two columns of the file are both {column}")
        if column is not None and column not in file.constants:
            positions[column] = position
    for needed in contract.columns:
        if needed.required and needed.name not in positions and needed.name not in file.constants:
            raise DeliveryRefused(
                f"the file lacks the required column {needed.name} ({needed.headers[0]})"
            )
    return positions


def _factor(column: Column, header: str) -> Decimal:
    """Return what a value under this header is multiplied with.

    Raises:
        DeliveryRefused: the header announces a unit that the contract does not know.
    """
    text = normalise_header(header)
    for scaled, factor in column.scaled_headers.items():
        if normalise_header(scaled) == text:
            return factor
    if column.unit is not None and _OTHER_UNIT.search(text):
        raise DeliveryRefused(
            f"the header of {column.name} announces another unit than {column.unit} and the "
            f"contract does not know it; send the column in {column.unit}"
        )
    return Decimal(1)


def _physical_type(column: Column, found: pyarrow.DataType) -> str:
    """Return how a Parquet column is read: by its own type, or by its text.

    Raises:
        DeliveryRefused: a cell of it is no single value.
    """
    if not formats.is_scalar(found):
        raise DeliveryRefused(
            f"the column {column.name} is no plain text, number, date or truth value; "
            f"write it as one"
        )
    fitting = {
        "decimal": (types.is_integer, types.is_floating, types.is_decimal),
        "integer": (types.is_integer,),
        "boolean": (types.is_boolean,),
        "date": (types.is_date, types.is_timestamp),
        "month": (types.is_date, types.is_timestamp),
        "timestamp": (types.is_date, types.is_timestamp),
    }.get(column.kind, ())
    return str(found) if any(fits(found) for fits in fitting) else _AS_TEXT
