"""The files of a folder that a mapping names, as entries of manifests."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow

from extracts import contracts, manifest
from extracts.contracts import normalise_text
from extracts.manifest import DeliveredFile
from extracts.mappings import entries
from extracts.mappings.model import ExportMapping, MappedFiles
from extracts.reading import csv_lines, encodings, headers, thresholds, workbooks
from firmpulse import digests
from firmpulse.errors import ConfigurationError, DeliveryRefused

_ENDINGS = {
    ".csv": "csv", ".txt": "csv", ".tsv": "csv", ".xlsx": "xlsx", ".parquet": "parquet",
    ".jsonl": "jsonl", ".ndjson": "jsonl",
}  # fmt: skip
_WILD = re.compile(r"(?:\*\*/)+|\*|\?|\{[a-z_]+\}")


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


def files_in(folder: Path) -> list[tuple[Path, str]]:
    """Return the files below a folder with their names, without those that do not count."""
    found = ((p, p.relative_to(folder).as_posix()) for p in sorted(folder.rglob("*")))
    return [(path, name) for path, name in found if may_count(name) and path.is_file()]


def may_count(name: str) -> bool:
    """Whether a path may be of a file to be read; hidden ones and manifests are not."""
    parts = PurePosixPath(name).parts
    return parts[-1] != manifest.NAME and not any(p.startswith((".", "~$")) for p in parts)


def find(mapping: ExportMapping, files: Iterable[tuple[Path, str]]) -> list[Found]:
    """Return the files that a mapping names, by block of the mapping and name.

    Raises:
        ConfigurationError: two blocks of the mapping take the same file.
    """
    offered = list(files)
    found = []
    for number, block in enumerate(mapping.files, 1):
        pattern = _pattern(block.pattern)
        for path, name in offered:
            if matched := pattern.fullmatch(name):
                found.append(Found(block, number, path, name, matched.groupdict()))
    _require_one_each(found)
    return found


def _pattern(text: str) -> re.Pattern[str]:
    parts, place = list[str](), 0
    for wild in _WILD.finditer(text):
        parts.append(re.escape(text[place : wild.start()]))
        place = wild.end()
        if wild[0].startswith("{"):
            parts.append(f"(?P<{wild[0][1:-1]}>[^/]+?)")
        else:
            parts.append({"*": "[^/]*", "?": "[^/]"}.get(wild[0], "(?:.*/)?"))
    return re.compile("".join([*parts, re.escape(text[place:])]))


def entry(found: Found, name: str, scratch: Path) -> DeliveredFile:
    """Return a file's entry in a manifest, under a name; of its rows only Parquet says the number.

    Raises:
        DeliveryRefused: the file is in no known form, or lacks a label above its header.
    """
    told = entries.fields(found.files, contracts.load()[found.files.table])
    return DeliveredFile.model_validate({
        **told,
        "name": name,
        "format": found.format,
        "sha256": digests.of_file(found.path),
        "rows": _rows_of_parquet(found.path) if found.format == "parquet" else 0,
        "constants": {**told["constants"], **found.from_path, **_above(found, scratch)},
    })  # fmt: skip


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
        value = next(after_label(lines[: _header_at(found.files, lines)], label), None)
        if value is None:
            raise DeliveryRefused(
                f"no line above the header says {label}, which is {column}; look at the file and "
                f"correct above_header"
            )
        values[column] = value
    return values


def _header_at(files: MappedFiles, lines: Sequence[Sequence[str]]) -> int:
    """Return the place of the header: the line with most of its texts."""
    contract = contracts.load()[files.table]
    mapped = (*files.header, *files.columns)
    known = [headers.known_in(contract, cells, mapped) for cells in lines]
    return known.index(max(known)) if known else 0


def after_label(lines: Sequence[Sequence[str]], label: str) -> Iterator[str]:
    """Yield what follows a label: in its cell, or in the next filled one of its line."""
    wanted = headers.comparable(label)
    spaced = r"\s*".join(map(re.escape, wanted))
    inside = re.compile(rf"{spaced}\s*(?:[:=]|\s)\s*(\S.*)")
    for cells in lines:
        for place, cell in enumerate(cells):
            if headers.comparable(cell).rstrip(":=") == wanted:
                yield from (other.strip() for other in cells[place + 1 :] if other.strip())
            elif match := inside.fullmatch(normalise_text(cell)):
                yield match[1].strip()


def first_lines(found: Found, scratch: Path, count: int) -> list[list[str]]:
    """Return the cells of the first lines of a CSV file or a sheet.

    Raises:
        DeliveryRefused: it cannot be read, or is of another form.
    """
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


def _require_one_each(found: Sequence[Found]) -> None:
    """Refuse a mapping of which two blocks take the same file by accident.

    A block may take another sheet of it. With the same pattern it may take the same rows for
    another table.
    """
    first: dict[tuple[str, str | None], list[Found]] = {}
    for file in found:
        others = first.setdefault((file.name, file.files.sheet), [])
        for other in others:
            same = other.files.pattern == file.files.pattern
            if not same or other.files.table == file.files.table:
                raise ConfigurationError(
                    f"{manifest.fitting_name(file.name)} fits block {other.number} and block "
                    f"{file.number} of the mapping; make one of the patterns narrower, or give "
                    f"both the same pattern if the rows are of two tables"
                )
        others.append(file)
