"""First inspection of a delivered file: checksum, encoding, contents."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import pyarrow
from pyarrow import types

from extracts.contracts import Column, Contract
from extracts.manifest import DeliveredFile
from extracts.reading import (  # fmt: skip
    as_mapped,
    csv_files,
    csv_lines,
    encodings,
    formats,
    headers,
    json_lines,
    signs,
    workbooks,
)
from extracts.reading.compositions import Composed
from extracts.reading.formats import BrokenLine, Readable
from extracts.reading.table_bounds import Bounds, Skipped, may_hold_total
from firmpulse import digests
from firmpulse.errors import DeliveryRefused

_LINE_COLUMN = "the delivered line"
_AS_TEXT = "string"
_NAMES = ("code", "tax_no")
# A header with as many could be a cell of a row.
_DIGITS = re.compile(r"\d\D*\d\D*\d\D*\d")


@dataclass(frozen=True)
class Layout:
    """How the rows of a file are laid out; files that share it are read together."""

    # As the files follow it.
    contract: Contract
    # What DuckDB reads: csv, or parquet.
    format: str
    # Name of a cell to its position among `names`.
    positions: Mapping[str, int]
    # Sources of a row: the contract's columns, and the parts of composed ones.
    cells: tuple[Column, ...]
    composed: tuple[Composed, ...]
    names: tuple[str, ...]
    # Physical type of each name, Parquet only; string where a cell is read by its text.
    types: tuple[str, ...]
    constants: Mapping[str, str]
    # Name of a cell to the factor that converts the header's unit to the contract's.
    factors: Mapping[str, Decimal]
    # Position of the column with the delivered line, null where the order of rows gives it.
    line_position: int | None
    dropped: tuple[str, ...]
    # Delimiter of CSV.
    delimiter: str = ","
    # Position to the texts of cells in rows that are none.
    not_rows: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def _by_file(self) -> set[str]:
        """Constants that may differ between files that are read together: a firm, its account.

        Others, such as a direction, may change how a row is composed.
        """
        return {column.name for column in self.contract.columns if column.kind in _NAMES}

    @property
    def identity(self) -> tuple[object, ...]:
        """What two files must share to be read by one statement."""
        return (
            self.format,
            tuple(self.positions.items()),
            tuple((c.how, *(cell.headers[0] for cell in c.cells)) for c in self.composed),
            self.names,
            self.types,
            tuple(sorted(self.constants)),
            tuple(sorted((n, v) for n, v in self.constants.items() if n not in self._by_file)),
            tuple(sorted(self.factors.items())),
            self.line_position,
            self.delimiter,
            tuple(self.not_rows.items()),
            tuple(repr((cell.reading, cell.alternatives.signed)) for cell in self.cells),
        )


@dataclass(frozen=True)
class Inspected:
    """A file that passed inspection."""

    file: DeliveredFile
    # Ordinal in the manifest, from 1.
    number: int
    # A UTF-8 CSV or Parquet file; a copy if the delivered file is neither.
    path: Path
    encoding: str
    layout: Layout
    # Blank lines of the CSV, and lines of any delivered file that are not rows.
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
    contract = as_mapped.contract_of(file, contract)
    readable = _readable(path, file, contract, scratch / str(number))
    _require_header(file, readable.header)
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


def _require_header(file: DeliveredFile, found: tuple[str, ...]) -> None:
    """Refuse a file whose header differs from the one that its mapping was made for.

    The refusal leaves the vault, so it repeats texts of the file only if they are headers.
    """
    was, now = ([headers.comparable(text) for text in header] for header in (file.header, found))
    if not file.header or sorted(was) == sorted(now):
        return
    gone, new = [t for t in was if t not in now], [t for t in now if t not in was]
    if len(gone) > len(was) / 2:
        told = f"it lacks {len(gone)} of {len(was)} headers: {', '.join(gone)}"
    else:
        shown = ["another" if _DIGITS.search(text) else text or "an empty one" for text in new]
        parts = {"new": shown, "gone": gone}
        told = "; ".join(f"{what}: {', '.join(texts)}" for what, texts in parts.items() if texts)
    raise DeliveryRefused(
        f"the header is not the one that the mapping was made for: "
        f"{told or 'a header is there twice'}; look at the file and correct the mapping"
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
    return csv_files.read(text, copy.with_suffix(".csv"), bounds, file.delimiter, file.header_lines)


def _read_workbook(path: Path, file: DeliveredFile, contract: Contract, copy: Path) -> Readable:
    """Convert a sheet; again if identifiers are stored as numbers, to read or mark them."""
    workbooks.check(path)
    sheet, table = copy.with_suffix(".sheet"), copy.with_suffix(".csv")
    bounds = _bounds(file, contract)
    numeric = workbooks.convert(path, sheet, file.sheet)
    if not sheet.stat().st_size:
        raise DeliveryRefused("the sheet is empty")
    header = csv_files.find_header(sheet, bounds, ",", 1, file.header_lines)
    match = headers.match(file, contract, header.cells)
    codes = {
        match.positions[cell.name]: cell.reading.digits or 0
        for cell in match.cells
        if cell.name in match.positions and cell.kind in ("code", "tax_no")
    }
    if stored := {place: digits for place, digits in codes.items() if place in numeric}:
        workbooks.convert(path, sheet, file.sheet, stored)
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
    """Return what distinguishes the table of a contract from titles and totals."""
    return Bounds(
        match=lambda header: headers.match(file, contract, header),
        required=lambda header: headers.match(file, contract, header).filled,
        known=lambda cells: headers.count_known(file, contract, cells),
    )


def _layout(file: DeliveredFile, contract: Contract, readable: Readable) -> Layout:
    match = headers.match(file, contract, readable.header)
    if match.unproven is not None:
        signs.require(readable, match.positions[match.unproven.name])
    kinds = [_AS_TEXT] * len(readable.types)
    for cell in match.cells if readable.types else ():
        if cell.name in match.positions:
            position = match.positions[cell.name]
            kinds[position] = _physical_type(cell, readable.types[position])
    shift = 1 if readable.has_lines else 0
    taken = set(match.positions.values())
    return Layout(
        contract=contract,
        format="parquet" if readable.types else "csv",
        positions=MappingProxyType({name: at + shift for name, at in match.positions.items()}),
        cells=match.cells,
        composed=match.composed,
        names=(_LINE_COLUMN,) * shift + readable.header,
        types=tuple(kinds),
        constants=MappingProxyType(dict(file.constants)),
        factors=MappingProxyType(dict(match.factors)),
        line_position=0 if readable.has_lines else None,
        dropped=tuple(name for at, name in enumerate(readable.header) if at not in taken),
        delimiter=readable.delimiter,
        not_rows={place + shift: texts for place, texts in _not_rows(file, readable.header)},
    )


def _not_rows(
    file: DeliveredFile, header: tuple[str, ...]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the positions of the headers that mark lines as no rows, with their texts.

    Raises:
        DeliveryRefused: there is no such header.
    """
    found = [headers.comparable(text) for text in header]
    for text, marks in file.not_rows.items():
        if headers.comparable(text) not in found:
            raise DeliveryRefused(
                f"the file has no column {text}, by which the mapping knows lines that are no rows"
            )
        yield found.index(headers.comparable(text)), marks


def _physical_type(column: Column, found: pyarrow.DataType) -> str:
    """Return how a Parquet column is read: by its own type, or by its text.

    Raises:
        DeliveryRefused: a cell of it is not a single value.
    """
    if not formats.is_scalar(found):
        raise DeliveryRefused(
            f"the column {column.name} is not plain text, number, date or boolean; write it as one"
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
