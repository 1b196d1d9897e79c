"""Read a file of applications: CSV in UTF-8 or GB18030, or Excel."""

import csv
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from python_calamine import CalamineError, CalamineWorkbook

from extracts.application_texts import say
from extracts.applications import Application, FieldMessage, check, clean
from firmpulse import uscc
from firmpulse.errors import DeliveryRefused

_HEADERS = {
    "name": ("name", "company name", "企业名称", "公司名称", "名称", "申请企业", "单位名称"),
    "uscc": ("uscc", "unified social credit code", "统一社会信用代码", "信用代码", "社会信用代码",
             "纳税人识别号"),
    "founded": ("founded", "founding date", "established", "成立日期", "成立时间", "注册日期"),
    "licence_no": ("licence_no", "licence number", "license number", "营业执照号", "营业执照号码",
                   "营业执照注册号", "执照号", "注册号", "工商注册号"),
    "industry": ("industry", "industry code", "行业", "行业代码", "所属行业"),
}  # fmt: skip
_FIELD_OF = {header: field for field, headers in _HEADERS.items() for header in headers}
_EXCEL = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_MOST_BYTES = 100 * 2**20
# Of a workbook, which is a zip archive: a small file may hold a huge one.
_MOST_UNPACKED_BYTES = 500 * 2**20
_MOST_FIELD_CHARACTERS = 10_000

Row = Sequence[str]


@dataclass(frozen=True)
class RowMessage:
    """A message about one row of the file; the header is row 1."""

    row: int
    message: FieldMessage


@dataclass(frozen=True)
class Checked:
    """What came of a file: applications in it, columns not read, messages in row order."""

    applications: int
    ignored_columns: int
    messages: tuple[RowMessage, ...]

    def count(self, severity: str) -> int:
        """Return the number of messages of a severity."""
        return sum(found.message.severity == severity for found in self.messages)


def check_file(
    path: Path, on: date, is_accepted: Callable[[str], bool] = lambda _: False
) -> Checked:
    """Check every application of a file as of a day; `is_accepted` as in `applications.check`.

    Raises:
        DeliveryRefused: the file cannot be read, or its header lacks a field.
    """
    rows = [(n, row) for n, row in enumerate(_read(path), 1) if any(cell.strip() for cell in row)]
    if not rows:
        raise DeliveryRefused(f"{path.name} is empty; it needs a header and one row an application")
    _, header = rows[0]
    places = _places(path, header)
    messages, first_rows = list[RowMessage](), dict[str, int]()
    for number, row in rows[1:]:
        found = _check_row(row, len(header), places, on, is_accepted)
        code = uscc.normalise(_unguarded(_cell(row, places["uscc"])))
        first = first_rows.setdefault(code, number)
        # A message about the whole row already says that its cells cannot be trusted.
        if code and first != number and not any(message.field == "row" for message in found):
            found = (*found, say("uscc", "duplicate", first=first))
        messages.extend(RowMessage(number, message) for message in found)
    return Checked(len(rows) - 1, _ignored(header, places), tuple(messages))


def _check_row(
    row: Row,
    expected: int,
    places: dict[str, int],
    on: date,
    is_accepted: Callable[[str], bool],
) -> tuple[FieldMessage, ...]:
    if any(cell.strip() for cell in row[expected:]):
        # The cells have slipped: what stands below a header is not what it says.
        return (say("row", "row_shape", found=len(row), expected=expected),)
    fields = {field: _unguarded(_cell(row, place)) for field, place in places.items()}
    return check(Application(**fields), on, is_accepted)


def _cell(row: Row, place: int) -> str:
    return row[place] if place < len(row) else ""


def _unguarded(cell: str) -> str:
    """Return a cell without the guards that keep Excel from turning texts into numbers."""
    text = cell.strip()
    if text.startswith('="') and text.endswith('"'):
        text = text[2:-1]
    return text.removeprefix("'")


def _places(path: Path, header: Row) -> dict[str, int]:
    places = dict[str, int]()
    for place, title in enumerate(header):
        field = _FIELD_OF.get(clean(title).lower().removesuffix("*").strip())
        if field in places:
            raise DeliveryRefused(
                f"{path.name} has two columns for {field}: columns {places[field] + 1} and "
                f"{place + 1}; leave one"
            )
        if field:
            places[field] = place
    if lacking := [field for field in _HEADERS if field not in places]:
        told = ", ".join(f"{field} ({_HEADERS[field][2]})" for field in lacking)
        raise DeliveryRefused(f"{path.name} has no column for {told}; name it in the first row")
    return places


def _ignored(header: Row, places: dict[str, int]) -> int:
    return sum(1 for title in header if title.strip()) - len(places)


def _read(path: Path) -> Iterator[Row]:
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise DeliveryRefused(
                f"{path.name} has {size / 2**20:,.0f} MiB, at most {_MOST_BYTES / 2**20:,.0f} MiB "
                f"are read; split it"
            )
        if path.suffix.lower() in _EXCEL:
            return _read_excel(path)
        return _read_csv(path, path.read_bytes())
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise DeliveryRefused(f"{path}: {reason}; give a CSV or Excel file") from None


def _read_excel(path: Path) -> Iterator[Row]:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > _MOST_UNPACKED_BYTES:
                raise DeliveryRefused(f"{path.name} unpacks to more than is read; split it")
        sheet = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0)
        return iter(
            [[_text(cell) for cell in row] for row in sheet.to_python(skip_empty_area=False)]
        )
    except (CalamineError, zipfile.BadZipFile):
        raise DeliveryRefused(
            f"{path.name} is no Excel file that can be opened; remove a password, or save it as CSV"
        ) from None


def _text(cell: object) -> str:
    """Return an Excel cell as text; a number too long for Excel has lost digits and says so."""
    if isinstance(cell, float) and cell.is_integer():
        return f"{cell:.0f}" if abs(cell) < 10**15 else f"{cell:.5E}"
    return str(cell)


def _read_csv(path: Path, content: bytes) -> Iterator[Row]:
    text = _decoded(path, content)
    if "\0" in text:
        raise DeliveryRefused(f"{path.name} is no text file; save it as CSV (UTF-8) or Excel")
    header = text.lstrip().partition("\n")[0]
    delimiter = max(",\t;|", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            # csv's own limit would hold for the whole process.
            if max(map(len, row), default=0) > _MOST_FIELD_CHARACTERS:
                raise csv.Error(f"a field of more than {_MOST_FIELD_CHARACTERS} characters")
            yield row
    except csv.Error as error:
        raise DeliveryRefused(
            f"{path.name} line {reader.line_num}: {error}; look for an open quote"
        ) from None


def _decoded(path: Path, content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DeliveryRefused(
        f"{path.name} is neither UTF-8 nor GB18030 text; save it as CSV (UTF-8) or Excel"
    )
