"""The second bank: workbooks with signed amounts, and one sheet of loans and outcomes in codes."""

from collections.abc import Iterator

import polars as pl

from simulator.exports.shapes import File, Shape, day, parts, word
from simulator.workbooks import workbook

_BOOKINGS = ("日期", "时间", "收支金额", "账面余额", "交易对手", "对手账号", "附言", "序号")
_LOANS = (
    "合同号", "客户代码", "决定日", "决定", "金额(万元)", "期限", "还款状态", "状态日", "观察日",
)  # fmt: skip
_DECISIONS = {"GRANTED": "1", "REFUSED": "0", "WITHDRAWN": "9"}
_STATES = {
    "PERFORMING": "A", "REPAID": "B", "DEFAULTED": "C", "WRITTEN_OFF": "D", "SOLD": "E",
}  # fmt: skip
_AUTHORISATIONS = (
    "企业代码", "授权书编号", "来源", "用途", "起始日期", "到期日", "数据开始日期", "文本版本",
    "是否单独同意",
)  # fmt: skip
_SOURCES = {"tax": "发票", "bank": "流水", "power": "用电"}


def _bookings(bookings: pl.DataFrame) -> Iterator[File]:
    """Yield a workbook per account, whose number is only in its name."""
    for (uscc, account), rows in parts(bookings, "uscc", "account_no"):
        sign = pl.when(pl.col("dc") == "借").then(pl.lit(-1)).otherwise(pl.lit(1))
        table = rows.select(
            pl.col("booked_at").dt.strftime("%Y%m%d").cast(pl.Int64),
            pl.col("booked_at").dt.strftime("%H:%M:%S").alias("clock"),
            pl.col("amount") * sign, "balance", "cp_name", "cp_account", "summary",
            pl.col("txn_no").cast(pl.Int64),
        )  # fmt: skip
        head = [["账户流水"], ["户名", rows["name"][0]], [], _BOOKINGS]
        yield f"bank/{uscc}/{account}.xlsx", workbook("流水", head, table)


def _loans(book: pl.DataFrame) -> Iterator[File]:
    """Yield one sheet of decisions and states in codes; refused applications have no state."""
    table = book.select(
        pl.col("loan_no").cast(pl.Int64), "uscc",
        pl.col("decided_at").dt.strftime("%Y%m%d").cast(pl.Int64), word("decision", _DECISIONS),
        (pl.col("amount").cast(pl.Decimal(28, 8)) / 10_000).round(6),
        "term_months", word("outcome", _STATES),
        *(day(column, "%Y/%m/%d") for column in ("outcome_at", "observed_until")),
    )  # fmt: skip
    yield "bank/信贷台账.xlsx", workbook("信贷", [["信贷台账"], _LOANS], table)


def _authorisations(signed: pl.DataFrame) -> File:
    """Return the bank's list of authorisations: text in GB18030."""
    table = signed.select(
        "uscc", "number",
        pl.col("sources").list.eval(pl.element().replace_strict(_SOURCES)).list.join("/"),
        pl.when("may_train").then(pl.lit("贷后监测/模型训练")).otherwise(pl.lit("贷后监测")).alias("purposes"),
        *(day(column, "%Y%m%d") for column in ("valid_from", "valid_to", "window_start")),
        "text_version", pl.lit("是").alias("separate"),
    )  # fmt: skip
    text = ",".join(_AUTHORISATIONS) + "\r\n" + table.write_csv(
        include_header=False, line_terminator="\r\n"
    )  # fmt: skip
    return "authorisations.csv", text.encode("gb18030")


SECOND_BANK = Shape(_bookings, _loans, _authorisations)
