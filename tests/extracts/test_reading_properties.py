"""Any names besides a table's own, and any line ends: what is written is read, or refused."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.extracts.inbox import FIRM, payment
from tests.extracts.readings import read

# In the order of `readings.Read`.
_NAMES = ("tax_item", "amount", "uscc", "period_start", "due_date", "paid_at", "kind")
_POISON = "987654.32"
_ROWS = [
    (item, amount, FIRM, "2024-01-01", "2024-02-15", "2024-02-10", "TAX")
    for item, amount in (("a", "1.00"), ("b", "20.50"), ("c", "-3.00"))
]

_RESERVED = (
    "file_row_number", "FILE_ROW_NUMBER", "file_index", "filename", "rowid", "row_id", "_rowid",
    "line", "place", "file_no", "raw_amount", "text_amount", "finding", "problem", "firm", "c0",
    "C1", "c7", "column0", "select", "from", "*", "null", "NULL", "default", "hive_partitioning",
)  # fmt: skip
_TWINS = (
    "AMOUNT", "Amount", "amount ", " amount", "ａｍｏｕｎｔ", "amount_1", "amount\u200b",
    "USCC", "Paid_At", "已缴 ", "已缴\u3000", "已 缴", "TAX_ITEM",
)  # fmt: skip
_ODD = (
    "", " ", "\t", "\u3000", '"', "'", ",", "a,b", 'a"b', "a\nb", "a\r\nb", "a;b", "a.b",
    "$.a", "{}", "'; drop table broken; --", '"; select 1; --', "amount\" as x, \"", "=1+1", "合计",
    "\\", "%s", "?",
)  # fmt: skip
_extra = st.one_of(
    st.sampled_from((*_RESERVED, *_TWINS, *_ODD)),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12),
)


@st.composite
def _headers(draw: st.DrawFn) -> list[str]:
    """Return the table's own names with up to four others anywhere among them."""
    names = list(draw(st.permutations(_NAMES)))
    for extra in draw(st.lists(_extra, max_size=4)):
        names.insert(draw(st.integers(0, len(names))), extra)
    return names


def _cells(header: Sequence[str]) -> list[list[str]]:
    """Return rows under a header: poison wherever a name is not the table's own."""
    return [
        [dict(zip(_NAMES, row, strict=True)).get(name, _POISON) for name in header] for row in _ROWS
    ]


def _csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()


def _jsonl(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    def one(row: Sequence[str]) -> str:
        pairs = zip(header, row, strict=True)
        return "{" + ",".join(f"{json.dumps(n)}:{json.dumps(c)}" for n, c in pairs) + "}\n"

    return "".join(map(one, rows)).encode()


def _parquet(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    target = io.BytesIO()
    columns = [pyarrow.array([row[at] for row in rows]) for at in range(len(header))]
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays(columns, names=list(header)), target)
    return target.getvalue()


def _xlsx(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    book = openpyxl.Workbook()
    for number, row in enumerate([header, *rows], 1):
        for place, text in enumerate(row, 1):
            cell = book.worksheets[0].cell(number, place)
            cell.value, cell.data_type = text, "s"
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def _hold(folder: Path, form: str, write: Callable[..., bytes], header: list[str]) -> None:
    """Check two files of one header: each row is what was written, in quarantine or refused."""
    rows = _cells(header)
    content = write(header, rows)
    found = read(folder, {f"a.{form}": content, f"b.{form}": content}, len(rows))
    assert len(found.refusals) in (0, 2)
    assert all(found.refusals)
    first = 2 if form in ("csv", "xlsx") else 1
    expected: list[tuple[Any, ...]] = [
        (file, line, *row) for file in (1, 2) for line, row in enumerate(_ROWS, first)
    ]
    assert set(found.rows) <= set(expected)
    if not found.refusals:
        assert len(found.rows) + len(found.bad) == len(expected)


_many = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
_few = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=12
)


@pytest.mark.parametrize(
    ("form", "write"), [("csv", _csv), ("jsonl", _jsonl), ("parquet", _parquet)]
)
@given(header=_headers())
@_many
def test_no_name_brings_the_value_of_another_column(
    tmp_path: Path, form: str, write: Callable[..., bytes], header: list[str]
) -> None:
    _hold(tmp_path, form, write, header)


@given(header=_headers())
@_few
def test_no_name_in_a_sheet_brings_the_value_of_another_column(
    tmp_path: Path, header: list[str]
) -> None:
    _hold(tmp_path, "xlsx", _xlsx, header)


@pytest.mark.parametrize("name", [*_RESERVED, "AMOUNT", "", "合计"])
@pytest.mark.parametrize(("form", "write"), [("csv", _csv), ("parquet", _parquet)])
def test_names_that_no_contract_has_change_nothing(
    tmp_path: Path, form: str, write: Callable[..., bytes], name: str
) -> None:
    header = [name, *_NAMES, name.capitalize()]
    found = read(tmp_path, {f"a.{form}": write(header, _cells(header))}, len(_ROWS))
    assert found.refusals == []
    assert [row[2:] for row in found.rows] == _ROWS


_ENDS = ("\n", "\r\n", "\r")
# A cell of a file, and its written form.
_ITEMS = (
    "plain",
    "two\nlines",
    "cr\rinside",
    "both\r\nof them",
    'a "quote"',
    "comma, too",
    "blank\n\n",
)


@st.composite
def _file(draw: st.DrawFn) -> tuple[str, list[tuple[int, str]], list[int], int]:
    """Return a file, its good rows by line, the lines that are not rows, and the total of rows."""
    ends = draw(st.lists(st.sampled_from(_ENDS), min_size=1, max_size=3))
    titles = draw(st.lists(st.sampled_from(("[DETAIL]", '"x\ny"', "a,b", "")), max_size=3))
    kinds = draw(st.lists(st.sampled_from(("row", "row", "short", "long", "blank")), max_size=8))
    lines = [*titles, _HEADER]
    good: list[tuple[int, str]] = []
    bad: list[int] = []
    for kind in (*kinds, "row"):
        line = len(lines) + 1
        if kind == "row":
            item = f"{line}{draw(st.sampled_from(_ITEMS))}"
            good.append((line, item.strip()))
            lines.append(payment(item='"' + item.replace('"', '""') + '"'))
        elif kind == "blank":
            lines.append("")
        else:
            bad.append(line)
            lines.append(f"{FIRM},x" if kind == "short" else f"{payment()},more")
    total = draw(st.booleans())
    lines += ["合计,,,,,1.00,"] * total
    text = ""
    for line in lines:
        end = draw(st.sampled_from(ends))
        # CR before a blank line would be half of its CR LF.
        if not line and text.endswith("\r") and end == "\n":
            end = "\r\n"
        text += line + end
    if draw(st.booleans()):
        text = text.rstrip("\r\n")
    return text, good, bad, len(good) + len(bad)


_HEADER = "纳税人识别号,征收项目,所属期起,缴款期限,入库日期,已缴,税款种类"


@given(_file(), st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]))
@_many
def test_lines_end_in_any_way(
    tmp_path: Path, file: tuple[str, list[tuple[int, str]], list[int], int], encoding: str
) -> None:
    text, good, bad, rows = file
    found = read(tmp_path, {"a.csv": text.encode(encoding)}, rows)
    assert found.refusals == []
    assert [(row[1], row[2]) for row in found.rows] == good
    assert [line for _, line in found.bad] == bad


def test_a_broken_row_among_mixed_line_ends_keeps_its_line(tmp_path: Path) -> None:
    lines = [
        _HEADER + "\r\n",
        payment(item='"a\r\nb"') + "\n",
        "short\r",
        payment(item="c") + "\r\n",
    ]
    found = read(tmp_path, {"a.csv": "".join(lines).encode()}, 3)
    assert [(row[1], row[2]) for row in found.rows] == [(2, "a\r\nb"), (4, "c")]
    assert found.bad == [(1, 3)]
