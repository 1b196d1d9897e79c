"""Placeholders and natural persons: detection, and that their cells never reach the vault."""

from collections.abc import Iterator

import duckdb
import pytest

from extracts import contracts
from extracts.reading import macros
from extracts.vault import nightly
from extracts.vault.landing import Counts
from firmpulse import warehouse
from firmpulse.settings import Settings
from tests.extracts.inbox import AS_OF, FIRM, OTHER, csv, deliver, grant, payment, permit, query

FIRM_NO, NOBODY, PERSON = 0, 1, 2
# Identity numbers are made up: 19 is no province, and the last ones have wrong check digits.
RESIDENT, OLD_RESIDENT = "199999199001011234", "350200900101123"

INVOICE_HEADER = (
    "进销方向,发票号码,开票日期,销方税号,销方名称,购方税号,购方名称,金额,税额,价税合计,发票状态"
)
TXN_HEADER = "客户证件号,账号,交易时间,借贷标志,发生额,余额,对方户名,对方账号,对方证件号,摘要"
ORDER_HEADER = "订单号,供应商证件号,采购方证件号,下单日期,金额,数量,交期,状态"


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        macros.install(opened)
        yield opened


def judged(connection: duckdb.DuckDBPyConnection, macro: str, text: str) -> object:
    """Return a macro's result for a cell as read from a file."""
    arguments = "n, 'uscc:OWN', 'uscc:'" if macro.startswith("party") else "n"
    read = {"party_of_code": "read_tax_no(t)", "party_of_number": "read_own_no(t)"}.get(
        macro, "read_code(t)"
    )
    read = "t" if "name" in macro else read
    sql = f"""
        select {macro}({arguments})
        from (select {read} as n from (select nullif(tidy_text($text), '') as t))"""
    return connection.execute(sql, {"text": text}).fetchall()[0][0]


@pytest.mark.parametrize(
    ("text", "party"),
    [
        (FIRM, FIRM_NO), (OTHER, FIRM_NO), ("C1", FIRM_NO), ("92350200MA2XABCD1E", FIRM_NO),
        # Taxpayer number from before 2015 whose organisation code begins like a date of birth.
        ("350200900101122", FIRM_NO),
        # An institution in a division that ends in 19, whose organisation code begins like one.
        ("121101194005120021", FIRM_NO),
        ("厦门某某贸易有限公司", FIRM_NO), ("GB123456789", FIRM_NO),
        *((text, NOBODY) for text in (
            "0", "0.0", "000000000000000", "９９９９", "999999999999999999", "111111111111111111",
            "123456789012345", "10", "900000", "-", "——", "*", "....", "/", "无", "【无】", "个人",
            "（个人）", "现金", "零售", "散客", "null", "NULL", "N/A", "none", "nan", "测试",
            "91350200****1AB3Y1", "9135******", "91350200XXXXXXXX3Y",
        )),
        *((text, PERSON) for text in (
            RESIDENT, RESIDENT + "00", RESIDENT + "01", RESIDENT[:17] + "x", "199999 19900101 1234",
            OLD_RESIDENT, OLD_RESIDENT + "01", "H12345678", "M1234567801", "E12345678", "EA1234567",
            "张三", "欧阳小明", "阿卜杜拉·买买提",
        )),
    ],
)  # fmt: skip
def test_a_number_is_a_firms_or_nobodys_or_a_persons(
    connection: duckdb.DuckDBPyConnection, text: str, party: int
) -> None:
    assert judged(connection, "party_of_code", text) == party


def test_a_providers_own_numbers_are_firms_unless_they_say_otherwise(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    own = {text: judged(connection, "party_of_number", text) for text in (
        "E7", "10", "999", OLD_RESIDENT, "0", "个人", "***", RESIDENT, RESIDENT[:17] + "x",
        "199999-19900101-1234", "199999 19900101 1234", "e-7", "xxxx7",
    )}  # fmt: skip
    assert list(own.values()) == [0, 0, 0, 0, *[NOBODY] * 3, *[PERSON] * 4, 0, NOBODY]


def test_the_firms_own_number_is_never_nobodys(connection: duckdb.DuckDBPyConnection) -> None:
    sql = """
        select party_of_code(v, 'uscc:000', 'uscc:'), party_of_number(v, 'own:000', 'own:')
        from (select '000' as v)"""
    assert connection.execute(sql).fetchall() == [(0, 0)]


@pytest.mark.parametrize(
    ("text", "is_nobodys"),
    [("6222020200012345678", False), ("6226220200012345", False), ("12345", False),
     ("0", True), ("00000000", True), ("6222****5678", True), ("--", True), ("无", True),
     ("1111111111", True), ("1234567890", True)],
)  # fmt: skip
def test_accounts(connection: duckdb.DuckDBPyConnection, text: str, is_nobodys: bool) -> None:
    assert judged(connection, "is_nobodys_account", text) is is_nobodys


@pytest.mark.parametrize(
    ("text", "is_nobodys"),
    [("厦门某某贸易有限公司", False), ("国家金库", False), ("老王饭店", False), ("财付通", False),
     ("个人", True), ("现金客户", True), ("张三", True), ("李小明", True),
     ("欧阳小明", True), ("-", True)],
)  # fmt: skip
def test_names_without_a_number(
    connection: duckdb.DuckDBPyConnection, text: str, is_nobodys: bool
) -> None:
    assert judged(connection, "is_nobodys_name", text) is is_nobodys


def test_every_counterparty_of_a_contract_is_looked_at() -> None:
    """The firm's own column has a party only if a direction says which of two it is."""
    for contract in contracts.load().values():
        for column in contract.columns:
            if column.mask == "token:firm" and column.name != contract.firm:
                assert column.party, f"{contract.table}.{column.name}"
            if column.name == contract.firm:
                assert column.party is None, contract.table


def _invoice(number: int, buyer: str, name: str, seller: str = FIRM, way: str = "销项") -> str:
    return f"{way},{number:020d},2024-03-01,{seller},甲公司,{buyer},{name},100.00,13.00,113.00,正常"


def test_cells_of_nobody_are_null_and_their_rows_land(settings: Settings) -> None:
    permit(settings)
    lines = [
        _invoice(1, OTHER, "李四"),
        _invoice(2, "000000000000000", "个人"),
        _invoice(3, RESIDENT, "某某"),
        _invoice(4, "", "张三"),
        _invoice(5, "", "某某商店"),
        _invoice(6, FIRM, "某某", seller="----", way="进项"),
    ]
    deliver(settings, {"a.csv": csv(lines, INVOICE_HEADER)}, table="tax_invoice")
    assert nightly.land(settings, "tax", AS_OF).totals == Counts(read=6, landed=6)
    rows = query(
        settings,
        "select seller_tax_no, buyer_tax_no, buyer_name from vault.raw.tax_invoice order by line",
    )
    assert rows == [
        # An individual business may be named like its owner.
        (FIRM, OTHER, "李四"),
        (FIRM, None, None),
        (FIRM, None, None),
        (FIRM, None, None),
        (FIRM, None, "某某商店"),
        (None, FIRM, "某某"),
    ]


def test_a_placeholder_in_the_firms_own_column_is_quarantined(settings: Settings) -> None:
    permit(settings)
    lines = [_invoice(1, OTHER, "乙公司", seller="000000000000000"), _invoice(2, OTHER, "乙公司")]
    deliver(settings, {"a.csv": csv(lines, INVOICE_HEADER)}, table="tax_invoice")
    assert nightly.land(settings, "tax", AS_OF).totals == Counts(read=2, landed=1, quarantined=1)
    assert query(settings, "select rule, line from vault.ops.quarantine") == [("uscc", 2)]
    deliver(settings, {"b.csv": csv([payment("无")])}, delivery_id="tax-2")
    assert nightly.land(settings, "tax", AS_OF).totals == Counts(read=1, quarantined=1)


def _wage(person: str, name: str, amount: str = "5000.00") -> str:
    return f"{FIRM},62220001,2024-03-05,借,{amount},100.00,{name},,{person},工资"


def test_rows_that_differ_in_persons_alone_stay_two_rows(settings: Settings) -> None:
    """Wages of a day in a batch: no number, no time, and one balance for all."""
    permit(settings, grant(source="bank"))
    lines = [_wage(RESIDENT, "张三"), _wage(RESIDENT[:17] + "5", "李四"), _wage("", "王五")]
    for delivery_id in ("bank-1", "bank-2"):
        deliver(settings, {"a.csv": csv(lines, TXN_HEADER)}, table="bank_txn", source="bank",
                delivery_id=delivery_id)  # fmt: skip
    totals = nightly.land(settings, "bank", AS_OF).totals
    assert totals == Counts(read=6, landed=3, duplicate=3)
    found = query(settings, "select distinct cp_name, cp_tax_no from vault.raw.bank_txn")
    assert found == [(None, None)]


def test_no_identity_number_is_anywhere_in_the_vault(settings: Settings) -> None:
    permit(settings, grant(), grant(source="bank"), grant(source="supply_chain"))
    deliver(settings, {"a.csv": csv(
        [_invoice(1, RESIDENT, "张三"), _invoice(2, RESIDENT, "张三").replace("100.00", "bad")],
        INVOICE_HEADER)}, table="tax_invoice")  # fmt: skip
    deliver(settings, {"a.csv": csv(
        [_wage(RESIDENT, "张三"), _wage("1.99999199001011E+17", "张三"),
         _wage(RESIDENT, "张三", "bad")],
        TXN_HEADER)}, table="bank_txn", source="bank", delivery_id="bank-1")  # fmt: skip
    order = f"O1,{FIRM},{RESIDENT},2024-03-01,100.00,1,2024-03-09,完成"
    deliver(settings, {"a.csv": csv([order], ORDER_HEADER)}, table="sc_order",
            source="supply_chain", delivery_id="sc-1")  # fmt: skip
    landed = [nightly.land(settings, s, AS_OF).totals for s in ("tax", "bank", "supply_chain")]
    assert [(c.landed, c.quarantined) for c in landed] == [(1, 1), (1, 2), (1, 0)]
    # An order without a buyer is an order, although its contract requires a buyer.
    assert query(settings, "select buyer_uscc from vault.raw.sc_order") == [(None,)]
    with warehouse.connect(settings, vault=True) as connection:
        tables = connection.execute(
            "select schema_name || '.\"' || table_name || '\"' from duckdb_tables() "
            "where database_name = 'vault'"
        ).fetchall()
        cells = {
            str(cell)
            for (table,) in tables
            for row in connection.execute(f"from vault.{table}").fetchall()
            for cell in row
        }
    assert not [cell for cell in cells if "99999199" in cell or "张三" in cell]
