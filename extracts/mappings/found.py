"""The files of a folder that a mapping names, as entries of manifests."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pyarrow

from extracts import contracts
from extracts.column_reading import ColumnReading
from extracts.contracts import normalise_header
from extracts.manifest import DeliveredFile
from extracts.mappings.files import factor, targets
from extracts.mappings.model import ExportMapping, MappedColumn, MappedFiles
from extracts.reading import csv_lines, encodings, thresholds, workbooks
from firmpulse import digests
from firmpulse.errors import ConfigurationError, DeliveryRefused

_ENDINGS = {
    ".csv": "csv", ".txt": "csv", ".tsv": "csv", ".xlsx": "xlsx", ".parquet": "parquet",
    ".jsonl": "jsonl", ".ndjson": "jsonl",
}  # fmt: skip
_WILD = re.compile(r"\*\*/|\*|\?|\{[a-z_]+\}")
_BEFORE_VALUE = ":：= \t\u3000"


@dataclass(frozen=True)
class Found:
    """A file of the folder, and what the mapping says about it."""

    files: MappedFiles
    # Number of its block in the mapping, from 1.
    number: int
    path: Path
    # Below the folder.
    name: str
    # Columns to their values from the path.
    from_path: Mapping[str, str]

    @property
    def format(self) -> str:
        """The format that the mapping says, or that the file's ending shows.

        Raises:
            DeliveryRefused: neither does.
        """
        found = self.files.format or _ENDINGS.get(self.path.suffix.lower())
        if found is None:
            raise DeliveryRefused(
                f"its ending {self.path.suffix!r} shows no format; say it under format"
            )
        return found


def find(mapping: ExportMapping, folder: Path) -> list[Found]:
    """Return the files of a folder that a mapping names, by block of the mapping and name."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = [path.relative_to(folder).as_posix() for path in paths]
    found = []
    for number, files in enumerate(mapping.files, 1):
        pattern = _pattern(files.pattern)
        for path, name in zip(paths, names, strict=True):
            if matched := pattern.fullmatch(name):
                found.append(Found(files, number, path, name, matched.groupdict()))
    return found


def _pattern(text: str) -> re.Pattern[str]:
    parts, place = list[str](), 0
    for wild in _WILD.finditer(text):
        parts.append(re.escape(text[place : wild.start()]))
        place = wild.end()
        if wild[0].startswith("{"):
            parts.append(f"(?P<{wild[0][1:-1]}>[^/]+?)")
        else:
            parts.append({"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}[wild[0]])
    return re.compile("".join([*parts, re.escape(text[place:])]))


def entry(found: Found, scratch: Path) -> DeliveredFile:
    """Return a file's entry in a manifest; of its rows only Parquet says the number.

    Raises:
        DeliveryRefused: the file is in no known form, or lacks a label above its header.
    """
    files = found.files
    contract = contracts.load()[files.table]
    readings = {}
    for column in files.columns.values():
        if column is not None:
            unit = contract.column(targets(contract)[column.to]).unit
            readings[column.to] = _reading(column, unit)
    headers = {text: column.to for text, column in files.columns.items() if column is not None}
    headers |= {text: name for name, texts in files.one_of.items() for text in texts}
    return DeliveredFile(
        name=found.name,
        table=files.table,
        format=found.format,  # type: ignore[arg-type] # checked by the model
        sha256=digests.of_file(found.path),
        rows=_rows_of_parquet(found.path) if found.format == "parquet" else 0,
        encoding=files.encoding,
        delimiter=files.delimiter,
        sheet=files.sheet,
        headers=headers,
        constants={**files.constants, **found.from_path, **_above(found, scratch)},
        readings={name: reading for name, reading in readings.items() if reading != _AS_IT_IS},
        ignored=tuple(text for text, column in files.columns.items() if column is None),
        one_of=tuple(files.one_of),
        not_rows=files.not_rows,
        header_lines=files.header_lines,
        header=files.header,
    )


_AS_IT_IS = ColumnReading()


def _reading(column: MappedColumn, unit: str | None) -> ColumnReading:
    told = column.unit if isinstance(column.unit, Decimal) else factor(column.unit or "", unit)
    return ColumnReading(
        values=column.values,
        format=column.format,
        factor=told,
        decimal=column.decimal,
        positive=column.positive,
    )


def _rows_of_parquet(path: Path) -> int:
    try:
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    except (pyarrow.ArrowException, OSError):
        raise DeliveryRefused("the file is not Parquet") from None


def _above(found: Found, scratch: Path) -> dict[str, str]:
    """Return the values of columns that follow a label above the header."""
    labels = found.files.above_header
    if not labels:
        return {}
    lines = first_lines(found, scratch, thresholds.load().header_within)
    values = {}
    for label, column in labels.items():
        value = next(_values(lines, label), None)
        if value is None:
            raise DeliveryRefused(f"no line above the header says {label}, which is {column}")
        values[column] = value
    return values


def _values(lines: Sequence[Sequence[str]], label: str) -> Iterator[str]:
    """Yield what follows a label: in its cell, or in the next filled one of its line."""
    wanted = normalise_header(label)
    for cells in lines:
        for place, cell in enumerate(cells):
            text = normalise_header(cell)
            if text.rstrip(_BEFORE_VALUE) == wanted:
                yield from (other.strip() for other in cells[place + 1 :] if other.strip())
            elif text.startswith(wanted) and text[len(wanted) :][:1] in _BEFORE_VALUE:
                yield text[len(wanted) :].lstrip(_BEFORE_VALUE)


def first_lines(found: Found, scratch: Path, count: int) -> list[list[str]]:
    """Return the cells of the first lines of a CSV file or a sheet.

    Raises:
        DeliveryRefused: it cannot be read, or is of another form.
    """
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    copy = scratch / "first"
    delimiter, shift = found.files.delimiter, 0
    if found.format == "xlsx":
        workbooks.check(found.path)
        workbooks.convert(found.path, copy, found.files.sheet)
        path, delimiter, shift = copy, ",", 1
    elif found.format == "csv":
        path = encodings.as_utf8(found.path, copy, found.files.encoding).path
    else:
        raise DeliveryRefused(f"a file of {found.format} has no line above a header")
    records = csv_lines.first(path, delimiter, count)
    return [(csv_lines.cells(record, delimiter) or [])[shift:] for record in records]


def one_per_path(found: Sequence[Found]) -> None:
    """Refuse a mapping of which two blocks take the same file, unless it is one of sheets.

    Raises:
        ConfigurationError: they do.
    """
    first: dict[tuple[str, str | None], int] = {}
    for file in found:
        place = (file.name, file.files.sheet)
        if place in first:
            raise ConfigurationError(
                f"{file.name} fits block {first[place]} and block {file.number} of the mapping; "
                f"make one of the patterns narrower"
            )
        first[place] = file.number
