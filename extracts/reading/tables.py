"""Rows of a file that people made: CSV in UTF-8, GB18030 or UTF-16, or Excel."""

import csv
import io
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from extracts.reading import encodings, thresholds, workbooks
from extracts.reading.table_bounds import Bounds
from firmpulse.errors import DeliveryRefused

Row = Sequence[str]
NumberedRow = tuple[int, Row]

_EXCEL = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_DELIMITERS = ",\t;|"
_MOST_BYTES = 100 * 2**20
# A workbook is a zip archive: a small file may contain a huge one.
_MOST_UNPACKED_BYTES = 500 * 2**20
_MOST_FIELD_CHARACTERS = 10_000


def read(path: Path, bounds: Bounds, row_is: str) -> tuple[Row, Sequence[NumberedRow]]:
    """Return the header of a file and the rows below it, with their numbers in the file from 1.

    Blank rows are left out. Titles may be above the header.

    Args:
        path: the file.
        bounds: recognises a header, and from it follows the delimiter of a CSV file.
        row_is: what a row holds, for refusals, such as application.

    Raises:
        DeliveryRefused: it cannot be read, is empty, lacks a column, or has a row above its header.
    """
    rows = _rows(path, bounds)
    if not rows:
        raise DeliveryRefused(f"{path.name} is empty; it needs a header and a row per {row_is}")
    place = bounds.header([row for _, row in rows[: thresholds.load().header_within]])
    header = rows[place][1]
    # Here a header that lacks a column is refused.
    bounds.match(tuple(header))
    for number, row in rows[:place]:
        if bounds.could_be_row(tuple(header), row):
            raise DeliveryRefused(
                f"{path.name} has its header below row {number}, which could be an {row_is}; "
                f"put the header first"
            )
    return header, rows[place + 1 :]


def _rows(path: Path, bounds: Bounds) -> Sequence[NumberedRow]:
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise DeliveryRefused(
                f"{path.name} has {size / 2**20:,.0f} MiB; at most {_MOST_BYTES / 2**20:,.0f} MiB "
                f"are read; split it"
            )
        with tempfile.TemporaryDirectory(prefix="firmpulse-") as scratch:
            is_excel = path.suffix.lower() in _EXCEL
            rows = _of_excel(path, scratch) if is_excel else _of_csv(path, Path(scratch), bounds)
            return [(n, row) for n, row in rows if any(cell.strip() for cell in row)]
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise DeliveryRefused(f"{path}: {reason}; give a CSV or Excel file") from None


def _of_excel(path: Path, scratch: str) -> Iterator[NumberedRow]:
    """Yield the rows of the first visible sheet; a separate process reads it and may fail alone."""
    copy = Path(scratch, "sheet.csv")
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > _MOST_UNPACKED_BYTES:
                raise DeliveryRefused(f"{path.name} is too large when unpacked; split it")
        workbooks.convert(path, copy)
    except zipfile.BadZipFile:
        raise _no_workbook(path) from None
    except workbooks.SheetUnreadable:
        raise _no_workbook(path) from None
    text = copy.read_text(encoding="utf-8")
    return ((int(number), cells) for number, *cells in _records(path, text, ","))


def _no_workbook(path: Path) -> DeliveryRefused:
    return DeliveryRefused(
        f"{path.name} cannot be opened as an Excel file, or is too large when unpacked; "
        f"remove a password, delete cells far from the table, or save it as CSV"
    )


def _of_csv(path: Path, scratch: Path, bounds: Bounds) -> Iterator[NumberedRow]:
    text = _decoded(path, scratch)
    if "\0" in text:
        raise DeliveryRefused(f"{path.name} is not a text file; save it as CSV (UTF-8) or Excel")
    return enumerate(_records(path, text, _delimiter(text, bounds)), 1)


def _delimiter(text: str, bounds: Bounds) -> str:
    """Return the delimiter of a header, most often a comma."""
    known = {}
    for delimiter in _DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            lines = [tuple(row) for row in islice(reader, thresholds.load().header_within)]
        except csv.Error:
            lines = []
        known[delimiter] = max(map(bounds.known, lines), default=0)
    return max(known, key=known.__getitem__)


def _records(path: Path, text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            # csv's own limit would apply to the whole process.
            if max(map(len, row), default=0) > _MOST_FIELD_CHARACTERS:
                raise csv.Error(f"a field of more than {_MOST_FIELD_CHARACTERS} characters")
            yield row
    except csv.Error as error:
        raise DeliveryRefused(
            f"{path.name} line {reader.line_num}: {error}; look for an open quote"
        ) from None


def _decoded(path: Path, scratch: Path) -> str:
    content = path.read_bytes()
    if content.startswith(encodings.UTF16):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError:
            raise DeliveryRefused(
                f"{path.name} is neither UTF-8 nor GB18030 text; save it as CSV (UTF-8) or Excel"
            ) from None
    if b"\0" in content:
        raise DeliveryRefused(f"{path.name} is not a text file; save it as CSV (UTF-8) or Excel")
    try:
        text = encodings.as_utf8(path, scratch / "text.csv")
    except DeliveryRefused as refusal:
        raise DeliveryRefused(
            f"{path.name} cannot be read: {refusal}; save it as CSV (UTF-8) or Excel"
        ) from None
    return text.path.read_text(encoding="utf-8-sig")
