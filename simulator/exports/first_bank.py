"""The first bank: GB18030 text with two columns of amounts, and two spreadsheets of its loans."""

from collections.abc import Iterator

import polars as pl

from simulator.exports.shapes import File, Shape, day, grouped, parts, word
from simulator.workbooks import workbook

_BOOKINGS = (
    "交易日", "时刻", "借方(支)", "贷方(收)", "结存额", "对手方", "对手方账号", "摘要", "交易序号",
)  # fmt: skip
_APPLICATIONS = (
    "申请流水号", "客户名称", "客户证照号", "终审日", "终审意见", "批复额度(元)", "期限(月)",
    "月供(元)",
)  # fmt: skip
_OUTCOMES = (
    "申请流水号", "客户证照号", "台账状态", "转不良日期", "结清日期", "核销日期", "数据日期",
)  # fmt: skip
_DECISIONS = {"GRANTED": "放款", "REFUSED": "拒贷", "WITHDRAWN": "客户撤件"}
_STATES = {
    "PERFORMING": "正常类", "REPAID": "已结清", "DEFAULTED": "不良", "WRITTEN_OFF": "呆账核销",
    "SOLD": "打包转让",
}  # fmt: skip
_AUTHORISATIONS = (
    "授权书编号", "企业名称", "统一社会信用代码", "授权数据来源", "授权目的", "授权生效日期",
    "有效期至", "数据起始日", "签署人身份", "单独同意", "授权书版本",
)  # fmt: skip
_SOURCES = {"tax": "税务", "bank": "银行流水", "power": "电力"}


def _bookings(bookings: pl.DataFrame) -> Iterator[File]:
    """Yield a file per account: lines above the header, a total and a remark below the rows."""
    for (uscc, account), rows in parts(bookings, "uscc", "account_no"):
        out, received = (pl.when(pl.col("dc") == side).then("amount") for side in ("借", "贷"))
        columns = (
            pl.col("booked_at").dt.strftime("%Y%m%d"),
            pl.col("booked_at").dt.strftime("%H%M%S").alias("clock"),
            out.alias("out"),
            received.alias("in"),
            "balance", "cp_name", "cp_account", "summary", "txn_no",
        )  # fmt: skip
        table = rows.select(columns)
        sums = [f'"{table[side].sum():,.2f}"' for side in ("out", "in")]
        text = table.with_columns(map(grouped, ("out", "in", "balance")))
        first, last = table["booked_at"][0], table["booked_at"][-1]
        head = (
            "对公活期账户交易明细",
            f"账号：{account},户名：{rows['name'][0]},币种：人民币",
            f"起止日期：{first}-{last}",
            ",".join(_BOOKINGS),
        )
        gap = "," * (len(_BOOKINGS) - 1)
        foot = (f"合计,,{','.join(sums)}{gap[3:]}", f"以上明细仅供参考{gap}")
        body = text.write_csv(include_header=False, line_terminator="\r\n")
        lines = "\r\n".join([*head, body + "\r\n".join(foot), ""])
        yield f"bank/{uscc}/对公明细_{account[-4:]}.csv", lines.encode("gb18030")


def _loans(book: pl.DataFrame) -> Iterator[File]:
    """Yield the sheet of applications, and that of what became of the granted ones."""
    applications = book.select(
        "loan_no", "name", "uscc", day("decided_at", "%Y-%m-%d"), word("decision", _DECISIONS),
        "amount", "term_months", "instalment",
    )  # fmt: skip
    yield (
        "bank/贷款审批台账.xlsx",
        workbook("台账", [["小微企业贷款审批台账"], _APPLICATIONS], applications),
    )
    granted = book.filter(pl.col("outcome").is_not_null())
    is_repaid = pl.col("outcome") == "REPAID"
    written_off = pl.when(pl.col("outcome") == "WRITTEN_OFF").then(
        pl.min_horizontal(pl.col("outcome_at") + pl.duration(days=270), "observed_until")
    )
    days = granted.with_columns(
        bad=pl.when(~is_repaid).then("outcome_at"),
        repaid=pl.when(is_repaid).then("outcome_at"),
        written_off=written_off,
    )
    outcomes = days.select(
        "loan_no", "uscc", word("outcome", _STATES),
        *(day(column, "%Y-%m-%d") for column in ("bad", "repaid", "written_off", "observed_until")),
    )  # fmt: skip
    yield "bank/贷后结果.xlsx", workbook("结果", [["贷后分类结果"], _OUTCOMES], outcomes)


def _authorisations(signed: pl.DataFrame) -> File:
    """Return the bank's register of signed authorisations."""
    table = signed.select(
        "number", "name", "uscc",
        pl.col("sources").list.eval(pl.element().replace_strict(_SOURCES)).list.join("、"),
        pl.when("may_train").then(pl.lit("贷后监测、模型训练")).otherwise(pl.lit("贷后监测"))
        .alias("purposes"),
        *(day(column, "%Y-%m-%d") for column in ("valid_from", "valid_to", "window_start")),
        pl.lit("法定代表人").alias("role"), pl.lit("是").alias("separate"), "text_version",
    )  # fmt: skip
    return "authorisations.xlsx", workbook("授权清单", [["授权登记簿"], _AUTHORISATIONS], table)


FIRST_BANK = Shape(_bookings, _loans, _authorisations)
