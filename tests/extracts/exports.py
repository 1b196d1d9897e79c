"""Made exports in the shapes of the included mappings, with the quirks of real ones.

Names, accounts and amounts are invented; each has one booking out, one in, and odd lines.
"""
# ruff: noqa: E501 - a row of an export is a line

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl

from tests.extracts.inbox import FIRM

ACCOUNT = "35050100000000000011"


@dataclass(frozen=True)
class Export:
    """Files of one export as its included mapping expects them, and what lands."""

    mapping: str
    files: dict[str, bytes]
    # Time, direction, amount, balance, other party and number of each booking.
    bookings: tuple[tuple[str, str, str, str, str | None, str | None], ...]

    def write(self, folder: Path) -> Path:
        """Put the files into a folder."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder


def text(lines: Sequence[str], encoding: str = "gb18030", end: str = "\r\n") -> bytes:
    """Return lines as a file."""
    return (end.join(lines) + end).encode(encoding)


def sheet(rows: Sequence[Sequence[Any]], name: str = "Sheet1", merged: Sequence[str] = ()) -> bytes:
    """Return rows as a workbook, with merged cells."""
    book = openpyxl.Workbook()
    own = book.worksheets[0]
    own.title = name
    for row in rows:
        own.append(list(row))
    for cells in merged:
        own.merge_cells(cells)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


ICBC = Export(
    "icbc",
    {f"{FIRM}/hist.csv": text([
        "[HISTORYDETAIL]",
        "凭证号\t本方账号\t对方账号\t交易时间\t借/贷\t借方发生额\t贷方发生额\t对方行号\t摘要\t用途\t对方单位名称\t余额\t个性化信息",
        f"\t{ACCOUNT}\t1001\t2024-01-16 11:09:16\t借\t4,000.00\t0.00\t\t汇款\t货款\t乙公司\t7,907.36\t",
        f"\t{ACCOUNT}\t1002\t2024-01-17 09:00:00\t贷\t0.00\t500.00\t\t汇入\t货款\t丙公司\t8,407.36\t",
    ])},
    (
        ("2024-01-16 11:09:16", "OUT", "4000.00", "7907.36", "乙公司", None),
        ("2024-01-17 09:00:00", "IN", "500.00", "8407.36", "丙公司", None),
    ),
)  # fmt: skip

ICBC_TRANSFERS = Export(
    "icbc_transfers",
    {f"{FIRM}/{ACCOUNT}/hist.csv": text([
        "[HISTORYDETAIL]",
        "凭证号,交易时间,对方单位,对方账号,转入金额,转出金额,余额,用途,摘要,附言",
        "T-1,2024-01-16 11:09:16,乙,1001,,4000.00,7907.36,货款,货款,",
        "T-2,2024-01-17 11:09:16,丙,1002,500.00,,8407.36,货款,货款,",
    ])},
    (
        ("2024-01-16 11:09:16", "OUT", "4000.00", "7907.36", "乙", None),
        ("2024-01-17 11:09:16", "IN", "500.00", "8407.36", "丙", None),
    ),
)  # fmt: skip

CCB = Export(
    "ccb",
    {f"{FIRM}/ccb.csv": text([
        "账号,账户名称,交易时间,借方发生额（支取）,贷方发生额（收入）,余额,币种,对方户名,对方账号,对方开户机构,"
        "记账日期,摘要,备注,账户明细编号-交易流水号,企业流水号,凭证种类,凭证号",
        f"{ACCOUNT}\t,甲公司,20240110 17:07:09,40000.00,0.00,60000.00,人民币元,乙,1001,支行,20240110,货款,,1-1001,,,",
        f"{ACCOUNT}\t,甲公司,20240111 09:07:09,0.00,2500.00,62500.00,人民币元,丙,1002,支行,20240112,货款,,1-1002,,,",
    ], "utf-8-sig")},
    (
        ("2024-01-10 17:07:09", "OUT", "40000.00", "60000.00", "乙", "1-1001"),
        ("2024-01-11 09:07:09", "IN", "2500.00", "62500.00", "丙", "1-1002"),
    ),
)  # fmt: skip

CCB_TWO_LINES = Export(
    "ccb_two_lines",
    {f"{FIRM}/ccb.xlsx": sheet(
        [
            ["账户明细"],
            ["账户明细编号-交易流水号", "交易时间", "发生额/元", None, "余额/元", "对方户名", "对方账号",
             "摘要", "备注", "本方账号", "本方账户名称", "本方账户开户机构"],
            [None, None, "借方", "贷方"],
            ["1-1001", "20240110 17:07:09", "40,000.00", None, "60,000.00", "乙", "1001", "货款", None,
             ACCOUNT, "甲公司", "支行"],
            ["1-1002", "20240111 09:07:09", None, "2,500.00", "62,500.00", "丙", "1002", "货款", None,
             ACCOUNT, "甲公司", "支行"],
            ["合计", None, "40,000.00", "2,500.00"],
        ],
        merged=("C2:D2",),
    )},
    (
        ("2024-01-10 17:07:09", "OUT", "40000.00", "60000.00", "乙", "1-1001"),
        ("2024-01-11 09:07:09", "IN", "2500.00", "62500.00", "丙", "1-1002"),
    ),
)  # fmt: skip

ABC = Export(
    "abc",
    {f"{FIRM}/abc.xlsx": sheet([
        ["账户交易明细"],
        ["账户名称", None, "甲公司", None, "账户号", None, ACCOUNT],
        ["交易时间", "收入金额", "支出金额", "账户余额", "交易行名", "对方省市", "对方账号", "对方户名", "交易用途"],
        ["2024-01-10 08:30:00", None, "40000.00", "60000.00", "支行", "福建", "1001", "乙", "货款"],
        ["2024-01-11 09:30:00", "2500.00", None, "62500.00", "支行", "福建", "1002", "丙", "货款"],
    ])},
    (
        ("2024-01-10 08:30:00", "OUT", "40000.00", "60000.00", "乙", None),
        ("2024-01-11 09:30:00", "IN", "2500.00", "62500.00", "丙", None),
    ),
)  # fmt: skip

ABC_SIGNED = Export(
    "abc_signed",
    {f"{FIRM}/{ACCOUNT}/abc.csv": text([
        "交易日期,交易时间,交易摘要,交易金额,本次余额,对手信息,日 志 号,交易渠道,交易附言",
        "20240101,123456,转存,+10000.00,11000.00,乙,369,超级网银,货款",
        "20240102,132324,转取,-10.00,10990.00,丙,370,电子商务,货款",
        "20240104,,结息,+0.01,10990.01,--,000,,结息",
    ])},
    (
        ("2024-01-01 12:34:56", "IN", "10000.00", "11000.00", "乙", "369"),
        ("2024-01-02 13:23:24", "OUT", "10.00", "10990.00", "丙", "370"),
        ("2024-01-04 00:00:00", "IN", "0.01", "10990.01", None, "000"),
    ),
)  # fmt: skip

_BOC_HEADER = [
    "交易类型[ Transaction Type ]", "业务类型[ Business type ]",
    "付款人开户行号[ Account holding bank number of payer ]", "付款人开户行名[ Payer account bank ]",
    "付款人账号[ Debit Account No. ]", "付款人名称[ Payer's Name ]",
    "收款人开户行行号[ Account holding bank number of beneficiary ]",
    "收款人开户行名[ Beneficiary account bank ]", "收款人账号[ Payee's Account Number ]",
    "收款人名称[ Payee's Name ]", "交易日期[ Transaction Date ]", "交易时间[ Transaction time ]",
    "交易货币[ Trade Currency ]", "交易金额[ Trade Amount ]",
    "交易后余额[ After-transaction balance ]", "起息日期[ Value Date ]", "汇率[ Exchange rate ]",
    "交易流水号[ Transaction reference number ]", "记录标识号[ Record ID ]", "摘要[ Reference ]",
    "用途[ Purpose ]", "交易附言[ Remark ]", "备注[ Remarks ]",
]  # fmt: skip

BOC = Export(
    "boc",
    {f"{FIRM}/boc.xlsx": sheet([
        ["查询账号[ Inquirer account number ]", ACCOUNT],
        ["收入总笔数[ Total number of credited payments ]", "1", "支出总笔数[ Total debit ]", "1"],
        [],
        _BOC_HEADER,
        ["往账", "网上支付", "104", "中行", ACCOUNT, "甲公司", "105", "建行", "1001", "乙", "20240110",
         "10:11:12", "CNY", "-4,000.00", "6,000.00", "20240110", None, "S1", "R1", None, "货款", None, None],
        ["来账", "大额支付", "105", "建行", "1002", "丙", "104", "中行", ACCOUNT, "甲公司", "20240111",
         "11:12:13", "CNY", "500.00", "6,500.00", "20240111", None, "S2", "R2", None, "货款", None, None],
    ])},
    (
        ("2024-01-10 10:11:12", "OUT", "4000.00", "6000.00", "乙", "S1"),
        ("2024-01-11 11:12:13", "IN", "500.00", "6500.00", "丙", "S2"),
    ),
)  # fmt: skip

BOCOM = Export(
    "bocom",
    {f"{FIRM}/bocom.csv": text([
        f"查询账号:,{ACCOUNT},户  名:,甲公司,币种:,人民币,,,",
        "交易时间,摘要,凭证号码,借贷标志,币种,发生额,余额,对方账号,对方户名",
        '2024-01-10 10:11:12,货款,,借,人民币,"4,000.00","6,000.00",1001,乙',
        "2024-01-11 11:12:13,货款,,贷,人民币,500.00,6500.00,1002,丙",
    ])},
    (
        ("2024-01-10 10:11:12", "OUT", "4000.00", "6000.00", "乙", None),
        ("2024-01-11 11:12:13", "IN", "500.00", "6500.00", "丙", None),
    ),
)  # fmt: skip

CMB = Export(
    "cmb",
    {f"{FIRM}/cmb.csv": text([
        "招商银行交易明细",
        f"银行账号：{ACCOUNT},,公司名称：甲公司",
        "查询期间：20240101 至 20240131",
        "交易日,交易时间,起息日,交易类型,借方金额,贷方金额,余额,摘要,流水号,收(付)方名称,收(付)方账号",
        "20240110,101112,20240110,转账,4000.00,,6000.00,货款,C01,乙,1001",
        "20240111,091213,20240111,转账,,500.00,6500.00,货款,C02,丙,1002",
    ])},
    (
        ("2024-01-10 10:11:12", "OUT", "4000.00", "6000.00", "乙", "C01"),
        ("2024-01-11 09:12:13", "IN", "500.00", "6500.00", "丙", "C02"),
    ),
)  # fmt: skip

SPDB = Export(
    "spdb",
    {f"{FIRM}/spdb.xlsx": sheet([
        ["账号", ACCOUNT],
        ["账户名称", "甲公司"],
        ["查询日期", "20240101-20240131"],
        ["交易日期", "交易时间", "申请日期", "凭证号", "借方金额", "贷方金额", "余额", "对方账号", "对方户名",
         "对方行名", "交易流水号", "摘要"],
        ["20240110", "10:11:12", "20240110", None, "4,000.00", None, "6,000.00", "1001", "乙", "支行", "P1", "货款"],
        ["20240111", "11:12:13", "20240111", None, None, "500.00", "6,500.00", "1002", "丙", "支行", "P2", "货款"],
    ])},
    (
        ("2024-01-10 10:11:12", "OUT", "4000.00", "6000.00", "乙", "P1"),
        ("2024-01-11 11:12:13", "IN", "500.00", "6500.00", "丙", "P2"),
    ),
)  # fmt: skip

CEB = Export(
    "ceb",
    {f"{FIRM}/ceb.csv": text([
        f"账号:,{ACCOUNT}",
        "账户名称:,甲公司",
        "借方总金额:,4000.00,贷方总金额:,500.00",
        "交易日期,交易时间,借方金额（支出）,贷方金额（收入）,账户余额,对方账号,对方名称,摘要",
        "2024-01-10,10:11:12,4000.00,,6000.00,1001,乙,货款",
        "2024-01-11,11:12:13,,500.00,6500.00,1002,丙,货款",
        "合计,,4000.00,500.00,,,,",
    ])},
    (
        ("2024-01-10 10:11:12", "OUT", "4000.00", "6000.00", "乙", None),
        ("2024-01-11 11:12:13", "IN", "500.00", "6500.00", "丙", None),
    ),
)  # fmt: skip

BANKS = (
    ICBC, ICBC_TRANSFERS, CCB, CCB_TWO_LINES, ABC, ABC_SIGNED, BOC, BOCOM, CMB, SPDB, CEB,
)  # fmt: skip

ETAX_HEADER = [
    "序号", "发票代码", "发票号码", "数电发票号码", "销方识别号", "销方名称", "购方识别号", "购买方名称", "开票日期",
    "金额", "税额", "价税合计", "发票来源", "发票票种", "发票状态", "是否正数发票", "发票风险等级", "开票人", "备注",
]  # fmt: skip
_SOURCE = "电子发票服务平台"
ETAX = {
    "销项/全量发票查询导出结果.xlsx": sheet([
        ETAX_HEADER,
        ["1", None, None, "24352000000000000011", FIRM, "甲公司", "9152000071430580XT", "乙公司",
         "2024-01-05 10:11:12", 1000, 130, 1130, _SOURCE, "数电发票（增值税专用发票）", "正常", "是", "正常", "张三", None],
        ["2", None, None, "24352000000000000012", FIRM, "甲公司", "9152000071430580XT", "乙公司",
         "2024-01-06 10:11:12", -1000, -130, -1130, _SOURCE, "数电发票（普通发票）", "正常", "否", "正常", "张三", None],
        ["3", "3500221130", "00112233", None, FIRM, "甲公司", "9152000071430580XT", "乙公司",
         "2024-01-07 10:11:12", 500, 65, 565, "增值税发票管理系统", "增值税专用发票", "已红冲-全额", "是", "正常", "张三", None],
    ], "发票基础信息"),
    "进项/全量发票查询导出结果.xlsx": sheet([
        ETAX_HEADER,
        ["1", None, None, "24352000000000000021", "9152000071430580XT", "乙公司", FIRM, "甲公司",
         "2024-01-08 10:11:12", 200, 26, 226, _SOURCE, "数电发票（普通发票）", "正常", "是", "正常", "李四", None],
    ], "发票基础信息"),
}  # fmt: skip

POWER = {
    f"bills/{FIRM[-4:]}.xlsx": sheet(
        [
            ["电费账单明细"],
            ["客户名称", "甲公司", None, "统一社会信用代码", FIRM],
            ["用户编号", "用户名称", "电费年月", "抄表日期", "电量(万千瓦时)", None, None, None, None,
             "电费(元)", None, None, "应缴日期", "缴费日期", "违约金", "欠费", "缴费方式", "更新日期"],
            [None, None, None, None, "合计", "尖", "峰", "平", "谷", "应收", "基本", "力调"],
            ["3500001", "甲公司", "202401", "2024-02-01", 1.2, 0.1, 0.5, 0.4, 0.2, 9600.5, 1000, -20.5,
             "2024-02-20", "2024-02-18", 0, 0, "银行代扣", "2024-02-18"],
            ["3500001", "小计", None, None, 1.2, None, None, None, None, 9600.5],
            ["3500002", "甲公司", "202401", "2024-02-01", 0.3, 0, 0.1, 0.1, 0.1, 2400, None, None,
             "2024-02-20", None, 0, 2400, "网上国网", "2024-02-08"],
            ["合计", None, None, None, 1.5, None, None, None, None, 12000.5],
        ],
        "账单",
        merged=("A1:R1", "E3:I3", "J3:L3"),
    )
}  # fmt: skip
