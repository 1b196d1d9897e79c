"""Shapes of exported columns from banks and tax bureaus, in every format, and what lands.

Each shape has valid rows and its odd ones; the same rows come as CSV, as a workbook, as JSON lines
and as Parquet.
"""

import io
import json
from collections.abc import Sequence
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest

from extracts import contracts
from extracts.manifest import DeliveredFile
from extracts.reading import headers, signs
from extracts.reading.formats import Readable
from extracts.vault import nightly
from firmpulse.errors import DeliveryRefused
from firmpulse.settings import Settings
from tests.extracts.corpus import in_format
from tests.extracts.inbox import AS_OF, FIRM, deliver, grant, permit, query

FORMATS = ["csv", "xlsx", "jsonl", "parquet"]
BANK = {"uscc": FIRM, "account_no": "6222"}


def land(
    settings: Settings,
    form: str,
    content: bytes,
    rows: int,
    *,
    table: str = "bank_txn",
    headers: dict[str, str] | None = None,
    **constants: Any,
) -> tuple[str, ...]:
    """Land one file; return the problems."""
    source = contracts.load()[table].source
    permit(settings, grant(source=source))
    entry = {"constants": constants, "headers": headers or {}}
    files = {f"a.{form}": content}
    deliver(settings, files, table=table, source=source, delivery_id="d-1", rows=rows, entry=entry)
    return nightly.land(settings, source, AS_OF).problems


def landed(settings: Settings, columns: str, table: str = "bank_txn") -> list[tuple[Any, ...]]:
    return query(settings, f"select {columns} from vault.raw.{table} order by line")


def quarantined(settings: Settings) -> list[tuple[Any, ...]]:
    return query(settings, "select column_name, rule from vault.ops.quarantine order by line")


TWO_AMOUNTS = "借方发生额（支取）,贷方发生额（收入）,余额,交易时间,币种,流水号"
# The cells of both amounts to what lands, or to the column and the rule of the quarantine.
BOTH = "amount (借方发生额(支取), 贷方发生额(收入))"
AMOUNTS: dict[tuple[str, str], tuple[str, str]] = {
    ("4000.00", "0.00"): ("OUT", "4000.00"),
    ("0.00", "2500.00"): ("IN", "2500.00"),
    ("4000.50", ""): ("OUT", "4000.50"),
    ("", "500.00"): ("IN", "500.00"),
    ("", " 0.01"): ("IN", "0.01"),
    ("7.00", "7.00"): (BOTH, "several_filled"),
    ("7.00", "-7.00"): (BOTH, "several_filled"),
    ("0.00", "0.00"): (BOTH, "none_filled"),
    ("", ""): (BOTH, "none_filled"),
    ("-40.00", ""): (BOTH, "bound"),
    ("0.00", "-40.00"): (BOTH, "bound"),
    ("forty", "0.00"): ("amount (借方发生额(支取))", "decimal"),
    ("0.00", "1.5E+3"): ("amount (贷方发生额(收入))", "decimal"),
}


@pytest.mark.parametrize("form", FORMATS)
def test_an_amount_in_a_column_for_each_direction(settings: Settings, form: str) -> None:
    rows = [
        f"{out},{into},9.00,20240110 17:07:{n:02},人民币元,N{n}"
        for n, (out, into) in enumerate(AMOUNTS)
    ]
    problems = land(settings, form, in_format(form, rows, TWO_AMOUNTS), len(rows), **BANK)
    assert problems == ()
    found = [(dc, str(amount)) for dc, amount in landed(settings, "dc, amount")]
    found += quarantined(settings)
    assert found == list(AMOUNTS.values())
    assert set(landed(settings, "ccy, cast(booked_at as date)")) == {("CNY", date(2024, 1, 10))}


def test_the_record_of_a_bad_row_has_the_delivered_columns(settings: Settings) -> None:
    content = in_format("csv", ["7.00,7.00,9.00,20240110,人民币,N1"], TWO_AMOUNTS)
    land(settings, "csv", content, 1, **BANK)
    ((record,),) = query(settings, "select record from vault.ops.quarantine")
    kept = {name: cell for name, cell in json.loads(record).items() if cell is not None}
    assert kept == {
        "uscc": FIRM, "account_no": "6222", "txn_no": "N1", "booked_at": "20240110",
        "balance": "9.00", "ccy": "人民币",
        "借方发生额(支取)": "7.00", "贷方发生额(收入)": "7.00",
    }  # fmt: skip


def test_two_amounts_in_another_unit_and_under_names_of_the_manifest(settings: Settings) -> None:
    rows = ["1.1,,9.00,2024-01-10", ",2,9.00,2024-01-11"]
    header = "付出(万元),收进,余额,交易日期"
    names = {"付出(万元)": "amount_out", "收进": "amount_in"}
    problems = land(settings, "csv", in_format("csv", rows, header), 2, headers=names, **BANK)
    assert "announces a unit that is not CNY" in problems[0]
    header = "借方金额(万元),收进,余额,交易日期"
    content = in_format("csv", rows, header)
    again: dict[str, Any] = {"delivery_id": "d-2", "source": "bank", "table": "bank_txn"}
    entry = {"constants": BANK, "headers": {"收进": "amount_in"}}
    deliver(settings, {"a.csv": content}, entry=entry, **again)
    assert nightly.land(settings, "bank", AS_OF).problems == problems
    assert landed(settings, "dc, amount") == [
        ("OUT", Decimal("11000.00")),
        ("IN", Decimal("2.00")),
    ]


SIGNED = "交易金额,余额,交易时间,日 志 号"
SIGNS: dict[str, tuple[str, str]] = {
    "+10000.00": ("IN", "10000.00"),
    "-10.00": ("OUT", "10.00"),
    "0.01": ("IN", "0.01"),
    "(12.50)": ("OUT", "12.50"),
    "0.00": ("amount (交易金额)", "bound"),
    "": ("amount (交易金额)", "required"),
    "ten": ("amount (交易金额)", "decimal"),
}


@pytest.mark.parametrize("form", FORMATS)
def test_a_sign_says_the_direction(settings: Settings, form: str) -> None:
    rows = [f"{cell},9.00,2024-01-10,{n}" for n, cell in enumerate(SIGNS)]
    assert land(settings, form, in_format(form, rows, SIGNED), len(rows), **BANK) == ()
    found = [(dc, str(amount)) for dc, amount in landed(settings, "dc, amount")]
    assert found + quarantined(settings) == list(SIGNS.values())
    assert landed(settings, "txn_no") == [("0",), ("1",), ("2",), ("3",)]


@pytest.mark.parametrize("form", FORMATS)
def test_amounts_without_any_sign_have_no_direction(settings: Settings, form: str) -> None:
    rows = [f"{n}.00,9.00,2024-01-10,{n}" for n in range(1, 4)]
    (problem,) = land(settings, form, in_format(form, rows, SIGNED), 3, **BANK)
    assert "no amount in the file has a sign" in problem
    assert "say 贷 for dc in the manifest's constants" in problem


def test_a_constant_direction_is_that_of_amounts_without_a_minus(settings: Settings) -> None:
    rows = ["5.00,9.00,2024-01-10,1", "-3.00,9.00,2024-01-10,2"]
    content = in_format("csv", rows, SIGNED)
    assert land(settings, "csv", content, 2, dc="贷", **BANK) == ()
    assert landed(settings, "dc, amount") == [("IN", Decimal("5.00")), ("OUT", Decimal("3.00"))]
    assert quarantined(settings) == []


def test_a_minus_among_payments_says_nothing_sure(settings: Settings) -> None:
    """It may be a payment in the bank's notation, or a returned one."""
    rows = ["5.00,9.00,2024-01-10,1", "-3.00,9.00,2024-01-10,2"]
    assert land(settings, "csv", in_format("csv", rows, SIGNED), 2, dc="借", **BANK) == ()
    assert landed(settings, "dc, amount") == [("OUT", Decimal("5.00"))]
    assert quarantined(settings) == [("amount", "bound")]


APART = "交易日期,交易时间,发生额,借贷标志,余额"
# The cells of day and time to the time of booking, or to the column and rule of the quarantine.
DAY, CLOCK = "booked_at (交易日期)", "booked_at (交易时间)"
MOMENTS: dict[tuple[str, str], str | tuple[str, str]] = {
    ("20240101", "123456"): "2024-01-01 12:34:56",
    ("2024-01-02", "12:34:56"): "2024-01-02 12:34:56",
    ("2024/1/3", "12:34:56.789"): "2024-01-03 12:34:56.789",
    ("2024年1月4日", "9:05"): "2024-01-04 09:05:00",
    ("20240105", "12时34分56秒"): "2024-01-05 12:34:56",
    ("20240106", "91112"): "2024-01-06 09:11:12",
    ("20240107", "000000"): "2024-01-07 00:00:00",
    ("20240108", ""): "2024-01-08 00:00:00",
    ("2024-01-09 00:00:00", "23:59:59"): "2024-01-09 23:59:59",
    ("20240110", "2024-01-09 23:59:59"): "2024-01-09 23:59:59",
    ("", "20240111 10:11:12"): "2024-01-11 10:11:12",
    ("20240112", "24:00:00"): (CLOCK, "timestamp"),
    ("20240113", "240000"): (CLOCK, "timestamp"),
    ("20240114", "12:61:00"): (CLOCK, "timestamp"),
    ("20240115", "1112"): (CLOCK, "timestamp"),
    ("20240116", "noon"): (CLOCK, "timestamp"),
    ("20240230", "10:11:12"): (DAY, "timestamp"),
    ("", "10:11:12"): (DAY, "required"),
    ("", ""): (DAY, "required"),
}


@pytest.mark.parametrize("form", FORMATS)
def test_a_day_and_a_time_apart(settings: Settings, form: str) -> None:
    rows = [f"{day},{clock},{n + 1},借,9.00" for n, (day, clock) in enumerate(MOMENTS)]
    assert land(settings, form, in_format(form, rows, APART), len(rows), **BANK) == ()
    found = [moment for (moment,) in landed(settings, "cast(booked_at as varchar)")]
    assert [*found, *quarantined(settings)] == list(MOMENTS.values())


@pytest.mark.parametrize("cell", ["2024-01-31 24:00:00", "2024/1/31 24:00", "20240131 240000"])
def test_midnight_at_the_end_of_a_day_is_not_the_next_month(settings: Settings, cell: str) -> None:
    content = in_format("csv", [f"{cell},1.00,借,9.00"], "交易时间,发生额,借贷标志,余额")
    land(settings, "csv", content, 1, **BANK)
    assert quarantined(settings) == [("booked_at", "timestamp")]


def test_columns_that_are_typed_in_parquet(settings: Settings) -> None:
    """A time of day as its own type or as a number, two amounts as decimals and floats."""
    table = pyarrow.table({
        "交易日期": pyarrow.array([date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3)]),
        "交易时间": pyarrow.array([time(12, 34, 56), None, time(23, 59, 59, 5000)],
                                 pyarrow.time64("us")),
        "借方金额": pyarrow.array([Decimal("4.00"), Decimal("0.00"), Decimal("1.00")],
                                 pyarrow.decimal128(18, 2)),
        "贷方金额": pyarrow.array([0.0, 2.5, 1.0]),
        "余额": pyarrow.array([1, 2, 3]),
    })  # fmt: skip
    target = io.BytesIO()
    pyarrow.parquet.write_table(table, target)
    assert land(settings, "parquet", target.getvalue(), 3, **BANK) == ()
    assert landed(settings, "cast(booked_at as varchar), dc, amount") == [
        ("2024-01-01 12:34:56", "OUT", Decimal("4.00")),
        ("2024-01-02 00:00:00", "IN", Decimal("2.50")),
    ]
    assert quarantined(settings) == [("amount (借方金额, 贷方金额)", "several_filled")]


def test_signed_numbers_in_parquet(settings: Settings) -> None:
    table = pyarrow.table({
        "交易日期": pyarrow.array([1704085200, 1704153600], pyarrow.timestamp("s")),
        "交易时间": [123456, 91112],
        "交易金额": pyarrow.array([Decimal("4.00"), Decimal("-1.50")]),
        "余额": [1.0, 2.0],
    })  # fmt: skip
    target = io.BytesIO()
    pyarrow.parquet.write_table(table, target)
    assert land(settings, "parquet", target.getvalue(), 2, **BANK) == ()
    assert landed(settings, "cast(booked_at as varchar), dc, amount") == [
        ("2024-01-01 12:34:56", "IN", Decimal("4.00")),
        ("2024-01-02 09:11:12", "OUT", Decimal("1.50")),
    ]


def test_cells_that_are_typed_in_a_workbook(settings: Settings) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["交易日", "交易时间", "支出", "收入", "余额"])
    sheet.append([date(2024, 1, 1), time(12, 34, 56), 40000, None, 1.5])
    sheet.append([20240102, 91112, 0, 2500.25, 2])
    target = io.BytesIO()
    book.save(target)
    assert land(settings, "xlsx", target.getvalue(), 2, **BANK) == ()
    assert landed(settings, "cast(booked_at as varchar), dc, amount") == [
        ("2024-01-01 12:34:56", "OUT", Decimal("40000.00")),
        ("2024-01-02 09:11:12", "IN", Decimal("2500.25")),
    ]


INVOICE = (
    "发票代码,发票号码,数电发票号码,发票票种,发票状态,销方识别号,购方识别号,开票日期,"
    "金额,税额,价税合计"
)
D1, D2 = "24352000000000000011", "24352000000000000012"
# Code, number and digital number, to what lands, or to the column and rule of the quarantine.
NUMBERS: dict[tuple[str, str, str], tuple[str | None, str]] = {
    ("", "", D1): (None, D1),
    ("3500214130", "00012345", ""): ("3500214130", "00012345"),
    ("", D2, D2): (None, D2),
    # On paper, a digital invoice also has the code and number of its sheet.
    ("3500214130", "00012346", "24352000000000000013"): ("3500214130", "24352000000000000013"),
    ("", "24352000000000000014", "24352000000000000015"): (
        "invoice_no (发票号码, 数电发票号码)", "several_filled",
    ),
    ("3500214130", "", ""): ("invoice_no (发票号码, 数电发票号码)", "none_filled"),
    ("3500214130", "1.2E+19", ""): ("invoice_no (发票号码)", "code"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_two_numbers_side_by_side(settings: Settings, form: str) -> None:
    rows = [
        f"{','.join(cells)},数电发票（普通发票）,已红冲-部分,{FIRM},X1,2024-02-01 10:00:00,1,0,1"
        for cells in NUMBERS
    ]
    problems = land(
        settings, form, in_format(form, rows, INVOICE), len(rows), table="tax_invoice",
        direction="销项",
    )  # fmt: skip
    assert problems == ()
    found = landed(settings, "invoice_code, invoice_no", "tax_invoice")
    assert [*found, *quarantined(settings)] == list(NUMBERS.values())
    texts = landed(settings, "distinct invoice_kind, status", "tax_invoice limit 1 --")
    assert texts == [("DIGITAL_ORDINARY", "PARTLY_RED_FLUSHED")]


def test_two_digital_numbers_that_differ_are_never_one(settings: Settings) -> None:
    """A sheet's code gives priority to the digital number, and to neither of two."""
    header = INVOICE.replace("发票号码,数电发票号码", "数电票号码,数电发票号码")
    rest = f"81,正常,{FIRM},X1,2024-02-01 10:00:00,1,0,1"
    content = in_format("csv", [f"3500214130,{D1},{D2},{rest}"], header)
    land(settings, "csv", content, 1, table="tax_invoice", direction="销项")
    assert quarantined(settings) == [("invoice_no (数电票号码, 数电发票号码)", "several_filled")]


GLOSSED = (
    "交易类型[ Transaction Type ],付款人账号[ Debit Account No. ],付款人名称[ Payer's Name ],"
    "收款人账号[ Payee's Account Number ],收款人名称[ Payee's Name ],"
    "交易日期[ Transaction Date ],交易时间[ Transaction time ],交易货币[ Trade Currency ],"
    "交易金额[ Trade Amount ],交易后余额[ After-transaction balance ],"
    "交易流水号[ Transaction reference number ]"
)


@pytest.mark.parametrize("form", FORMATS)
def test_payer_and_payee_apart(settings: Settings, form: str) -> None:
    """The other side is the payee of outgoing money, and the payer of incoming money."""
    rows = [
        "往账,6222,甲公司,1001,乙公司,20240110,10:11:12,CNY,-40.00,60.00,S1",
        "来账,1002,丙公司,6222,甲公司,20240111,10:11:13,001,+5.00,65.00,S2",
    ]
    assert land(settings, form, in_format(form, rows, GLOSSED), 2, **BANK) == ()
    assert landed(
        settings, "txn_no, cast(booked_at as varchar), dc, amount, ccy, cp_name, cp_account"
    ) == [
        ("S1", "2024-01-10 10:11:12", "OUT", Decimal("40.00"), "CNY", "乙公司", "1001"),
        ("S2", "2024-01-11 10:11:13", "IN", Decimal("5.00"), "CNY", "丙公司", "1002"),
    ]


def matched(
    header: str, table: str = "bank_txn", names: dict[str, str] | None = None, **constants: str
) -> headers.Match:
    """Return how a header of a file is understood."""
    file = DeliveredFile(
        name="a.csv", table=table, format="csv", sha256="0" * 64, rows=1,
        headers=names or {}, constants=(BANK if table == "bank_txn" else {}) | constants,
    )  # fmt: skip
    return headers.match(file, contracts.load()[table], tuple(header.split(",")))


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("交易日期,发生额,借贷标志,余额", "booked_at,amount,dc,balance"),
        ("交易时间,记账日期,发生额,借贷标志,余额", "booked_clock,booked_day,amount,dc,balance"),
        ("记账日期,交易日期,发生额,借贷标志,余额", ",booked_at,amount,dc,balance"),
        ("记账时间,交易时间,发生额,借贷标志,余额", ",booked_at,amount,dc,balance"),
        ("记账日期,交易日期,交易时间,发生额,借贷标志,余额",
         ",booked_day,booked_clock,amount,dc,balance"),
        ("booked_day,booked_clock,amount,dc,balance", "booked_day,booked_clock,amount,dc,balance"),
        ("流水号,银行流水号,交易时间,发生额,借贷标志,余额", "txn_no,,booked_at,amount,dc,balance"),
        ("日志号,核心流水号,交易时间,发生额,借贷标志,余额", ",txn_no,booked_at,amount,dc,balance"),
        ("对方单位,对方户名,交易时间,发生额,借贷标志,余额,本次余额",
         ",cp_name,booked_at,amount,dc,balance"),
        # An amount with its direction is complete; a pair of amounts needs neither of them.
        ("交易时间,发生额,借贷标志,借方金额,贷方金额,余额", "booked_at,amount,dc,,,balance"),
        ("交易时间,发生额,借方金额,贷方金额,余额", "booked_at,,amount_out,amount_in,balance"),
        ("交易时间,借贷标志,借方金额,贷方金额,余额", "booked_at,,amount_out,amount_in,balance"),
        ("交易时间,支出,收入,余额", "booked_at,amount_out,amount_in,balance"),
        ("交易时间,借贷标志,余 额,发 生 额\u3000", "booked_at,dc,balance,amount"),
        ("交易时间,发生额,余额", "booked_at,amount_signed,balance"),
    ],
)  # fmt: skip
def test_which_columns_count(header: str, names: str) -> None:
    found = matched(header).positions
    assert found == {name: at for at, name in enumerate(names.split(",")) if name}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("交易时间,贷方金额,余额,借贷标志",
         "lacks the required column amount (发生额); the two columns 借方发生额 and 贷方发生额"),
        ("交易时间,借方金额,支出,贷方金额,余额", "two columns of the file are both amount_out"),
        ("交易时间,发生额,借贷标志,余额,账户余额", "two columns of the file are both balance"),
        ("交易日期,交易日期,交易时间,发生额,借贷标志,余额",
         "two columns of the file are both booked_day"),
        ("booked_at,交易时间,发生额,借贷标志,余额",
         "which one is booked_day and which one is booked_clock"),
        ("booked_clock,发生额,借贷标志,余额", "lacks the required column booked_at"),
        ("银行流水号,银行流水号,交易时间,发生额,借贷标志,余额",
         "two columns of the file are both txn_no"),
    ],
)  # fmt: skip
def test_a_header_that_can_be_read_in_two_ways_is_refused(header: str, message: str) -> None:
    with pytest.raises(DeliveryRefused) as caught:
        matched(header)
    assert message in str(caught.value)


def test_equal_headers_are_no_columns_side_by_side() -> None:
    header = "发票号码,发票号码,开票日期,金额,税额,价税合计,发票状态"
    with pytest.raises(DeliveryRefused, match="both invoice_no"):
        matched(header, "tax_invoice", direction="销项")


def test_a_manifest_cannot_tear_a_pair_of_amounts_apart() -> None:
    """One of two columns as the amount, with a constant direction, would lose the other's rows."""
    names = {"转出金额": "amount"}
    pair = matched("交易时间,转入金额,转出金额,余额", names=names, dc="借")
    assert pair.composed[0].how == "split"
    assert (pair.positions["amount_out"], pair.positions["amount_in"]) == (2, 1)
    alone = matched("交易时间,转出金额,余额", names=names, dc="借")
    assert alone.composed == ()
    assert alone.positions["amount"] == 1


@pytest.mark.parametrize(
    ("header", "filled"),
    [
        ("交易时间,发生额,借贷标志,余额,摘要", {0, 1, 2, 3}),
        ("交易时间,借方金额,贷方金额,余额,摘要", {0, 3}),
        ("交易日期,交易时间,交易金额,余额,摘要", {0, 2, 3}),
    ],
)
def test_which_cells_every_row_has(header: str, filled: set[int]) -> None:
    assert matched(header).filled == filled


def test_how_many_headers_of_the_contract_a_line_has() -> None:
    file = DeliveredFile(
        name="a.csv", table="bank_txn", format="csv", sha256="0" * 64, rows=1,
        headers={"付出": "amount_out"},
    )  # fmt: skip
    contract = contracts.load()["bank_txn"]
    line = ["交易明细", "付出", "贷方金额(万元)", "交易日期[ Transaction Date ]", "银行流水号", ""]
    assert headers.count_known(file, contract, line) == 4
    assert headers.count_known(file, contract, ["[HISTORYDETAIL]"]) == 0


def test_a_file_in_the_usual_shape_is_read_as_ever() -> None:
    found = matched("交易时间,发生额,借贷标志,余额")
    assert found.composed == ()
    assert found.cells == contracts.load()["bank_txn"].columns


@pytest.mark.parametrize(
    ("cells", "has_sign"),
    [
        (["1.00", "2.00"], False),
        (["2024-01-01", "", "1,000.00", "-"], False),
        (["1.00", "-2.00"], True),
        (["1.00", " －2.00"], True),
        (["+1.00"], True),
        (["（1.00）"], True),
        (["1.00-"], True),
        (['="-1.00"'], True),
    ],
)
def test_what_counts_as_a_sign(tmp_path: Path, cells: Sequence[str], has_sign: bool) -> None:
    path = tmp_path / "a.csv"
    quoted = "".join('x,"' + cell.replace('"', '""') + '"\n' for cell in cells)
    path.write_text(f"号,金额\n短\n{quoted}", encoding="utf-8")
    readable = Readable(path, "utf-8", ("号", "金额"))
    if has_sign:
        signs.require(readable, 1)
    else:
        with pytest.raises(DeliveryRefused, match="no amount in the file has a sign"):
            signs.require(readable, 1)


# Texts of tax bureaus and banks, to their meaning.
WORDS = {
    ("tax_invoice", "status"): {
        "正常": "NORMAL", "已作废": "VOID", "已红冲-全额": "RED_FLUSHED", "失控": "ABNORMAL",
        "已红冲-部分": "PARTLY_RED_FLUSHED", "已红冲(部分)": "PARTLY_RED_FLUSHED",
    },
    ("tax_invoice", "invoice_kind"): {
        "数电发票(增值税专用发票)": "DIGITAL_SPECIAL", "数电发票(普通发票)": "DIGITAL_ORDINARY",
        "数电纸质发票(增值税专用发票)": "DIGITAL_PAPER_SPECIAL", "85": "DIGITAL_PAPER_SPECIAL",
        "数电纸质发票(普通发票)": "DIGITAL_PAPER_ORDINARY", "道路通行费电子普通发票": "TOLL",
        "数电发票(铁路电子客票)": "DIGITAL_RAIL", "二手车销售统一发票": "USED_VEHICLE",
        "增值税普通发票(卷式)": "ROLL",
    },
    ("bank_txn", "ccy"): {
        "人民币元": "CNY", "人民币": "CNY", "RMB": "CNY", "CNY": "CNY", "156": "CNY", "01": "CNY",
        "港元": "HKD", "840": "USD", "014": "USD",
    },
    ("bank_account", "ccy"): {"人民币元": "CNY", "01": "CNY"},
    ("bank_txn", "dc"): {"借": "OUT", "贷": "IN", "往账": "OUT", "来账": "IN", "支": "OUT"},
}  # fmt: skip


@pytest.mark.parametrize(("table", "column"), WORDS)
def test_words_of_an_export(table: str, column: str) -> None:
    values = contracts.load()[table].column(column).values
    words = WORDS[table, column]
    assert {word: values.get(word) for word in words} == words
