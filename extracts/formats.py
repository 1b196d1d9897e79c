"""Brings a delivered file into a form that DuckDB reads: UTF-8 CSV or Parquet.

What is neither is converted into a CSV copy of texts whose first column is the delivered line.
"""

import codecs
import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow
import pyarrow.parquet
from pyarrow import types

from firmpulse.errors import DeliveryRefused

# Rows of invoices take 20 to 300 bytes in Parquet and unpack to five times that.
MAX_RATIO = 100
# Below this size no ratio is suspicious: a column of one value packs to nothing.
RATIO_FREE_BYTES = 64 << 20
RATIO_FREE_ROWS = 1_000_000
# A row cannot be told apart from the others by less than half a byte.
MAX_ROWS_PER_BYTE = 2
MAX_COLUMNS = 1_000

_CHUNK_BYTES = 8 << 20
_HEADER_BYTES = 1 << 16
_BLANK_LINE = re.compile(rb"\n\r?\n")


@dataclass(frozen=True)
class BrokenLine:
    """A line that is no row: it goes to quarantine as a whole."""

    line: int
    # What kind of breakage, never a value.
    value_class: str
    record: str


@dataclass(frozen=True)
class Readable:
    """A file in a form that DuckDB reads."""

    path: Path
    encoding: str
    header: tuple[str, ...]
    # Arrow type of each column, Parquet only.
    types: tuple[pyarrow.DataType, ...] = ()
    # Whether the first column of the CSV, before those of the header, is the delivered line.
    has_lines: bool = False
    # Lines of the CSV, counted as records from 1, that are blank and no rows.
    blank_lines: tuple[int, ...] = ()
    broken_lines: tuple[BrokenLine, ...] = ()


def read_csv(path: Path, copy: Path) -> Readable:
    """Return a CSV file in UTF-8: the delivered one, or a copy made from GB18030.

    Raises:
        DeliveryRefused: it is in neither encoding, holds NUL bytes, or has no usable header.
    """
    encoding, path = as_utf8(path, copy)
    return Readable(path, encoding, _csv_header(path), blank_lines=_blank_lines(path))


def read_parquet(path: Path, rows: int) -> Readable:
    """Return a Parquet file as it is, after a look at what its footer declares.

    Raises:
        DeliveryRefused: it is not Parquet, has another number of rows, or unpacks to too much.
    """
    try:
        with pyarrow.parquet.ParquetFile(path) as opened:
            footer, schema = opened.metadata, opened.schema_arrow
            groups = [footer.row_group(n) for n in range(footer.num_row_groups)]
            declared = sum(group.total_byte_size for group in groups)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError):
        raise DeliveryRefused("the file is not Parquet") from None
    size = path.stat().st_size
    if footer.num_rows > max(RATIO_FREE_ROWS, MAX_ROWS_PER_BYTE * size):
        raise DeliveryRefused(f"the file has {footer.num_rows} rows in {size} bytes; split it")
    if declared > max(RATIO_FREE_BYTES, MAX_RATIO * size):
        raise DeliveryRefused(
            f"the file unpacks to more than {MAX_RATIO} times its size; write it again"
        )
    if len(schema) > MAX_COLUMNS:
        raise _too_many_columns(len(schema))
    if footer.num_rows != rows:
        raise wrong_row_count(footer.num_rows, rows)
    return Readable(path, "parquet", tuple(schema.names), tuple(field.type for field in schema))


def wrong_row_count(found: int, promised: int) -> DeliveryRefused:
    """Return the refusal of a file that holds another number of rows than promised."""
    return DeliveryRefused(f"the file has {found} rows and the manifest says {promised}")


def is_scalar(kind: pyarrow.DataType) -> bool:
    """Whether a Parquet type holds one text, number, truth value or moment per cell."""
    if types.is_dictionary(kind):
        return is_scalar(kind.value_type)
    tests = (
        types.is_string, types.is_large_string, types.is_string_view, types.is_boolean,
        types.is_integer, types.is_floating, types.is_decimal, types.is_date,
        types.is_timestamp, types.is_time, types.is_null,
    )  # fmt: skip
    return any(test(kind) for test in tests)


def as_utf8(path: Path, copy: Path) -> tuple[str, Path]:
    """Return the encoding and a UTF-8 file: the delivered one, or a copy made from GB18030.

    DuckDB reads GB18030 through its encodings extension at 40,000 rows a second and loses
    rows where a character straddles two buffers; Python's codec does neither: 300 MB/s.

    Raises:
        DeliveryRefused: it is in neither encoding, or holds NUL bytes.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")
    seen_beyond_ascii = False
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            if b"\0" in chunk:
                raise DeliveryRefused("the file holds NUL bytes; it is damaged or no text")
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                if seen_beyond_ascii or _is_damaged_utf8(chunk):
                    raise _damaged_utf8() from None
                break
            seen_beyond_ascii = seen_beyond_ascii or not chunk.isascii()
        else:
            try:
                decoder.decode(b"", True)
            except UnicodeDecodeError:
                raise _damaged_utf8() from None
            return "utf-8", path
    _transcode(path, copy)
    return "gb18030", copy


def _is_damaged_utf8(chunk: bytes) -> bool:
    """Whether most of what is not ASCII is sound UTF-8: GB18030 would turn all of it to nonsense.

    Of Chinese in GB18030, a sixth of the characters happen to be sound UTF-8.
    """
    text = chunk.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    sound = sum(1 for character in text if character > "\x7f") - broken
    return chunk.startswith(codecs.BOM_UTF8) or sound > 2 * broken


def _damaged_utf8() -> DeliveryRefused:
    return DeliveryRefused("the file is UTF-8 with broken bytes; export it again")


def _transcode(path: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    decoder = codecs.getincrementaldecoder("gb18030")("strict")
    with path.open("rb") as stream, copy.open("wb") as target:
        try:
            while chunk := stream.read(_CHUNK_BYTES):
                if b"\0" in chunk:
                    raise DeliveryRefused("the file holds NUL bytes; it is damaged or no text")
                target.write(decoder.decode(chunk).encode("utf-8"))
            target.write(decoder.decode(b"", True).encode("utf-8"))
        except UnicodeError:
            raise DeliveryRefused(
                "the file is neither UTF-8 nor GB18030; export it in one of them"
            ) from None


def _csv_header(path: Path) -> tuple[str, ...]:
    with path.open("rb") as stream:
        start = stream.read(_HEADER_BYTES)
    if len(start) == _HEADER_BYTES and b"\n" not in start and b"\r" not in start:
        raise DeliveryRefused(f"the header row is longer than {_HEADER_BYTES} bytes")
    # A cut character at the end of the block belongs to a later row.
    text = start.decode("utf-8-sig", errors="ignore")
    try:
        header = next(csv.reader(io.StringIO(text, newline=""), strict=True), None)
    except csv.Error:
        raise DeliveryRefused("the header row cannot be read; its quotes are broken") from None
    if not header:
        raise DeliveryRefused("the file has no header row")
    if len(header) > MAX_COLUMNS:
        raise _too_many_columns(len(header))
    return tuple(header)


def _too_many_columns(found: int) -> DeliveryRefused:
    return DeliveryRefused(f"the file has {found} columns; at most {MAX_COLUMNS} are taken")


def _blank_lines(path: Path) -> tuple[int, ...]:
    """Return the lines that are blank, as DuckDB counts lines: a quoted line break counts none."""
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
