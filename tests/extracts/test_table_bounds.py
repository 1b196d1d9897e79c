"""Titles above the header and totals below the rows: listed, neither rows nor quarantined."""

import io
from collections.abc import Sequence
from typing import Any

import openpyxl
import pytest

from extracts.vault import nightly
from extracts.vault.landing import Counts
from extracts.vault.nightly import LandingReport
from firmpulse.settings import Settings
from tests.extracts.inbox import AS_OF, FIRM, PAYMENT_HEADER, deliver, payment, permit, query

A, B = payment(item="a"), payment(item="b")
TITLE, TOTAL = "2024年第一季度缴款明细表", "合计,,,,,200.00,"


def land(
    settings: Settings, lines: Sequence[str], rows: int, form: str = "csv", **changes: Any
) -> LandingReport:
    """Land lines of CSV as a file of a form whose manifest promises `rows`."""
    permit(settings)
    content = "\n".join(lines).encode() + b"\n" if form == "csv" else workbook(lines)
    deliver(settings, {f"a.{form}": content}, rows=rows, **changes)
    report = nightly.land(settings, "tax", AS_OF)
    _conserved(settings)
    return report


def workbook(lines: Sequence[str]) -> bytes:
    book = openpyxl.Workbook()
    for number, line in enumerate(lines, 1):
        for place, cell in enumerate(line.split(","), 1):
            if cell:
                book.worksheets[0].cell(number, place, cell)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def _conserved(settings: Settings) -> None:
    """No row is missing for any way of counting rows in the manifest."""
    query_missing = (
        "select rows_delivered - rows_landed - rows_duplicate - rows_refused_by_gate "
        "- rows_quarantined - rows_in_refused_files from warehouse.ops.deliveries"
    )
    assert query(settings, query_missing) == [(0,)]


def landed(settings: Settings) -> list[tuple[Any, ...]]:
    return query(settings, "select tax_item, line from vault.raw.tax_payment order by line")


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("promised", [2, 4, 7])
def test_titles_and_totals_are_named_and_count_as_nothing(
    settings: Settings, form: str, promised: int
) -> None:
    """The manifest may count rows, what is below the header, or every line but the first."""
    lines = [TITLE, "", f"税号,{FIRM},单位：元", "[明细]", PAYMENT_HEADER, A, "", B,
             " 小 计：,,,,,200,", "", "总计（2笔）,2,,,,￥200.00元,-"]  # fmt: skip
    report = land(settings, lines, promised, form)
    assert report.problems == ()
    assert report.totals == Counts(read=2, landed=2)
    assert landed(settings) == [("a", 6), ("b", 8)]
    named = "lines 1, 3, 4 above the header skipped, lines 9, 11 below the rows taken for a total"
    assert report.notes == (f"tax-1: a.{form}: {named}",)
    assert query(settings, "select notes, rows_delivered from warehouse.ops.deliveries") == [
        (f"file 1: {named}", 2)
    ]


@pytest.mark.parametrize("promised", [1, 3, 5])
def test_another_number_of_rows_is_still_refused(settings: Settings, promised: int) -> None:
    report = land(settings, [TITLE, "x", PAYMENT_HEADER, A, B], promised)
    assert f"has 2 rows and the manifest says {promised}" in report.problems[0]
    assert report.notes == ()


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize(
    "line",
    [
        # A firm's own code, a row of one cell in the middle, words with only the same start.
        f"{FIRM},合计,,2024-02-15,,1,正税",
        "合计,,,,,2024-02-01,",
        "合计有限公司,,,,,1,",
        "合计,,,,,200,见附表",
        "审核人：张三,,,,,,",
    ],
)
def test_a_line_in_doubt_goes_to_quarantine(settings: Settings, form: str, line: str) -> None:
    report = land(settings, [PAYMENT_HEADER, A, line], 2, form)
    assert report.totals == Counts(read=2, landed=1, quarantined=1)
    assert query(settings, "select line from vault.ops.quarantine") == [(3,)]
    assert report.notes == ()


def test_a_subtotal_between_rows_goes_to_quarantine(settings: Settings) -> None:
    report = land(settings, [PAYMENT_HEADER, A, TOTAL, B, TOTAL], 3)
    assert report.totals == Counts(read=3, landed=2, quarantined=1)
    assert query(settings, "select line from vault.ops.quarantine") == [(3,)]


def test_a_row_whose_item_is_called_total_lands(settings: Settings) -> None:
    """Even if all its other cells are digits."""
    header = PAYMENT_HEADER.removesuffix(",税款种类")
    digits = f"{FIRM},合计,20240101,20240215,20240210,100"
    report = land(settings, [header, digits], 1, entry={"constants": {"kind": "正税"}})
    assert report.totals == Counts(read=1, landed=1)


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_row_above_the_header_goes_to_quarantine(settings: Settings, form: str) -> None:
    lines = [TITLE, A, PAYMENT_HEADER, payment(amount="x"), B]
    report = land(settings, lines, 3, form)
    assert report.totals == Counts(read=3, landed=1, quarantined=2)
    found = query(settings, "select line, rule, value_class from vault.ops.quarantine order by 1")
    assert found == [(2, "structure", "above the header"), (4, "decimal", "text")]
    assert landed(settings) == [("b", 5)]
    assert report.notes == (f"tax-1: a.{form}: line 1 above the header skipped",)


def test_lines_stay_right_below_a_title(settings: Settings) -> None:
    lines = [TITLE, '"two\nlines"', PAYMENT_HEADER, A, "short", "", payment(amount="x"), B, TOTAL]
    report = land(settings, lines, 4)
    assert report.totals == Counts(read=4, landed=2, quarantined=2)
    assert landed(settings) == [("a", 4), ("b", 8)]
    assert query(settings, "select line from vault.ops.quarantine order by 1") == [(5,), (7,)]


def test_files_with_and_without_a_title_are_read_together(settings: Settings) -> None:
    permit(settings)
    files = {
        "a.csv": f"{PAYMENT_HEADER}\n{A}\n",
        "b.csv": f"{TITLE}\n{PAYMENT_HEADER}\n{B}\n",
        "c.csv": f"{PAYMENT_HEADER}\n{payment(item='c')}\n",
    }
    content = {name: text.encode() for name, text in files.items()}
    deliver(settings, content, rows=1)
    nightly.land(settings, "tax", AS_OF)
    found = query(settings, "select tax_item, file_no, line from vault.raw.tax_payment order by 2")
    assert found == [("a", 1, 2), ("b", 2, 3), ("c", 3, 2)]


def test_a_header_far_below_or_incomplete_is_refused(settings: Settings) -> None:
    report = land(settings, [*["x"] * 30, PAYMENT_HEADER, A], 1)
    assert "lacks the required column uscc" in report.problems[0]
    lines = [TITLE, PAYMENT_HEADER.replace("已缴", "实缴"), A]
    deliver(settings, {"a.csv": "\n".join(lines).encode()}, delivery_id="tax-2", rows=1)
    report = nightly.land(settings, "tax", AS_OF)
    assert "lacks the required column amount (已缴)" in report.problems[-1]


@pytest.mark.parametrize("delimiter", ["\t", ";", "|"])
def test_the_manifest_names_the_delimiter(settings: Settings, delimiter: str) -> None:
    lines = [TITLE, PAYMENT_HEADER, payment(item="a"), TOTAL]
    told = [line.replace(",", delimiter) for line in lines]
    told[2] = told[2].replace("100.00", "1,100.00")
    report = land(settings, told, 1, entry={"delimiter": delimiter})
    assert report.problems == ()
    assert query(settings, "select amount::varchar from vault.raw.tax_payment") == [("1100.00",)]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_line_that_begins_with_a_label_is_no_row(settings: Settings, form: str) -> None:
    """What banks say of the account above the header may fill every cell that a row needs."""
    label = f"账号：,6222,2024-01-01,户名：,2024-01-02,1.00,{FIRM}"
    report = land(settings, [label, PAYMENT_HEADER, A], 1, form)
    assert (report.totals, report.notes) == (
        Counts(read=1, landed=1), (f"tax-1: a.{form}: line 1 above the header skipped",),
    )  # fmt: skip
