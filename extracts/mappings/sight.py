"""A first look at a file of which nothing is known: its form, its header, some of its cells."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow
import pyarrow.parquet

from extracts import contracts
from extracts.contracts import normalise_header
from extracts.mappings import included
from extracts.reading import (  # fmt: skip
    csv_files,
    csv_lines,
    encodings,
    formats,
    headers,
    json_lines,
    thresholds,
    workbooks,
)
from firmpulse.errors import DeliveryRefused

# Records of a file that are looked at.
SEEN_ROWS = 300
_DELIMITERS = (",", "\t", ";", "|")
_ENDINGS = {".xlsx": "xlsx", ".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@dataclass(frozen=True)
class Sight:
    """What a first look at a file, or at one sheet of a workbook, shows."""

    path: Path
    # Below the folder.
    name: str
    format: str
    delimiter: str
    sheet: str | None
    header: tuple[str, ...]
    # Lines of the header, and number of lines above it.
    header_lines: int
    lines_above: int
    # Cells above the header, line by line.
    above: tuple[tuple[str, ...], ...]
    # Some records below it.
    rows: tuple[tuple[str, ...], ...]

    def column(self, place: int) -> list[str]:
        """Return the filled cells of a column, without spaces around them."""
        cells = (row[place].strip() for row in self.rows if place < len(row))
        return [cell for cell in cells if cell]


def look(path: Path, name: str, scratch: Path) -> list[Sight]:
    """Return what a file shows, one for each sheet with a table; none if it has no rows.

    Raises:
        DeliveryRefused: it cannot be read; the message says why.
    """
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    form = _form(path)
    if form == "parquet":
        return [_of_table(path, name, form, *_parquet(path))]
    if form == "jsonl":
        copy = scratch / "lines.csv"
        json_lines.read(path, scratch / "lines.utf8", copy)
        rows = [row[1:] for row in _records(copy, ",", SEEN_ROWS)]
        return [_of_table(path, name, form, tuple(rows[0]), rows[1:])]
    if form == "xlsx":
        workbooks.check(path)
        found = [_sheet(path, name, sheet, scratch) for sheet in workbooks.sheets(path)]
        return [sight for sight in found if sight is not None]
    text = encodings.as_utf8(path, scratch / "text.utf8").path
    delimiter = _delimiter(text)
    sight = _of_lines(path, name, "csv", delimiter, None, _records(text, delimiter, SEEN_ROWS))
    return [sight] if sight else []


def _form(path: Path) -> str:
    """Return the format that the first bytes show, else the ending."""
    with path.open("rb") as stream:
        first = stream.read(4)
    if first == b"PAR1":
        return "parquet"
    if first == b"PK\x03\x04":
        return "xlsx"
    return _ENDINGS.get(path.suffix.lower(), "csv")


def _parquet(path: Path) -> tuple[tuple[str, ...], list[list[str]]]:
    try:
        formats.read_parquet(path, pyarrow.parquet.read_metadata(path).num_rows)
        with pyarrow.parquet.ParquetFile(path) as opened:
            batch = next(opened.iter_batches(batch_size=SEEN_ROWS), None)
            header = tuple(opened.schema_arrow.names)
        columns = [] if batch is None else [column.to_pylist() for column in batch.columns]
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError, ValueError, OverflowError):
        raise DeliveryRefused("the file is not Parquet, or is damaged") from None
    rows = [
        ["" if cell is None else str(cell) for cell in row] for row in zip(*columns, strict=True)
    ]
    return header, rows


def _of_table(
    path: Path, name: str, form: str, header: tuple[str, ...], rows: Sequence[Sequence[str]]
) -> Sight:
    return Sight(path, name, form, ",", None, header, 1, 0, (), tuple(map(tuple, rows)))


def _sheet(path: Path, name: str, sheet: str, scratch: Path) -> Sight | None:
    copy = scratch / "sheet.csv"
    workbooks.convert(path, copy, sheet)
    if not copy.stat().st_size:
        return None
    rows = [row[1:] for row in _records(copy, ",", SEEN_ROWS)]
    return _of_lines(path, name, "xlsx", ",", sheet, rows)


def _records(path: Path, delimiter: str, count: int) -> list[list[str]]:
    return [
        csv_lines.cells(record, delimiter) or []
        for record in csv_lines.first(path, delimiter, count)
    ]


def _delimiter(text: Path) -> str:
    """Return the delimiter that cuts most lines into the same number of cells, beyond one."""

    def evenness(delimiter: str) -> tuple[int, int]:
        widths = Counter(len(cells) for cells in _records(text, delimiter, 60))
        width, lines = max(widths.items(), key=lambda item: (item[0] > 1, item[1]), default=(0, 0))
        return (lines if width > 1 else 0, width)

    return max(_DELIMITERS, key=evenness)


def _of_lines(
    path: Path, name: str, form: str, delimiter: str, sheet: str | None, lines: list[list[str]]
) -> Sight | None:
    """Return the table among the first lines of a file or sheet; none without a row."""
    if not lines:
        return None
    place, depth = _header(lines[: thresholds.load().header_within])
    header = csv_files.joined(lines[place : place + depth]) or []
    rows = lines[place + depth :]
    if not header or not rows:
        return None
    above = tuple(tuple(line) for line in lines[:place] if any(cell.strip() for cell in line))
    return Sight(
        path, name, form, delimiter, sheet, tuple(header), depth, place, above,
        tuple(map(tuple, rows)),
    )  # fmt: skip


def _header(lines: Sequence[list[str]]) -> tuple[int, int]:
    """Return the place of the header and its number of lines.

    It is the line, or the two joined, with the header of an included mapping; else the one with
    most headers that some contract knows; if none has two of them, the first with as many filled
    cells as the lines below.
    """
    known = Counter[tuple[int, int]]()
    for place in range(len(lines)):
        for depth in (1, 2):
            cells = csv_files.joined(lines[place : place + depth]) or []
            if included.of(cells):
                return place, depth
            texts = set(map(headers.comparable, cells))
            known[place, -depth] = max(len(texts & listed) for listed in _known_texts())
    (place, depth), count = max(known.items(), key=lambda item: (item[1], item[0][1], -item[0][0]))
    if count >= 2:
        return place, 2 if -depth == 1 and _is_merged(lines[place : place + 2]) else -depth
    widths = Counter(len(line) for line in lines if line)
    usual = widths.most_common(1)[0][0] if widths else 0
    for place, line in enumerate(lines):
        filled = [cell for cell in line if cell.strip()]
        if (
            len(line) == usual
            and len(filled) >= max(2, usual - 1)
            and not any(map(_is_number, filled))
        ):
            return place, 1
    return 0, 1


def _is_merged(lines: Sequence[list[str]]) -> bool:
    """Whether the second line names columns under merged cells of the first."""
    if len(lines) < 2:
        return False
    upper, lower = lines
    filled = [place for place, cell in enumerate(lower) if cell.strip()]
    under = [place for place in filled if place < len(upper) and not upper[place].strip()]
    names = not any(any(map(str.isdigit, lower[place])) for place in filled)
    return bool(under) and len(filled) > len(under) and names and len(filled) < len(upper)


@cache
def _known_texts() -> tuple[frozenset[str], ...]:
    """Return the headers of each contract."""
    return tuple(frozenset(headers.known_headers(c)) for c in contracts.load().values())


def _is_number(cell: str) -> bool:
    return bool(cell.strip().lstrip("+-¥$").replace(",", "").replace(".", "", 1).isdigit())


def same_header(one: Sight, other: Sight) -> bool:
    """Whether two files are of one kind."""
    return (one.format, one.delimiter, one.sheet, _texts(one)) == (
        other.format, other.delimiter, other.sheet, _texts(other),
    )  # fmt: skip


def _texts(sight: Sight) -> list[str]:
    return [normalise_header(text) for text in sight.header]
