"""CSV files in the form that DuckDB reads: header first, uniform line ends, nothing below.

Most files have it; others are copied, with the same records in the same order.
"""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from extracts.reading import csv_lines, formats, thresholds
from extracts.reading.encodings import Text
from extracts.reading.formats import BrokenLine, Readable
from extracts.reading.table_bounds import Bounds, Skipped, may_hold_total
from firmpulse.errors import DeliveryRefused

_HEADER_BYTES = 1 << 16
_CHUNK_BYTES = 8 << 20
_BLANK_LINE = re.compile(rb"\n\r?\n")
# Lines at the end that are searched for totals.
_LAST_LINES = 20


@dataclass(frozen=True)
class Header:
    """Where the header of a file is, and what is above it."""

    cells: tuple[str, ...]
    # Line of the header, from 1.
    line: int
    above: Skipped
    # Lines above it that could be rows.
    doubtful: tuple[BrokenLine, ...]
    is_one_line: bool


def read(text: Text, copy: Path, bounds: Bounds, delimiter: str, header_lines: int = 1) -> Readable:
    """Return a CSV file that DuckDB can read: the given one, or a copy of its table.

    Raises:
        DeliveryRefused: it has no usable header, or quotes that do not close.
    """
    header = find_header(text.path, bounds, delimiter, 0, header_lines)
    is_plain = text.has_even_lines and header.line == 1 and header.is_one_line
    if is_plain and not may_hold_total(csv_lines.last(text.path)):
        return Readable(
            text.path,
            text.encoding,
            header.cells,
            blank_lines=_blank_lines(text.path),
            delimiter=delimiter,
        )
    blank, totals = cut(text.path, copy, header, bounds, delimiter)
    return Readable(
        copy,
        text.encoding,
        header.cells,
        blank_lines=blank,
        broken_lines=header.doubtful,
        delimiter=delimiter,
        lines_before=header.line - 1,
        skipped=Skipped(header.above.above, totals),
    )


def find_header(
    path: Path, bounds: Bounds, delimiter: str, shift: int = 0, header_lines: int = 1
) -> Header:
    """Find the header among the first lines; the first `shift` cells of a line do not belong to it.

    A header of several lines is one of merged cells: each cell is joined with those below it.

    Raises:
        DeliveryRefused: there is none, its quotes are broken, or it is too long.
    """
    lines = csv_lines.first(path, delimiter, thresholds.load().header_within)
    if not any(lines):
        raise DeliveryRefused("the file has no header row")
    if len(lines[0]) > _HEADER_BYTES:
        raise DeliveryRefused(f"the header row is longer than {_HEADER_BYTES} bytes")
    found = [csv_lines.cells(line, delimiter) for line in lines]
    own = [cells and cells[shift:] for cells in found]
    candidates = [joined(own[at : at + header_lines]) for at in range(len(own))]
    place = bounds.header(candidates)
    cells = candidates[place]
    if cells is None:
        raise DeliveryRefused("the header row cannot be read; its quotes are broken")
    header = tuple(cells)
    formats.require_columns(len(header))
    above, doubtful = [], []
    for number, (line, other) in enumerate(zip(lines[:place], found, strict=False), 1):
        told = int(other[0]) if shift and other else number
        if other is None or bounds.could_be_row(header, other[shift:]):
            record = line.decode("utf-8", errors="replace")
            doubtful.append(BrokenLine(told, "above the header", record))
        elif any(cell.strip() for cell in other[shift:]):
            above.append(told)
    is_one_line = header_lines == 1 and b"\n" not in lines[place] and b"\r" not in lines[place]
    last = min(place + header_lines, len(lines))
    return Header(header, last, Skipped(tuple(above)), tuple(doubtful), is_one_line)


def joined(rows: Sequence[Sequence[str] | None]) -> list[str] | None:
    """Return the header of several lines, each cell joined with those below it; null if unreadable.

    An empty cell above a filled one belongs to the cell on its left, with which it was merged.
    """
    if any(row is None for row in rows):
        return None
    header, *below = [list(row) for row in rows if row is not None]
    for lower in below:
        width = max(len(header), len(lower))
        upper = [text.strip() for text in header] + [""] * (width - len(header))
        last, found = "", list[str]()
        for above, under in zip(upper, [*lower, *[""] * (width - len(lower))], strict=True):
            last = above or (last if under.strip() else "")
            found.append(last + under.strip())
        header = found
    return header


def cut(
    path: Path, copy: Path, header: Header, bounds: Bounds, delimiter: str, shift: int = 0
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Copy the table of a file, from its header to above its totals, each record on a line.

    Returns:
        The blank lines of the copy, and the totals of the file; the latter by the line number in
        their first cell, if `shift` says that they have it.
    """
    copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    blank: list[int] = []
    last: deque[tuple[int, int, bytes]] = deque(maxlen=_LAST_LINES)
    with copy.open("wb") as target:
        # The header is not read again, and may contain line breaks.
        size = target.write(b"header\n")
        for number, record in enumerate(csv_lines.records(path, delimiter), 1):
            if number <= header.line:
                continue
            if not record:
                blank.append(number - header.line + 1)
            last.append((size, number, record))
            size += target.write(record + b"\n")
        totals, end = _totals(last, size, header.cells, bounds, delimiter, shift)
        target.truncate(end)
    return tuple(blank), totals


def _totals(
    last: Sequence[tuple[int, int, bytes]],
    end: int,
    header: tuple[str, ...],
    bounds: Bounds,
    delimiter: str,
    shift: int,
) -> tuple[tuple[int, ...], int]:
    """Return the lines that are totals, and where in the copy the rows above them end."""
    totals: list[int] = []
    for start, number, record in reversed(last):
        cells = csv_lines.cells(record, delimiter)
        if record and (cells is None or not bounds.is_total(header, cells[shift:])):
            break
        if record:
            totals.append(int(cells[0]) if shift and cells else number)
            end = start
    return tuple(reversed(totals)), end


def _blank_lines(path: Path) -> tuple[int, ...]:
    """Return the blank lines, as DuckDB counts them: a quoted line break is not a new line."""
    with path.open("rb") as stream:
        edge = b""
        while chunk := stream.read(_CHUNK_BYTES):
            if _BLANK_LINE.search(edge + chunk):
                break
            edge = chunk[-2:]
        else:
            return ()
    blank = []
    number, is_quoted = 0, False
    with path.open("rb") as stream:
        for line in stream:
            number += not is_quoted
            if not is_quoted and line in (b"\n", b"\r\n"):
                blank.append(number)
            is_quoted ^= line.count(b'"') % 2 == 1
    return tuple(blank)
