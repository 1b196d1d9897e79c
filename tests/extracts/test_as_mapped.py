"""What a manifest says about one file, in every format: values, formats, units, signs, no rows."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from extracts.vault import nightly
from firmpulse.settings import Settings
from tests.extracts.corpus import in_format
from tests.extracts.inbox import AS_OF, FIRM, deliver, grant, permit, query

FORMATS = ["csv", "xlsx", "jsonl", "parquet"]
HEADER = "日子,方向,款,存,备注"
ENTRY: dict[str, Any] = {
    "headers": {"日子": "booked_at", "方向": "dc", "款": "amount", "存": "balance"},
    "constants": {"uscc": FIRM, "account_no": "6222"},
}


def land(
    settings: Settings, form: str, content: bytes, rows: int, entry: Mapping[str, Any], **of: Any
) -> nightly.LandingReport:
    source = of.setdefault("source", "bank")
    permit(settings, grant(source=source))
    deliver(settings, {f"a.{form}": content}, delivery_id="d-1", rows=rows, entry=entry,
            **{"table": "bank_txn", **of})  # fmt: skip
    return nightly.land(settings, source, AS_OF)


def landed(settings: Settings, columns: str) -> list[tuple[Any, ...]]:
    return query(settings, f"select {columns} from vault.raw.bank_txn order by line")


@pytest.mark.parametrize("form", FORMATS)
def test_values_format_unit_and_decimal_mark(settings: Settings, form: str) -> None:
    rows = [
        '02/03/2024 09:15,出,"1.234,5","2.000,0",甲',
        '03/02/2024 10:00,入,"0,5",-,乙',
        '2024-03-04 10:00,出,"1,0","1,0",丙',
        '04/03/2024 10:00,?,"1,0","1,0",丁',
    ]
    readings = {
        "booked_at": {"format": "%d/%m/%Y %H:%M"},
        "dc": {"values": {"出": "OUT", "入": "IN"}},
        "amount": {"factor": 1000, "decimal": ","},
        "balance": {"decimal": ",", "values": {"-": "0"}},
    }
    content = in_format(form, rows, HEADER)
    report = land(settings, form, content, 4, {**ENTRY, "readings": readings})
    assert report.problems == ()
    assert landed(settings, "booked_at::varchar, dc, amount, balance") == [
        ("2024-03-02 09:15:00", "OUT", Decimal("1234500.00"), Decimal("2000.00")),
        ("2024-02-03 10:00:00", "IN", Decimal("500.00"), Decimal("0.00")),
    ]
    assert query(settings, "select column_name, rule from vault.ops.quarantine order by line") == [
        ("booked_at", "timestamp"),
        ("dc", "enum"),
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_lines_that_are_no_rows_count_as_none(settings: Settings, form: str) -> None:
    rows = [
        "2024-03-01,借,1.00,9.00,承前页",
        "2024-03-02,借,2.00,8.00,货款",
        ",,,,",
        "2024-03-02,借,2.00,8.00, (过次页)",
        "2024-03-03,贷,x,8.00,货款",
        "2024-03-04,贷,3.00,8.00,",
    ]
    entry = {**ENTRY, "not_rows": {"备注": ["承前页", "（过次页）"], "日子": [""]}}
    if form in ("xlsx", "jsonl"):
        # A blank row of a sheet is no row anyway, and JSON lines have none.
        rows.pop(2)
    report = land(settings, form, in_format(form, rows, HEADER), len(rows), entry)
    assert report.problems == ()
    assert landed(settings, "line - (select min(line) from vault.raw.bank_txn), amount") == [
        (0, Decimal("2.00")),
        (len(rows) - 2, Decimal("3.00")),
    ]
    named = len(rows) - 3
    assert (report.totals.read, report.totals.landed, report.totals.quarantined) == (3, 2, 1)
    assert report.notes[0].endswith(f"{named} lines that the mapping says are no rows")
    assert query(settings, "select rows_delivered, rows_read from vault.ops.deliveries") == [(3, 3)]


@pytest.mark.parametrize("form", FORMATS)
def test_a_plus_may_mean_money_out(settings: Settings, form: str) -> None:
    rows = ["2024-03-01,,5.00,9.00,", "2024-03-02,,-2.00,8.00,"]
    headers = {"日子": "booked_at", "款": "amount", "存": "balance"}
    entry = {**ENTRY, "headers": headers, "readings": {"amount": {"positive": "OUT"}}}
    assert land(settings, form, in_format(form, rows, HEADER), 2, entry).problems == ()
    assert landed(settings, "dc, amount") == [
        ("OUT", Decimal("5.00")),
        ("IN", Decimal("2.00")),
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_an_account_that_only_received_money_needs_no_minus(settings: Settings, form: str) -> None:
    """The mapping says what a plus means; without it, such a file says no direction."""
    rows = ["2024-03-01,,5.00,9.00,"]
    entry = {**ENTRY, "headers": {"日子": "booked_at", "款": "amount", "存": "balance"}}
    told = {**entry, "readings": {"amount": {"positive": "IN"}}}
    assert land(settings, form, in_format(form, rows, HEADER), 1, told).problems == ()
    assert landed(settings, "dc, amount") == [("IN", Decimal("5.00"))]


@pytest.mark.parametrize("form", FORMATS)
def test_one_of_several_columns_is_filled(settings: Settings, form: str) -> None:
    rows = ["2024-03-01,借,5.00,,9.00", "2024-03-02,借,,6.00,8.00", "2024-03-03,借,5.00,6.00,8.00"]
    entry = {
        **ENTRY,
        "headers": {"日子": "booked_at", "方向": "dc", "本币": "amount", "外币": "amount",
                    "存": "balance"},
        "one_of": ["amount"],
    }  # fmt: skip
    content = in_format(form, rows, "日子,方向,本币,外币,存")
    assert land(settings, form, content, 3, entry).problems == ()
    assert landed(settings, "amount") == [(Decimal("5.00"),), (Decimal("6.00"),)]
    assert query(settings, "select rule from vault.ops.quarantine") == [("several_filled",)]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_header_of_two_lines(settings: Settings, form: str) -> None:
    """Merged cells: 发生额 stands above 借方 and 贷方, and 余额 above an empty cell."""
    rows = [",借方,贷方,", "2024-03-01,5.00,,9.00", "2024-03-02,,6.00,8.00"]
    entry = {
        "headers": {"日子": "booked_at", "发生额借方": "amount_out", "发生额贷方": "amount_in"},
        "constants": ENTRY["constants"],
        "header_lines": 2,
    }
    content = in_format(form, rows, "日子,发生额,,余额")
    assert land(settings, form, content, 2, entry).problems == ()
    assert landed(settings, "line, dc, amount, balance") == [
        (3, "OUT", Decimal("5.00"), Decimal("9.00")),
        (4, "IN", Decimal("6.00"), Decimal("8.00")),
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_day_and_time_of_a_column_that_usually_is_one(settings: Settings, form: str) -> None:
    header = "销方,购方,开具日,开具时,票号,金额,税额,价税合计,发票状态"
    rows = [f"{FIRM},,05.03.2024,08:30,1,100.00,13.00,113.00,正常"]
    entry = {
        "headers": {"销方": "seller_tax_no", "开具日": "issue_time_day",
                    "开具时": "issue_time_clock", "票号": "invoice_no"},
        "constants": {"direction": "OUT"},
        "readings": {"issue_time_day": {"format": "%d.%m.%Y"}},
    }  # fmt: skip
    content = in_format(form, rows, header)
    report = land(settings, form, content, 1, entry, table="tax_invoice", source="tax")
    assert report.problems == ()
    assert query(settings, "select issue_time::varchar from vault.raw.tax_invoice") == [
        ("2024-03-05 08:30:00",)
    ]


def test_an_ignored_header_is_not_read(settings: Settings) -> None:
    rows = ["2024-03-01,借,5.00,7.00,9.00"]
    content = in_format("csv", rows, "日子,方向,款,发生额,存")
    entry = {**ENTRY, "ignored": ["发生额"]}
    assert land(settings, "csv", content, 1, entry).problems == ()
    assert landed(settings, "amount") == [(Decimal("5.00"),)]


def test_a_changed_header_is_refused_with_the_difference(settings: Settings) -> None:
    content = in_format("csv", ["2024-03-01,借,5.00,9.00,"], HEADER)
    entry = {**ENTRY, "header": ["日子", "方向", "款", "存", "附注"]}
    (problem,) = land(settings, "csv", content, 1, entry).problems
    assert "new: 备注; gone: 附注" in problem


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"headers": {"款": "sum"}}, "name no contract column"),
        ({"readings": {"amount": {"format": "%d"}}}, "amount is no date"),
        ({"readings": {"booked_at": {"factor": 10}}}, "booked_at is no number"),
        ({"readings": {"amount": {"positive": "UP"}}}, "one of IN, OUT"),
        ({"readings": {"amount": {"digits": 6}}}, "amount is no number of a contract"),
        ({"readings": {"balance": {"positive": "IN"}}}, "no sign that says a direction"),
        ({"readings": {"amount": {"format": "yyyy"}}}, "must be a format of dates"),
        ({"not_rows": {"小结": ["x"]}}, "no column 小结"),
    ],
)
def test_what_does_not_fit_is_refused(
    settings: Settings, entry: Mapping[str, Any], told: str
) -> None:
    content = in_format("csv", ["2024-03-01,借,5.00,9.00,"], HEADER)
    (problem,) = land(settings, "csv", content, 1, {**ENTRY, **entry}).problems
    assert told in problem
    assert query(settings, "select * from vault.raw.bank_txn") == []


def test_the_day_is_not_guessed(settings: Settings) -> None:
    """Day and month are told apart by the format alone, also where only one order is a date."""
    rows = ["2024-13-02,借,5.00,9.00,", "2024-02-13,借,6.00,9.00,"]
    entry = {**ENTRY, "readings": {"booked_at": {"format": "%Y-%d-%m"}}}
    land(settings, "csv", in_format("csv", rows, HEADER), 2, entry)
    assert landed(settings, "cast(booked_at as date), amount") == [
        (date(2024, 2, 13), Decimal("5.00"))
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_a_day_alone_is_read_as_it_is_mapped(settings: Settings, form: str) -> None:
    headers = {**ENTRY["headers"], "日子": "booked_day"}
    readings = {"booked_day": {"format": "%d/%m/%Y"}}
    content = in_format(form, ["02/03/2024,借,5.00,9.00,"], HEADER)
    land(settings, form, content, 1, {**ENTRY, "headers": headers, "readings": readings})
    assert landed(settings, "booked_at::varchar") == [("2024-03-02 00:00:00",)]
