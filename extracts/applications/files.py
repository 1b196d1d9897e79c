"""Check a file of applications, row by row."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from extracts.applications.checks import Application, FieldMessage, check, clean
from extracts.applications.texts import say
from extracts.reading import tables
from extracts.reading.table_bounds import Bounds
from extracts.reading.tables import Row
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


@dataclass(frozen=True)
class RowMessage:
    """A message about one row of the file, counted from 1, titles and blank rows too."""

    row: int
    message: FieldMessage


@dataclass(frozen=True)
class Checked:
    """The result for a file: number of applications, columns not read, messages in row order."""

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
    bounds = Bounds(
        match=lambda header: _places(path, header),
        required=lambda header: frozenset(_places(path, header).values()),
        known=lambda cells: sum(_field(title) is not None for title in cells),
    )
    header, rows = tables.read(path, bounds, "application")
    places = _places(path, header)
    messages, first_rows = list[RowMessage](), dict[str, int]()
    for number, row in rows:
        found = _check_row(row, len(header), places, on, is_accepted)
        code = uscc.normalise(_unguarded(_cell(row, places["uscc"])))
        first = first_rows.setdefault(code, number)
        # A message about the whole row already says that its cells cannot be trusted.
        if code and first != number and not any(message.field == "row" for message in found):
            found = (*found, say("uscc", "duplicate", first=first))
        messages.extend(RowMessage(number, message) for message in found)
    return Checked(len(rows), _ignored(header, places), tuple(messages))


def _check_row(
    row: Row,
    expected: int,
    places: dict[str, int],
    on: date,
    is_accepted: Callable[[str], bool],
) -> tuple[FieldMessage, ...]:
    if any(cell.strip() for cell in row[expected:]):
        # The cells are shifted: what is below a header does not belong to it.
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


def _field(title: str) -> str | None:
    return _FIELD_OF.get(clean(title).lower().removesuffix("*").strip())


def _places(path: Path, header: Row) -> dict[str, int]:
    places = dict[str, int]()
    for place, title in enumerate(header):
        field = _field(title)
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
