"""The tables that providers deliver: source, file format, headers, columns for dirt."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from simulator import (
    bank,
    courts,
    filings,
    invoices,
    lender,
    power,
    public,
    supplements,
    supply,
)
from simulator.world import World


@dataclass(frozen=True)
class Table:
    """One delivered table."""

    source: str
    name: str
    rows: Callable[[World, int], pl.DataFrame]  # rows of one month
    lookback: int  # months that rows of a month may need until they are available
    amount: str  # a required column, spoiled in unreadable rows
    firm_column: str = "uscc"
    encoding: str | None = None  # of the CSV; None for Parquet
    headers: tuple[tuple[str, str], ...] = ()  # contract column, header in the CSV
    date: str | None = None  # a required date column, spoiled in unreadable CSV rows
    number: str | None = None  # column that a spreadsheet turned into 6.22E+18
    extra: str | None = None  # a header that is in no contract
    monthly_files: bool = False
    windowed: bool = True  # the grant's window applies to the event date
    may_be_late: bool = False

    @property
    def columns(self) -> list[str]:
        """Contract columns in delivered order; CSV only."""
        return [column for column, _ in self.headers]


def _headers(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (pair.split("=") for pair in text.split())
    return tuple((column, header) for column, header in pairs)


_GB, _BOM = "gb18030", "utf-8-sig"

TABLES = (
    Table("tax", "tax_registration", filings.tax_registration, 1, "industry_code",
          encoding=_GB, date="reg_date", number="uscc", extra="联系电话", windowed=False,
          headers=_headers(
              "uscc=纳税人识别号 name=纳税人名称 status=纳税人状态 taxpayer_type=纳税人类型 "
              "industry_code=行业 reg_type=登记注册类型 reg_date=登记日期 "
              "legal_rep_name=法定代表人 address=生产经营地址 updated_at=更新日期")),
    Table("tax", "tax_invoice", invoices.tax_invoices, 1, "amount", monthly_files=True),
    Table("tax", "tax_vat_return", filings.tax_vat_return, 4, "sales_standard",
          encoding=_GB, date="filed_at", number="uscc",
          headers=_headers(
              "uscc=纳税人识别号 period_start=所属期起 period_end=所属期止 due_date=申报期限 "
              "filed_at=申报日期 sales_standard=按适用税率销售额 output_tax=销项税额 "
              "input_tax=进项税额 payable=应纳税额 is_amended=更正 version=版本")),
    Table("tax", "tax_payment", filings.tax_payment, 1, "amount",
          encoding=_GB, date="paid_at", number="uscc", may_be_late=True,
          headers=_headers(
              "uscc=纳税人识别号 tax_item=征收项目 period_start=所属期起 due_date=缴款期限 "
              "paid_at=入库日期 amount=已缴 kind=税款种类")),
    Table("bank", "bank_account", bank.bank_account, 1, "bank_name",
          encoding=_GB, date="opened", number="account_no", extra="客户经理", windowed=False,
          headers=_headers(
              "uscc=客户证件号 account_no=账号 bank_name=开户行 acct_type=性质 ccy=币种 "
              "opened=开户日 status=状态")),
    Table("bank", "bank_txn", bank.bank_txn, 1, "amount", monthly_files=True, may_be_late=True),
    Table("supply_chain", "sc_relation", supply.sc_relation, 1, "tier",
          firm_column="supplier_uscc", encoding=_GB, date="since", number="buyer_uscc",
          windowed=False,
          headers=_headers(
              "supplier_uscc=供应商证件号 buyer_uscc=采购方证件号 is_core=核心企业 tier=层级 "
              "since=合作起始")),
    Table("supply_chain", "sc_order", supply.sc_order, 1, "amount",
          firm_column="supplier_uscc", may_be_late=True),
    Table("supply_chain", "sc_delivery", supply.sc_delivery, 3, "qty",
          firm_column="supplier_uscc", may_be_late=True),
    Table("supply_chain", "sc_receivable", supply.sc_receivable, 9, "amount",
          firm_column="supplier_uscc", encoding=_GB, date="issued_at", number="buyer_uscc",
          extra="备注",
          headers=_headers(
              "ar_no=应收编号 supplier_uscc=供应商证件号 buyer_uscc=采购方证件号 amount=金额 "
              "issued_at=开立日期 due_date=到期日 confirmed=确权 paid_amount=已付金额 "
              "paid_at=付款日期 disputed=争议 updated_at=更新日期")),
    Table("power", "power_account", power.power_account, 1, "contract_cap_kva",
          encoding=_BOM, date="opened", number="cons_no", extra="联系电话", windowed=False,
          headers=_headers(
              "uscc=用户证件号 cons_no=户号 holder_name=户名 contract_cap_kva=合同容量 "
              "run_cap_kva=运行容量 voltage=电压等级 tariff=用电类别 status=状态 "
              "opened=立户日期")),
    Table("power", "power_bill", power.power_bill, 1, "amount",
          encoding=_BOM, date="read_date", number="cons_no",
          headers=_headers(
              "uscc=用户证件号 cons_no=户号 bill_month=账期 read_date=抄表日 kwh_total=总电量 "
              "kwh_sharp=尖 kwh_peak=峰 kwh_flat=平 kwh_valley=谷 amount=电费 due_date=应缴日 "
              "paid_at=缴费日 penalty=违约金 arrears=欠费 pay_method=缴费方式 "
              "updated_at=更新日期")),
    Table("founder_credit", "founder_credit", supplements.founder_credit, 1, "guarantee_balance",
          encoding=_BOM, date="report_date", number="uscc", windowed=False,
          headers=_headers(
              "uscc=统一社会信用代码 founder_no=创始人序号 report_date=报告日期 "
              "overdue_count_24m=逾期次数 longest_overdue_days_24m=最长逾期天数 "
              "card_utilisation=信用卡使用率 guarantee_balance=对外担保余额(元)")),
    Table("project_contracts", "sc_project", supplements.sc_project, 3, "amount",
          firm_column="supplier_uscc", encoding=_GB, date="planned", number="buyer_uscc",
          headers=_headers(
              "contract_no=合同号 supplier_uscc=承接方统一社会信用代码 "
              "buyer_uscc=委托方统一社会信用代码 amount=合同金额(元) milestone=里程碑名称 "
              "planned=计划完成日期 accepted=验收日期 invoiced=已开票金额(元) "
              "received=已回款金额(元) penalty=违约金(元) terminated=是否终止 "
              "updated_at=更新日期")),
    Table("lender", "loan_performance", lender.loan_performance, 1, "days_past_due"),
    Table("lender", "annual_statement", lender.annual_statement, 4, "revenue",
          encoding=_BOM, date="published_at", number="uscc", extra="审计意见",
          headers=_headers(
              "uscc=借款人证件号 fiscal_year=会计年度 published_at=披露日期 revenue=营业收入 "
              "profit=净利润 total_assets=资产总计 total_liabilities=负债合计 "
              "current_assets=流动资产 current_liabilities=流动负债 cash=货币资金 "
              "staff=员工数")),
    # At the end: the place of a table decides where its dirt is.
    Table("public_records", "court_case", courts.court_case, 12, "role"),
    Table("public_records", "court_enforcement", courts.court_enforcement, 14, "kind"),
    Table("public_records", "capital", public.capital, 1, "registered",
          encoding=_GB, date="changed_at", number="uscc", windowed=False,
          headers=_headers(
              "uscc=统一社会信用代码 changed_at=变更日期 registered=注册资本(元) "
              "paid_in=实缴资本(元)")),
    Table("public_records", "shareholder", public.shareholder, 2, "share",
          encoding=_GB, date="held_from", number="uscc", windowed=False,
          headers=_headers(
              "uscc=统一社会信用代码 holder_no=股东序号 holder_uscc=股东证件号 share=持股比例 "
              "held_from=持股起始日期 held_to=持股终止日期")),
    Table("public_records", "guarantee", public.guarantee, 2, "amount",
          encoding=_GB, date="guaranteed_from", number="uscc", windowed=False,
          headers=_headers(
              "uscc=担保方证件号 guarantee_no=担保合同编号 guaranteed_uscc=被担保方证件号 "
              "amount=担保金额(元) kind=担保方式 guaranteed_from=担保起始日期 released=解除日期")),
)  # fmt: skip
