"""Turns one sheet of a workbook into CSV, in a separate process with limits of memory and time.

A workbook of a kilobyte can name a cell that makes its reader request 500 GB and abort, so no
process with an open vault may read one. Run as a script by `extracts.reading.workbooks`; imports
nothing of the project, to start in 30 ms. Prints one JSON object: the positions of numeric
columns, or the reason for refusing the sheet.
"""

import csv
import json
import re
import resource
import sys
import zipfile
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import python_calamine

# Excel keeps 15 digits of a number.
_EXACT_BELOW = 10**15
_ERROR_CELL = re.compile(rb'<c [^>]*?\bt="e"[^>]*>')
_REFERENCE = re.compile(rb'\br="([A-Z]{1,3})([0-9]{1,7})"')
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_BLOCK_BYTES = 1 << 20


class _Refused(Exception):
    """Why the sheet cannot be taken."""


def main(path: str, copy: str, sheet: str, code_positions: str, memory_bytes: str) -> None:
    """Write the sheet as CSV: its row number first, then its cells as text.

    Without a copy to write, only list the visible sheets.
    """
    limit = int(memory_bytes)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    pairs = (pair.split(":") for pair in code_positions.split(",") if pair)
    codes = {int(position): int(digits) for position, digits in pairs}
    try:
        answer = _convert(Path(path), Path(copy), sheet, codes) if copy else _list(Path(path))
    except _Refused as refusal:
        answer = {"refused": str(refusal)}
    json.dump(answer, sys.stdout)


def _convert(path: Path, copy: Path, sheet: str, codes: dict[int, int]) -> dict[str, object]:
    with python_calamine.load_workbook(str(path)) as workbook:
        name = _sheet_name(workbook, sheet)
        errors = _error_cells(path, name)
        rows = workbook.get_sheet_by_name(name)
        first_column = (rows.start or (0, 0))[1]
        wrong = {(row, column - first_column) for row, column in errors}
        with copy.open("w", encoding="utf-8", newline="") as stream:
            numeric = _write(rows.iter_rows(), csv.writer(stream).writerow, codes, wrong)
    return {"numeric": sorted(numeric)}


def _list(path: Path) -> dict[str, object]:
    with python_calamine.load_workbook(str(path)) as workbook:
        return {
            "sheets": [
                found.name
                for found in workbook.sheets_metadata
                if found.typ == python_calamine.SheetTypeEnum.WorkSheet
                and found.visible == python_calamine.SheetVisibleEnum.Visible
            ]
        }


def _sheet_name(workbook: python_calamine.CalamineWorkbook, wanted: str) -> str:
    names = [
        found.name
        for found in workbook.sheets_metadata
        if found.typ == python_calamine.SheetTypeEnum.WorkSheet
        and (wanted or found.visible == python_calamine.SheetVisibleEnum.Visible)
    ]
    if wanted and wanted not in names:
        raise _Refused("the workbook has no sheet of the manifest's name")
    if not names:
        raise _Refused("the workbook has no visible sheet")
    return wanted or names[0]


def _write(
    rows: Iterable[Sequence[object]],
    write: Callable[[list[object]], object],
    codes: dict[int, int],
    wrong: set[tuple[int, int]],
) -> set[int]:
    numeric: set[int] = set()
    for number, row in enumerate(rows):
        cells = [_text(cell, codes.get(place)) for place, cell in enumerate(row)]
        if wrong:
            cells = ["#N/A" if (number, p) in wrong else cell for p, cell in enumerate(cells)]
        if any(cells):
            numeric |= {p for p, cell in enumerate(row) if type(cell) in (int, float)}
            write([number + 1, *cells])
    return numeric


def _text(cell: object, digits: int | None) -> str:
    """Return a cell as text.

    A number in a column of codes gets the zeros back that it lost, up to its `digits`. If these are
    not known, 0, it is marked as having lost digits.
    """
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, int | float):
        if digits and 0 <= cell < _EXACT_BELOW and cell == int(cell):
            return str(int(cell)).zfill(digits)
        if digits is not None or abs(cell) >= _EXACT_BELOW:
            return f"{cell:.15E}"
        return str(int(cell)) if cell == int(cell) else f"{Decimal(repr(cell)):f}"
    return str(cell)


def _error_cells(path: Path, sheet: str) -> set[tuple[int, int]]:
    """Return row and column, from 0, of cells such as #N/A, which calamine returns as empty.

    None for workbooks in other formats than xlsx.
    """
    found: set[tuple[int, int]] = set()
    if not zipfile.is_zipfile(path):
        return found
    with zipfile.ZipFile(path) as archive:
        if "xl/workbook.xml" not in archive.namelist():
            return found
    with zipfile.ZipFile(path) as archive, archive.open(_part(archive, sheet)) as stream:
        rest = b""
        while block := stream.read(_BLOCK_BYTES):
            text = rest + block
            for cell in _ERROR_CELL.findall(text):
                reference = _REFERENCE.search(cell)
                if reference is None:
                    raise _Refused(
                        "the sheet contains an error value such as #N/A in a nameless cell"
                    )
                found.add((int(reference[2]) - 1, _column(reference[1])))
            rest = text[text.rfind(b"<") :][-_BLOCK_BYTES:] if b"<" in text else b""
    return found


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def _part(archive: zipfile.ZipFile, sheet: str) -> str:
    """Return the archive member of a sheet."""
    book = ElementTree.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314 — see the import
    relations = ElementTree.fromstring(  # noqa: S314 — see the import
        archive.read("xl/_rels/workbook.xml.rels")
    )
    targets = {relation.get("Id"): relation.get("Target", "") for relation in relations}
    for element in book.iter():
        if element.tag.rpartition("}")[2] == "sheet" and element.get("name") == sheet:
            target = targets.get(element.get(_RELATION), "")
            return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    raise _Refused("the workbook does not say where its sheet is")


if __name__ == "__main__":
    main(*sys.argv[1:])
