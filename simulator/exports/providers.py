"""What tax bureaus and power companies export of each firm: two workbooks, and one of bills."""

from collections.abc import Iterator
from decimal import Decimal

import polars as pl

from simulator.exports.shapes import File, day, parts, word
from simulator.workbooks import Cell, workbook

_FULL_QUERY = (
    "序号", "发票代码", "发票号码", "数电发票号码", "销方识别号", "销方名称", "购方识别号",
    "购买方名称", "开票日期", "金额", "税额", "价税合计", "发票来源", "发票票种", "发票状态",
    "是否正数发票", "发票风险等级", "开票人", "备注",
)  # fmt: skip
_KINDS = {
    "专": "增值税专用发票", "普": "增值税普通发票", "数电专": "数电发票（增值税专用发票）",
    "数电普": "数电发票（普通发票）",
}  # fmt: skip
_STATES = {"正常": "正常", "作废": "已作废"}
_PAPER, _DIGITAL = "增值税发票管理系统", "电子发票服务平台"
# Digits of a number that is unique without a code.
_DIGITS_OF_DIGITAL = 20
_BILLS = (
    ("用户编号", "用户名称", "电费年月", "抄表日期", "电量(万千瓦时)", None, None, None, None,
     "电费(元)", None, None, "应缴日期", "缴费日期", "违约金", "欠费", "缴费方式", "更新日期"),
    (None, None, None, None, "合计", "尖", "峰", "平", "谷", "应收", "基本", "力调"),
)  # fmt: skip
_PAYMENTS = {"代扣": "银行代扣", "自助": "网上国网", "预付": "充值"}
_KWH = ("kwh_total", "kwh_sharp", "kwh_peak", "kwh_flat", "kwh_valley")
_DAY = "%Y-%m-%d"


def invoices(rows: pl.DataFrame) -> Iterator[File]:
    """Yield the full query of each firm and side: each invoice once, in its last state.

    Args:
        rows: invoices with `uscc`, the firm whose side they are.
    """
    for (uscc, side), own in parts(rows, "uscc", "direction"):
        number = pl.col("invoice_no")
        is_digital = number.str.len_chars() == _DIGITS_OF_DIGITAL
        nothing = pl.lit(None, dtype=pl.String)
        sign = pl.when(pl.col("total") < 0).then(pl.lit("否")).otherwise(pl.lit("是"))
        table = own.select(
            pl.int_range(1, pl.len() + 1).cast(pl.String).alias("place"),
            "invoice_code",
            pl.when(~is_digital).then(number),
            pl.when(is_digital).then(number).alias("digital_no"),
            "seller_tax_no", "seller_name", "buyer_tax_no", "buyer_name",
            pl.col("issue_time").dt.strftime(f"{_DAY} %H:%M:%S"),
            "amount", "tax", "total",
            pl.when(is_digital).then(pl.lit(_DIGITAL)).otherwise(pl.lit(_PAPER)).alias("system"),
            word("invoice_kind", _KINDS), word("status", _STATES),
            sign.alias("sign"), pl.lit("正常").alias("risk"), pl.lit("管理员").alias("clerk"),
            nothing.alias("remark"),
        )  # fmt: skip
        content = workbook("发票基础信息", [_FULL_QUERY], table)
        yield f"invoices/{uscc}/{side}/全量发票查询导出结果.xlsx", content


def bills(rows: pl.DataFrame) -> Iterator[File]:
    """Yield the bills of each firm: each once, in its last state, with a total below.

    Args:
        rows: bills with `name` of the firm.
    """
    for (uscc,), own in parts(rows, "uscc"):
        table = own.select(
            "cons_no", "name", day("bill_month", "%Y%m"), day("read_date", _DAY),
            *(pl.col(name).cast(pl.Decimal(28, 8)) / 10_000 for name in _KWH),
            "amount", pl.lit(None, dtype=pl.String).alias("basic"),
            pl.lit(None, dtype=pl.String).alias("power_factor"),
            day("due_date", _DAY), day("paid_at", _DAY), "penalty", "arrears",
            word("pay_method", _PAYMENTS), day("updated_at", _DAY),
        )  # fmt: skip
        above: list[tuple[Cell, ...]] = [
            ("电费账单明细",),
            ("客户名称", own["name"][0], None, "统一社会信用代码", uscc),
            *_BILLS,
        ]
        kwh, amount = (Decimal(table[name].sum()) for name in ("kwh_total", "amount"))
        sums: tuple[Cell, ...] = ("合计", None, None, None, kwh, None, None, None, None, amount)
        content = workbook(
            "账单", above, table, [sums],
            merged=("A1:R1", "E3:I3", "J3:L3"),
        )  # fmt: skip
        yield f"power/{own['cons_no'][0]}.xlsx", content
