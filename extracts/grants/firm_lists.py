"""The firms of a data set: one column of a CSV, Excel or Parquet file."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow
import pyarrow.compute
import pyarrow.parquet

from extracts.grants.columns import FIRM_HEADERS, field_of
from extracts.grants.values import folded, tidy
from extracts.reading import tables
from extracts.reading.table_bounds import Bounds
from firmpulse.errors import DeliveryRefused


def read(path: Path, scheme: str, column: str | None = None) -> dict[int, str]:
    """Return the identifiers of a file by the number of their row, each once.

    Args:
        path: the file.
        scheme: of identifiers without one.
        column: header of the column; without one, a header for firms that is known.

    Raises:
        DeliveryRefused: the file cannot be read, or has no or two such columns.
    """
    if path.suffix.lower() == ".parquet":
        return _once(enumerate(_of_parquet(path, column), 1), scheme)
    bounds = Bounds(
        match=lambda header: _place(path, header, column),
        required=lambda header: frozenset({_place(path, header, column)}),
        known=lambda cells: sum(_is_it(title, column) for title in cells),
    )
    header, rows = tables.read(path, bounds, "identifier")
    place = _place(path, tuple(header), column)
    return _once(((n, row[place] if place < len(row) else "") for n, row in rows), scheme)


def _once(cells: Iterable[tuple[int, str]], scheme: str) -> dict[int, str]:
    found: dict[str, int] = {}
    for number, cell in cells:
        text = tidy(cell)
        found.setdefault(text if ":" in text else f"{scheme}:{text}", number)
    return {number: firm for firm, number in found.items()}


def _of_parquet(path: Path, column: str | None) -> list[str]:
    try:
        names = tuple(pyarrow.parquet.read_schema(path).names)
        name = names[_place(path, names, column)]
        values = pyarrow.parquet.read_table(path, columns=[name]).column(0)
    except (OSError, pyarrow.ArrowException):
        raise DeliveryRefused(
            f"{path.name} cannot be read as Parquet; give a Parquet, CSV or Excel file"
        ) from None
    return ["" if value is None else str(value) for value in values.unique().to_pylist()]


def _place(path: Path, header: tuple[str, ...], column: str | None) -> int:
    found = [place for place, title in enumerate(header) if _is_it(title, column)]
    if len(found) == 1:
        return found[0]
    sought = f"{column}" if column else f"firms, such as {FIRM_HEADERS[0]} or firm"
    raise DeliveryRefused(
        f"{path.name} has {len(found) or 'no'} columns for {sought}; name the header of one with "
        f"--column"
    )


def _is_it(title: str, column: str | None) -> bool:
    if column is not None:
        return folded(title) == folded(column)
    field = field_of(title)
    return field is not None and field.name == "firm"
