"""The forms in which DuckDB reads a delivered file: UTF-8 CSV or Parquet.

Other files are converted to a CSV copy of texts; its first column is the delivered line.
"""

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow
import pyarrow.parquet
from pyarrow import types

from extracts.reading.table_bounds import Skipped
from firmpulse.errors import DeliveryRefused

# Rows of invoices take 20 to 300 bytes in Parquet and unpack to five times that.
MAX_RATIO = 100
# Below this size no ratio is suspicious: a constant column compresses to almost nothing.
RATIO_FREE_BYTES = 64 << 20
RATIO_FREE_ROWS = 1_000_000
# A row cannot differ from the others in less than half a byte.
MAX_ROWS_PER_BYTE = 2
MAX_COLUMNS = 1_000


@dataclass(frozen=True)
class BrokenLine:
    """A line that is not a row; it goes to quarantine as a whole."""

    line: int
    # The kind of damage, never a value.
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
    # Blank lines of the CSV, which are not rows; counted as records from 1.
    blank_lines: tuple[int, ...] = ()
    # Lines of the delivered file, counted the same way.
    broken_lines: tuple[BrokenLine, ...] = ()
    # Delimiter of the CSV, whose first line is the header.
    delimiter: str = ","
    # Lines of the delivered file that the CSV lacks: those before its header, and totals.
    lines_before: int = 0
    skipped: Skipped = field(default=Skipped())


def read_parquet(path: Path, rows: int) -> Readable:
    """Return a Parquet file unchanged, after checking its footer.

    Raises:
        DeliveryRefused: it is not Parquet, has the wrong number of rows, or unpacks to too much.
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
    require_columns(len(schema))
    if footer.num_rows != rows:
        raise wrong_row_count(footer.num_rows, rows)
    return Readable(path, "parquet", tuple(schema.names), tuple(field.type for field in schema))


def wrong_row_count(found: int, promised: int) -> DeliveryRefused:
    """Return the refusal of a file whose number of rows differs from the manifest."""
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


def require_columns(found: int) -> None:
    """Refuse a file with more columns than any table has."""
    if found > MAX_COLUMNS:
        raise DeliveryRefused(f"the file has {found} columns; at most {MAX_COLUMNS} are taken")
