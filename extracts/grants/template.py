"""The empty table of grants that an operator hands out."""

import csv
from pathlib import Path
from typing import Literal

from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from extracts.contracts import Bilingual
from extracts.grants import values
from extracts.grants.columns import FIELDS
from firmpulse.errors import ConfigurationError

Language = Literal["zh", "en"]

_TABLE = Bilingual("Authorisations", "授权清单")
_NOTES = Bilingual("How to fill it in", "填写说明")
_TITLES = (Bilingual("Column", "列"), Bilingual("Required", "必填"), Bilingual("Content", "内容"))
_YES, _NO = Bilingual("yes", "是"), Bilingual("no", "否")
# Rows with a list to choose from.
_LAST_ROW = 5_000
_AS_TEXT = "@"


def write(path: Path, language: Language) -> None:
    """Write the template as .xlsx, with notes on a second sheet, or as .csv.

    Raises:
        ConfigurationError: the name has another ending, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in (".xlsx", ".csv"):
        raise ConfigurationError(f"--to {path} must end in .xlsx or .csv")
    try:
        if suffix == ".xlsx":
            _workbook(language).save(path)
        else:
            # The byte order mark lets Excel recognise UTF-8.
            with path.open("w", encoding="utf-8-sig", newline="") as file:
                csv.writer(file).writerow(_header(language))
    except OSError as error:
        raise ConfigurationError(f"--to {path}: {error.strerror}; name a file to write") from None


def _header(language: Language) -> list[str]:
    """Return the headers; required ones are marked."""
    return [getattr(field.header, language) + ("*" if field.required else "") for field in FIELDS]


def _workbook(language: Language) -> Workbook:
    book = Workbook()
    table = book.worksheets[0]
    table.title = getattr(_TABLE, language)
    _append(table, _header(language))
    for number, field in enumerate(FIELDS, 1):
        letter = get_column_letter(number)
        # Excel turns codes of digits into numbers, and loses digits, unless the column is text.
        table.column_dimensions[letter].number_format = _AS_TEXT
        table.column_dimensions[letter].width = 22
        if choices := _choices(language).get(field.name):
            rule = DataValidation(type="list", formula1=f'"{choices}"', allow_blank=True)
            rule.add(f"{letter}2:{letter}{_LAST_ROW}")
            table.add_data_validation(rule)
    table.freeze_panes = "A2"
    notes = book.create_sheet(getattr(_NOTES, language))
    _append(notes, [getattr(title, language) for title in _TITLES])
    for field in FIELDS:
        needed = _YES if field.required else _NO
        notes.append([getattr(text, language) for text in (field.header, needed, field.hint)])
    for letter, width in (("A", 22), ("B", 10), ("C", 110)):
        notes.column_dimensions[letter].width = width
    return book


def _choices(language: Language) -> dict[str, str]:
    """Return what may be chosen in a cell, by the name of the column."""
    yes_or_no = f"{getattr(_YES, language)},{getattr(_NO, language)}"
    roles = values.ROLES_ZH.values() if language == "zh" else values.ROLES_ZH
    return {
        "grantor_role": ",".join(roles),
        "separate_consent": yes_or_no,
        "keep_results": yes_or_no,
    }


def _append(sheet: Worksheet, header: list[str]) -> None:
    sheet.append(header)
    for cell in sheet[1]:
        cell.font = Font(bold=True)
        # The format of a column does not reach a cell that exists.
        cell.number_format = _AS_TEXT
