import contextlib
import csv
import json
from datetime import date
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from typer.testing import CliRunner

from cli import app
from extracts.applications.files import check_file
from firmpulse.errors import DeliveryRefused

ON = date(2026, 10, 31)
HEADER = "企业名称,统一社会信用代码,成立日期,营业执照号,行业"
ENGLISH = "Name,USCC,Founding date,Licence number,Industry"
GOOD = "华为技术有限公司,914403001922038216,1987-09-15,440301103097413,C39"
BAD = "腾讯科技（深圳）有限公司,9144030071526726XO,2000-02-24,440301103097414,I64"


def _file(folder: Path, *lines: str, encoding: str = "utf-8", name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes("\r\n".join(lines).encode(encoding))
    return path


def _found(path: Path) -> list[tuple[int, str, str]]:
    return [(m.row, m.message.field, m.message.code) for m in check_file(path, ON).messages]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("header", [HEADER, ENGLISH])
def test_a_csv_is_read_in_its_encoding(tmp_path: Path, encoding: str, header: str) -> None:
    path = _file(tmp_path, header, GOOD, "", BAD, encoding=encoding)
    assert _found(path) == [
        (4, "uscc", "illegal_character"),
        (4, "licence_no", "licence_check"),
    ]
    assert check_file(path, ON).applications == 2


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_other_delimiters_and_columns_are_taken(tmp_path: Path, delimiter: str) -> None:
    lines = [line.replace(",", delimiter) for line in (HEADER, GOOD)]
    path = _file(tmp_path, f"{lines[0]}{delimiter}联系电话", f"{lines[1]}{delimiter}13800138000")
    checked = check_file(path, ON)
    assert (checked.applications, checked.ignored_columns, checked.messages) == (1, 1, ())


def test_excel_guards_and_repeats(tmp_path: Path) -> None:
    guarded = '华为,"=""914403001922038216""",1987-09-15,\'440301103097413,C39'
    assert _found(_file(tmp_path, HEADER, GOOD, guarded)) == [(3, "uscc", "duplicate")]


def test_a_workbook_is_read_with_its_types(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append([])
    sheet.append(HEADER.split(","))
    sheet.append(["华为", "914403001922038216", date(1987, 9, 15), 440301103097413, 3921])
    sheet.append(["华为", 914403001922038216, date(1987, 9, 15), "440301103097413", "C"])
    book.save(tmp_path / "a.xlsx")
    assert _found(tmp_path / "a.xlsx") == [(4, "uscc", "scientific")]


def test_a_cell_at_the_far_corner_of_a_sheet_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """A dense reader requests 500 GB and aborts; it runs in a separate process."""
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(HEADER.split(","))
    sheet["XFD1048576"] = 1
    book.save(tmp_path / "far.xlsx")
    result = CliRunner().invoke(app, ["check-application", str(tmp_path / "far.xlsx")])
    assert result.exit_code == 1
    assert isinstance(result.exception, DeliveryRefused)
    assert "delete cells far from the table" in str(result.exception)


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_titles_above_the_header_are_passed_over(tmp_path: Path, form: str) -> None:
    lines = ["授信申请清单（2024年3月）", "", "单位,某行", HEADER, GOOD, BAD]
    path = tmp_path / f"a.{form}"
    if form == "csv":
        _file(tmp_path, *lines)
    else:
        book = Workbook()
        for line in lines:
            book.worksheets[0].append(line.split(","))
        book.save(path)
    assert _found(path) == [(6, "uscc", "illegal_character"), (6, "licence_no", "licence_check")]
    assert check_file(path, ON).applications == 2


def test_an_application_above_the_header_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(DeliveryRefused, match="below row 2, which could be an application"):
        check_file(_file(tmp_path, "清单", GOOD, HEADER, GOOD), ON)


def test_the_header_tells_the_delimiter(tmp_path: Path) -> None:
    """More commas than semicolons in a title and in names do not make the delimiter a comma."""
    lines = ["a,b,c,d,e,f,g", HEADER.replace(",", ";"), GOOD.replace(",", ";")]
    assert check_file(_file(tmp_path, *lines), ON).messages == ()


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "is empty"),
        (["", " , "], "is empty"),
        (["企业名称,行业", "a,b"], r"has no column for uscc \(统一社会信用代码\), founded"),
        ([HEADER + ",信用代码", GOOD], "two columns for uscc: columns 2 and 6"),
        ([HEADER, GOOD, 'a,"b' + "x" * 20_000], "line 3: .*look for an open quote"),
        ([HEADER, GOOD + "\0"], "is not a text file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, lines: list[str], told: str) -> None:
    with pytest.raises(DeliveryRefused, match=told):
        check_file(_file(tmp_path, *lines), ON)


def test_bytes_that_are_no_text_and_no_workbook_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DeliveryRefused, match="neither UTF-8 nor GB18030"):
        check_file(tmp_path / "a.csv", ON)
    for content in (b"", b"PK\x03\x04broken", b"\xd0\xcf\x11\xe0 old"):
        (tmp_path / "a.xlsx").write_bytes(content)
        with pytest.raises(DeliveryRefused, match="cannot be opened as an Excel file"):
            check_file(tmp_path / "a.xlsx", ON)
    with pytest.raises(DeliveryRefused, match="No such file"):
        check_file(tmp_path / "absent.csv", ON)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "a.xlsx", "w", ZIP_DEFLATED) as archive:
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as member:
            for _ in range(501):
                member.write(bytes(2**20))
    with pytest.raises(DeliveryRefused, match="is too large when unpacked"):
        check_file(tmp_path / "a.xlsx", ON)


def test_a_row_with_slipped_cells_is_not_guessed(tmp_path: Path) -> None:
    assert _found(_file(tmp_path, HEADER, GOOD + ",,", GOOD + ",x")) == [(3, "row", "row_shape")]


@given(st.binary(max_size=300), st.sampled_from([".csv", ".xlsx", ".xls"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes((HEADER + "\n").encode() * (ending == ".csv") + content)
    with contextlib.suppress(DeliveryRefused):
        check_file(path, ON)


def test_the_command_prints_and_exits_with_1_on_errors(tmp_path: Path) -> None:
    runner, to = CliRunner(), tmp_path / "messages.csv"
    bad = str(_file(tmp_path, HEADER, GOOD, BAD, name="bad.csv"))
    result = runner.invoke(app, ["check-application", bad, "--on", "2026-10-31"])
    assert result.exit_code == 1
    assert "第 18 位的“O”" in result.stdout
    assert "bad.csv: 2 applications, 2 errors, 0 warnings" in result.stdout
    assert "9144030071526726" not in result.stdout

    result = runner.invoke(app, ["check-application", bad, "--json"])
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["errors"], told["messages"][0]["row"]) == (2, 3)

    result = runner.invoke(app, ["check-application", bad, "--to", str(to)])
    assert result.exit_code == 1
    with to.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["field"], row["code"]) for row in rows] == [
        ("3", "uscc", "illegal_character"),
        ("3", "licence_no", "licence_check"),
    ]

    good = str(_file(tmp_path, HEADER, GOOD))
    assert runner.invoke(app, ["check-application", good]).exit_code == 0
