"""Whether amounts have signs, in a file without any other sign of money in or out."""

import csv
import re
import unicodedata
from collections.abc import Iterator

import pyarrow
import pyarrow.compute
import pyarrow.parquet

from extracts.reading.formats import Readable
from firmpulse.errors import DeliveryRefused

# A tidied amount with a sign: +1.00, -1.00, (1.00), 1.00-.
_SIGN = re.compile(r"[-+(].*[0-9]|[0-9].*-$")
_NUMBERS = (
    pyarrow.types.is_integer, pyarrow.types.is_floating, pyarrow.types.is_decimal,
)  # fmt: skip
# What surrounds a value in a cell: spaces, and Excel's markers of text.
_AROUND = " \t\r\n\u3000=\"'"


def require(readable: Readable, position: int) -> None:
    """Refuse a file without any signed amount in the column at `position`.

    Otherwise nothing distinguishes money in from money out.

    Raises:
        DeliveryRefused: no amount has one.
    """
    values = _of_parquet(readable, position) if readable.types else _of_texts(readable, position)
    if not any(values):
        raise DeliveryRefused(
            "no amount in the file has a sign and no column says if money came in or went out; "
            "send such a column, or say 贷 for dc in the manifest's constants if a minus would "
            "mean money that went out"
        )


def _of_texts(readable: Readable, position: int) -> Iterator[bool]:
    """Yield for each record whether its amount has a sign; a record too short for one has none."""
    place = position + readable.has_lines
    with readable.path.open(encoding="utf-8-sig", newline="") as stream:
        try:
            for record in csv.reader(stream, delimiter=readable.delimiter):
                yield len(record) > place and _has_sign(record[place])
        except csv.Error:
            # A cell of more than 128 kB; such a line is not a row of a statement.
            return


def _of_parquet(readable: Readable, position: int) -> Iterator[bool]:
    name = readable.header[position]
    # A name that occurs twice, or looks like a path, is identified by its position only.
    is_plain = readable.header.count(name) == 1 and "." not in name
    with pyarrow.parquet.ParquetFile(readable.path) as opened:
        for batch in opened.iter_batches(columns=[name] if is_plain else None):
            column = batch.column(0 if is_plain else position)
            if pyarrow.types.is_dictionary(column.type):
                column = column.dictionary_decode()
            if any(is_number(column.type) for is_number in _NUMBERS):
                yield bool(pyarrow.compute.any(pyarrow.compute.less(column, 0)).as_py())
            else:
                yield any(_has_sign(str(value)) for value in column.to_pylist())


def _has_sign(cell: str) -> bool:
    return bool(_SIGN.match(unicodedata.normalize("NFKC", cell).strip(_AROUND)))
