"""Lines of a CSV file as DuckDB counts them: one per record, even with quoted line breaks."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from firmpulse.errors import DeliveryRefused

# Longest record that DuckDB reads.
MAX_BYTES = 2_000_000

_BOM = "\ufeff".encode()
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BLOCK_BYTES = 1 << 20


def records(path: Path, delimiter: str) -> Iterator[bytes]:
    """Yield the records of a file, including blank ones, without line ends: LF, CR LF or CR.

    A line break in quotes belongs to its record; quotes open only at the start of a cell.

    Raises:
        DeliveryRefused: a record is longer than any row; most likely a quote is not closed.
    """
    quotes = _Quotes(delimiter)
    parts: list[bytes] = []
    size = 0
    with path.open("rb") as stream:
        if stream.read(len(_BOM)) != _BOM:
            stream.seek(0)
        for line, end in _physical_lines(stream):
            parts.append(line)
            size += len(line)
            if quotes.stay_open(line):
                parts.append(end)
                if size > MAX_BYTES:
                    raise DeliveryRefused(
                        f"a row of the file is longer than {MAX_BYTES} bytes; look for open quotes"
                    )
                continue
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


def cells(record: bytes, delimiter: str) -> list[str] | None:
    """Return the cells of a record, none for a blank one, null if its quotes are broken."""
    # A field of `csv` is at most 128 kB; a longer one is neither header nor total.
    text = io.StringIO(record.decode("utf-8", errors="replace"), newline="")
    try:
        return next(csv.reader(text, delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None


def first(path: Path, delimiter: str, count: int) -> Sequence[bytes]:
    """Return the first records of a file, up to one that cannot be read."""
    found: list[bytes] = []
    try:
        for record in islice(records(path, delimiter), count):
            found.append(record)
    except DeliveryRefused:
        if not found:
            raise
    return found


def last(path: Path) -> str:
    """Return the last line that is not blank, or its end, regardless of quotes."""
    with path.open("rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(max(0, size - (1 << 16)))
        block = stream.read().rstrip(b"\r\n")
    return _LINE_END.split(block)[-1].decode("utf-8", errors="ignore")


class _Quotes:
    """Whether quotes are open at the end of a line."""

    def __init__(self, delimiter: str) -> None:
        mark = re.escape(delimiter.encode())
        # A cell in quotes, to its end if it has one in this line.
        self._cell = re.compile(rb"(?:^|" + mark + rb') *"[^"]*(?:""[^"]*)*("?)')
        self._rest = re.compile(rb'[^"]*(?:""[^"]*)*("?)')
        self._is_open = False

    def stay_open(self, line: bytes) -> bool:
        """Read the next line; return whether the record continues after it."""
        if b'"' not in line:
            return self._is_open
        place = 0
        if self._is_open:
            found = self._rest.match(line)
            if found is None or not found[1]:
                return True
            place = found.end()
        self._is_open = False
        while found := self._cell.search(line, place):
            if not found[1]:
                self._is_open = True
                break
            place = found.end()
        return self._is_open


def _physical_lines(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield lines and their ends; the last one may have none."""
    rest = b""
    while block := stream.read(_BLOCK_BYTES):
        text = rest + block
        place = 0
        for found in _LINE_END.finditer(text):
            if found.end() == len(text) and found[0] == b"\r":
                # The other half of CR LF may follow.
                break
            yield text[place : found.start()], found[0]
            place = found.end()
        rest = text[place:]
        if len(rest) > MAX_BYTES:
            raise DeliveryRefused(f"a line of the file is longer than {MAX_BYTES} bytes")
    if rest.endswith(b"\r"):
        yield rest[:-1], b"\r"
    elif rest:
        yield rest, b""
