"""JSON lines: one object per line, converted to a CSV copy of texts."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from extracts.reading.encodings import Encoding, as_utf8
from extracts.reading.formats import MAX_COLUMNS, BrokenLine, Readable
from firmpulse.errors import DeliveryRefused

# Longer than any row; one line of a gigabyte would be held in memory whole.
MAX_LINE_BYTES = 1 << 20
# With more broken lines than this the file does not match its manifest.
MAX_BROKEN_LINES = 100_000

_BOM = "\ufeff".encode()


@dataclass(frozen=True)
class _Row:
    line: int
    cells: dict[str, str]


def read(path: Path, utf8_copy: Path, copy: Path, told: Encoding | None = None) -> Readable:
    """Write a file of JSON objects as CSV: its line number, then one column per key.

    Numbers keep their digits. A line that is not a flat object is broken. `told` is the encoding
    in the manifest.

    Raises:
        DeliveryRefused: wrong encoding, too long a line, too many keys, or no valid line.
    """
    text = as_utf8(path, utf8_copy, told)
    source = text.path
    copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = _write(source, copy, _first_keys(source))
    if found.path == source:
        # A later line has a key that the first lacks.
        found = _write(source, copy, _all_keys(source))
    return replace(found, encoding=text.encoding)


def _write(source: Path, copy: Path, keys: tuple[str, ...]) -> Readable:
    """Return the copy, or the source itself where a row has a key that is not among `keys`."""
    broken = []
    known = set(keys)
    with copy.open("w", encoding="utf-8", newline="") as stream:
        target = csv.writer(stream)
        target.writerow(["", *keys])
        for row in _rows(source):
            if isinstance(row, BrokenLine):
                broken.append(row)
                if len(broken) > MAX_BROKEN_LINES:
                    raise DeliveryRefused(
                        f"more than {MAX_BROKEN_LINES} lines are not JSON objects; send it again"
                    )
            elif row.cells.keys() <= known:
                target.writerow([row.line, *(row.cells.get(key, "") for key in keys)])
            else:
                return Readable(source, "", keys)
    return Readable(copy, "", keys, has_lines=True, broken_lines=tuple(broken))


def _first_keys(source: Path) -> tuple[str, ...]:
    for row in _rows(source):
        if isinstance(row, _Row) and row.cells:
            return tuple(row.cells)
    raise DeliveryRefused("no line of the file is a JSON object")


def _all_keys(source: Path) -> tuple[str, ...]:
    keys: dict[str, None] = {}
    for row in _rows(source):
        if isinstance(row, _Row):
            keys |= dict.fromkeys(row.cells)
        if len(keys) > MAX_COLUMNS:
            raise DeliveryRefused(f"the objects have more than {MAX_COLUMNS} different keys")
    return tuple(keys)


def _rows(source: Path) -> Iterator[_Row | BrokenLine]:
    with source.open("rb") as stream:
        number = 0
        while line := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise DeliveryRefused(
                    f"line {number} is longer than {MAX_LINE_BYTES} bytes; "
                    f"put each object on its own line"
                )
            text = line.removeprefix(_BOM) if number == 1 else line
            if text.strip():
                yield _parse(number, text.decode("utf-8").strip())


def _parse(number: int, text: str) -> _Row | BrokenLine:
    try:
        pairs = json.loads(
            text, object_pairs_hook=_Pairs, parse_int=str, parse_float=str, parse_constant=_refuse
        )
    except (ValueError, RecursionError):
        return BrokenLine(number, "no json", text)
    if not isinstance(pairs, _Pairs):
        return BrokenLine(number, "no object", text)
    cells = {key: _text(value) for key, value in pairs}
    if len(cells) < len(pairs):
        return BrokenLine(number, "repeated key", text)
    sound = {key: value for key, value in cells.items() if value is not None}
    if len(sound) < len(cells):
        return BrokenLine(number, "nested", text)
    if "\\u" in text and not all(map(_is_writable, (*sound, *sound.values()))):
        return BrokenLine(number, "no text", text)
    return _Row(number, sound)


class _Pairs(list[tuple[str, object]]):
    """The members of an object, in order."""


def _text(value: object) -> str | None:
    """Return a value as text, null for an object or a list."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return None


def _is_writable(text: str) -> bool:
    """Whether a text has neither NUL nor half a character; JSON can escape both."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _refuse(constant: str) -> str:
    raise ValueError(constant)
