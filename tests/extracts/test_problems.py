"""The known problems of real extracts, one by one, from a delivered file to vault and facts."""

import io
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest

from extracts.vault import nightly
from firmpulse.settings import Settings
from tests.extracts import corpus
from tests.extracts.inbox import (
    AS_OF,
    FIRM,
    PAYMENT_HEADER,
    csv,
    deliver,
    grant,
    payment,
    permit,
    query,
)
from tests.vault_rows import build_views

TXN_HEADER = "客户证件号,流水号,账号,交易时间,借贷标志,发生额,余额,对方证件号,对方账号,摘要,冲正"
BILL_HEADER = (
    "用户证件号,户号,账期,抄表日,总电量,尖,峰,平,谷,电费,应缴日,缴费日,违约金,欠费,"
    "缴费方式,更新日期"
)


def land(settings: Settings, content: bytes, source: str = "tax", **changes: Any) -> list[Any]:
    permit(settings, grant(source=source))
    name = changes.pop("name", "a.csv")
    deliver(settings, {name: content}, source=source, delivery_id=f"{source}-1", **changes)
    return list(nightly.land(settings, source, AS_OF).problems)


def payments(settings: Settings) -> list[tuple[Any, ...]]:
    return query(
        settings, "select tax_item, paid_at, amount, line from vault.raw.tax_payment order by line"
    )


def findings(settings: Settings) -> list[tuple[Any, ...]]:
    return query(
        settings,
        "select line, column_name, rule, value_class from vault.ops.quarantine order by line",
    )


def workbook(*rows: list[object], sheet: str | None = None) -> bytes:
    book = openpyxl.Workbook()
    page = book.worksheets[0] if sheet is None else book.create_sheet(sheet)
    for row in rows:
        page.append(row)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def txn(number: int, day: str, dc: str, amount: int, *, to: str = "", account: str = "6222",
        other: str = "", note: str = "货款", back: str = "否") -> str:  # fmt: skip
    booking = f"{FIRM},{number},{account},{day} 10:00:00,{dc},{amount},{amount}"
    return f"{booking},{to},{other},{note},{back}"


def bill(meter: str, month: str, read: str, kwh: int) -> str:
    return f"{FIRM},{meter},{month},{read},{kwh},0,0,{kwh},0,{kwh},2024-03-20,,0,0,代扣,2024-03-10"


def facts(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Build the tables that a query names, and answer it."""
    build_views(settings, AS_OF, *re.findall(r"warehouse\.\w+\.(\w+)", sql))
    return query(settings, sql)


def test_excel_files(settings: Settings) -> None:
    """Serial and real dates and numbers are read; identifiers as numbers and errors are not."""
    header: list[object] = list(PAYMENT_HEADER.split(","))
    row = [FIRM, "增值税", date(2024, 1, 1), date(2024, 2, 15), 45332, 1234.5, "正税"]
    number = [float(FIRM), *row[1:]]
    wrong = [*row[:5], "#N/A", "正税"]
    content = workbook(["", *header], [], ["", *row], ["", *number], ["", *wrong], sheet="二月")
    problems = land(settings, content, name="a.xlsx", rows=3, entry={"sheet": "二月"})
    assert problems == []
    assert payments(settings) == [("增值税", date(2024, 2, 10), Decimal("1234.50"), 3)]
    assert findings(settings) == [
        (4, "uscc", "tax_no", "scientific"),
        (5, "amount", "decimal", "text"),
    ]


def test_an_excel_bomb_is_refused_before_it_is_read(settings: Settings) -> None:
    bomb = next(f for f in corpus.cases(1, 400) if f.kind == "bomb" and f.format == "xlsx")
    (problem,) = land(settings, bomb.content, name="a.xlsx", rows=1)
    assert "unpacks to more than 200 times its size" in problem


def test_json_lines_keep_every_digit(settings: Settings) -> None:
    good = corpus.in_format("jsonl", [payment(amount="0.10")]).decode()
    number = good.replace('"0.10"', "9999999999999999.99")
    content = f"{good}\n{number}nonsense\n".encode("gb18030")
    assert land(settings, content, name="a.jsonl", rows=3) == []
    assert [row[2:] for row in payments(settings)] == [
        (Decimal("0.10"), 1),
        (Decimal("9999999999999999.99"), 3),
    ]
    assert findings(settings) == [(4, None, "structure", "no json")]


def test_blank_lines_shift_no_line(settings: Settings) -> None:
    rows = [payment(item="a"), "", payment(amount="x"), "short", "", "", payment(item="b")]
    assert land(settings, csv(rows), rows=4) == []
    assert [(row[0], row[3]) for row in payments(settings)] == [("a", 2), ("b", 8)]
    assert [row[0] for row in findings(settings)] == [4, 5]


def test_identifiers_as_floats(settings: Settings) -> None:
    rows = [payment("9.14403E+17"), payment(f"{FIRM}.0"), payment()]
    land(settings, csv(rows))
    assert len(payments(settings)) == 1
    assert [row[:3] for row in findings(settings)] == [(2, "uscc", "tax_no"), (3, "uscc", "tax_no")]


@pytest.mark.parametrize(
    ("header", "text", "amount"),
    [
        ("已缴(万元)", "1.1", "11000.00"),
        ("已缴（万元）", "（0.12345）", "-1234.50"),
        ("已缴", "1.1", "1.10"),
    ],
)
def test_ten_thousand_yuan(settings: Settings, header: str, text: str, amount: str) -> None:
    content = csv([payment(amount=text)], PAYMENT_HEADER.replace("已缴", header))
    assert land(settings, content) == []
    assert [row[2] for row in payments(settings)] == [Decimal(amount)]


def test_timezone(settings: Settings) -> None:
    """A moment in UTC is stored as the one in China; a text with a foreign offset is not read."""
    names = TXN_HEADER.split(",")
    cells: dict[str, Any] = dict(
        zip(names, ([c] for c in txn(1, "2024-01-31", "贷", 5).split(",")), strict=True)
    )
    moment = datetime(2024, 1, 31, 17, 0)  # noqa: DTZ001 — the column says UTC
    cells["交易时间"] = pyarrow.array([moment], pyarrow.timestamp("us", "UTC"))
    target = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(cells), target)
    assert (
        land(settings, target.getvalue(), "bank", table="bank_txn", name="a.parquet", rows=1) == []
    )
    found = query(settings, "select booked_at::varchar from vault.raw.bank_txn")
    assert found == [("2024-02-01 01:00:00",)]


def test_reversals_and_returned_payments_leave_the_flows(settings: Settings) -> None:
    rows = [
        txn(1, "2024-01-30", "贷", 500, to="C1"),
        txn(2, "2024-02-02", "借", 500, to="C1", back="是"),
        txn(3, "2024-02-05", "借", 70, to="S1"),
        txn(4, "2024-02-06", "贷", 70, to="S1", note="退汇"),
        txn(5, "2024-02-07", "贷", 500, to="C1"),
        txn(6, "2024-02-14", "借", 500, to="C1", back="是"),
        txn(7, "2024-02-15", "贷", 900, to="C2"),
    ]
    land(settings, csv(rows, TXN_HEADER), "bank", table="bank_txn")
    found = facts(
        settings,
        "select month, sum(operating_in_cny)::int, sum(operating_out_cny)::int, "
        "sum(returned_count)::int from warehouse.facts.fct_bank_monthly "
        "where superseded_at > date '2024-03-31' group by month order by month",
    )
    # The reversal of the 14th is seven days late: it reverses nothing.
    assert found == [(date(2024, 1, 1), 0, 0, 0), (date(2024, 2, 1), 1400, 0, 3)]


def test_self_transfers_between_own_accounts(settings: Settings) -> None:
    rows = [
        txn(1, "2024-01-05", "贷", 300, account="6222", other="6333"),
        txn(2, "2024-01-05", "借", 300, account="6333", other="6222"),
        txn(3, "2024-01-06", "贷", 40, account="6333", other="9999"),
    ]
    land(settings, csv(rows, TXN_HEADER), "bank", table="bank_txn")
    found = facts(
        settings,
        "select sum(operating_in_cny)::int, sum(operating_out_cny)::int "
        "from warehouse.facts.fct_bank_monthly",
    )
    assert found == [(40, 0)]


def test_a_bill_month_is_no_calendar_month_and_meters_add_up(settings: Settings) -> None:
    """Read on 10 February: 21 of 31 days are January's; a meter read at month end is untouched."""
    rows = [
        bill("P1", "2024-01", "2024-02-10", 3100),
        bill("P2", "2024-01", "2024-01-31", 500),
    ]
    land(settings, csv(rows, BILL_HEADER), "power", table="power_bill")
    found = facts(
        settings,
        "select month, sum(energy_kwh)::varchar, bit_count(bit_or(covered_days)), "
        "(select count(*) from warehouse.facts.fct_power_payment as bills "
        "where bills.month = facts.month)::int, sum(billed_cny)::varchar "
        "from warehouse.facts.fct_power_bill_monthly as facts group by month order by month",
    )
    assert found == [
        (date(2024, 1, 1), "2600.00", 31, 2, "3600.00"),
        (date(2024, 2, 1), "1000.00", 10, 0, "0.00"),
    ]


@pytest.mark.parametrize("encoding", ["gb18030", "gbk", "utf-8-sig", "utf-8"])
def test_encodings(settings: Settings, encoding: str) -> None:
    land(settings, csv([payment()], encoding=encoding))
    assert payments(settings) == [("增值税", date(2024, 2, 10), Decimal("100.00"), 2)]


def test_full_width_spaces_and_excel_guards(settings: Settings) -> None:
    dirty = payment(
        f'"=""{FIRM}"""', item="\u3000增值税\t", amount="１００．００", paid="'20240210"
    )
    land(settings, csv([dirty]))
    assert payments(settings) == [("增值税", date(2024, 2, 10), Decimal("100.00"), 2)]


@pytest.mark.parametrize(
    "text", ["45332", "20240210", "2024/2/10", "2024年2月10日", "2024-02-10 08:00:00"]
)
def test_dates(settings: Settings, text: str) -> None:
    land(settings, csv([payment(paid=text)]))
    assert payments(settings)[0][1] == date(2024, 2, 10)


@pytest.mark.parametrize("text", ['"（1,234.50）"', "1234.5-", '"(1,234.50)"'])
def test_amounts(settings: Settings, text: str) -> None:
    land(settings, csv([payment(amount=text)]))
    assert payments(settings)[0][2] == Decimal("-1234.50")


def test_duplicates(settings: Settings) -> None:
    land(settings, csv([payment(), payment(item="b"), payment()]))
    deliver(settings, {"a.csv": csv([payment(item="b")])}, delivery_id="tax-2")
    totals = nightly.land(settings, "tax", AS_OF).totals
    assert (totals.landed, totals.duplicate) == (0, 1)
    assert [row[0] for row in payments(settings)] == ["增值税", "b"]


def test_foreign_currency(settings: Settings) -> None:
    """The amount is converted at the day's rate; the original stays beside it."""
    rows = [f"{txn(1, '2024-01-05', '贷', 100)},美元,7.1", f"{txn(2, '2024-01-06', '贷', 9)},,"]
    land(settings, csv(rows, f"{TXN_HEADER},币种,汇率"), "bank", table="bank_txn")
    found = facts(
        settings,
        "select currency, original_amount::int, amount_cny::varchar "
        "from warehouse.staging.stg_bank__txn order by row_id",
    )
    assert found == [("USD", 100, "710.00"), ("CNY", None, "9.00")]


def test_void_and_red_invoices(settings: Settings) -> None:
    """A void invoice never counts; a red one is netted in the month of its issue."""
    header = "进销方向,发票号码,开票日期,销方税号,购方税号,金额,税额,价税合计,发票状态"
    rows = [
        f"销项,{number:020d},{day},{FIRM},,{amount},0,{amount},{status}"
        for number, (day, amount, status) in enumerate(
            [
                ("2024-01-05", 900, "正常"),
                ("2024-01-06", 500, "作废"),
                ("2024-02-07", -300, "正常"),
            ]
        )
    ]
    land(settings, csv(rows, header), table="tax_invoice")
    found = facts(
        settings,
        "select month, sales_cny::int, red_cny::int, void_count "
        "from warehouse.facts.fct_tax_invoice_monthly "
        "where sales_cny <> 0 or void_count > 0 order by month, available_at",
    )
    assert [(m, sum(r[n] for r in found if r[0] == m)) for n in (1, 2, 3)
            for m in (date(2024, 1, 1), date(2024, 2, 1))] == [
        (date(2024, 1, 1), 900), (date(2024, 2, 1), -300),
        (date(2024, 1, 1), 0), (date(2024, 2, 1), 300),
        (date(2024, 1, 1), 1), (date(2024, 2, 1), 0),
    ]  # fmt: skip


def test_month_end_cut_off_is_the_booking(settings: Settings) -> None:
    rows = [f"{txn(1, '2024-01-31', '贷', 100)},2024-02-01"]
    land(settings, csv(rows, f"{TXN_HEADER},起息日"), "bank", table="bank_txn")
    found = facts(settings, "select month, available_at from warehouse.facts.fct_bank_monthly")
    assert found == [(date(2024, 1, 1), date(2024, 2, 1))]


def test_a_missing_month_is_not_zero(settings: Settings) -> None:
    """January is observed with zero kWh, February is not observed at all."""
    rows = [bill("P1", "2024-01", "2024-01-31", 0)]
    land(settings, csv(rows, BILL_HEADER), "power", table="power_bill")
    found = facts(
        settings,
        "select distinct month, sum(energy_kwh)::varchar "
        "from warehouse.facts.fct_power_bill_monthly group by month",
    )
    assert found == [(date(2024, 1, 1), "0.00")]
