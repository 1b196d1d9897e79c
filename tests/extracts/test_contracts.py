"""The contracts are valid, agree with the standard, and their formulas run."""

from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from open_data_contract_standard.model import OpenDataContractStandard

from extracts import contracts
from extracts.reading import sql
from firmpulse.errors import ContractError

FACTORS = {
    "万元)": 10_000,
    "万千瓦时)": 10_000,
    "万kWh)": 10_000,
    "MVA)": 1_000,
    "%)": Decimal("0.01"),
}
FILES = sorted(contracts.FOLDER.glob("*.yml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_contract_is_in_the_open_standard(path: Path) -> None:
    document = OpenDataContractStandard.from_file(str(path))
    assert document.apiVersion == "v3.0.2"
    assert document.kind == "DataContract"
    assert document.schema_ is not None
    (table,) = document.schema_
    assert table.properties is not None
    assert [p.name for p in table.properties] == [
        column.name for column in contracts.load()[path.stem].columns
    ]


def test_every_table_has_its_contract() -> None:
    by_source: dict[str, list[str]] = {}
    for name, contract in contracts.load().items():
        by_source.setdefault(contract.source, []).append(name)
    assert by_source == {
        "tax": [
            "tax_arrears", "tax_cit_return", "tax_grade", "tax_invoice", "tax_invoice_line",
            "tax_invoice_summary", "tax_payment", "tax_registration", "tax_vat_return",
            "tax_violation",
        ],
        "bank": ["bank_account", "bank_txn"],
        "supply_chain": ["sc_delivery", "sc_order", "sc_receivable", "sc_relation", "sc_terms"],
        "project_contracts": ["sc_project"],
        "power": ["power_account", "power_bill", "power_event", "power_reading"],
        "founder_credit": ["founder_credit"],
        "public_records": [
            "capital", "court_case", "court_enforcement", "guarantee", "shareholder",
        ],
        "lender": [
            "annual_statement", "loan", "loan_outcome", "loan_performance", "outcome_label",
        ],
    }  # fmt: skip


@pytest.mark.parametrize("table", sorted(contracts.load()))
def test_formulas_bind_to_the_columns(table: str) -> None:
    contract = contracts.load()[table]
    columns = ", ".join(f"{sql.ident(c.name)} {c.physical_type}" for c in contract.columns)
    connection = duckdb.connect()
    connection.execute(f"create table t ({columns}, delivered_on date)")
    formulas = [contract.available_at, contract.event_at, contract.firm]
    formulas += [contract.key_when or "true", *contract.warnings.values()]
    query = f"describe select {', '.join(formulas)} from t"
    described = connection.execute(query).fetchall()
    assert [row[1] for row in described[:3]] == ["DATE", "DATE", "VARCHAR"]
    assert {row[1] for row in described[3:]} == {"BOOLEAN"}
    if contract.key_within:
        within = connection.execute(f"describe select {contract.key_within} from t").fetchall()
        assert within[0][1] == "DATE"


@pytest.mark.parametrize("table", sorted(contracts.load()))
def test_identifiers_of_persons_and_accounts_never_stay_readable(table: str) -> None:
    for column in contracts.load()[table].columns:
        if column.personal or column.level > "L2" or column.kind == "tax_no":
            assert column.mask != "keep", column.name


def test_money_energy_and_rates_are_also_read_in_larger_units() -> None:
    tables = contracts.load()
    amount = tables["tax_invoice"].column("amount")
    assert amount.unit == "CNY"
    assert amount.scaled_headers["金额(万元)"] == 10_000
    assert "金额(元)" in amount.headers
    assert tables["power_bill"].column("kwh_total").scaled_headers["总电量(万千瓦时)"] == 10_000
    assert tables["tax_invoice_line"].column("rate").scaled_headers == {"税率(%)": Decimal("0.01")}
    for contract in tables.values():
        for column in contract.columns:
            is_money = column.unit == "CNY"
            assert is_money == any("万元" in text for text in column.scaled_headers), column.name
            for text, factor in column.scaled_headers.items():
                unit = text.rpartition("(")[2]
                assert factor == FACTORS[unit], text


def test_every_contract_says_what_a_provider_has_to_know() -> None:
    for contract in contracts.load().values():
        texts = [contract.name_zh, contract.grain.zh, contract.publication_lag.zh]
        texts += [column.headers[0] for column in contract.columns]
        assert all(any("\u4e00" <= c <= "\u9fff" for c in text) for text in texts), contract.table
        assert contract.grain.en.endswith(".")
        assert contract.publication_lag.en
        assert all(column.description for column in contract.columns), contract.table


def test_texts_of_an_enum_lead_to_upper_case_values() -> None:
    status = contracts.load()["tax_invoice"].column("status")
    assert status.values["有效发票"] == "NORMAL"
    assert status.values["正常"] == "NORMAL"
    assert status.values["作废发票"] == "VOID"
    assert status.values["VOID"] == "VOID"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: DataContract", "kind: Other", "expected kind DataContract"),
        ("physicalType: date", "physicalType: geometry", "no reading for physicalType 'geometry'"),
        ("mask, value: keep", "mask, value: blur", "mask 'blur' must be"),
        ("classification: L2", "classification: high", "classification 'high' must be"),
        ("primaryKeyPosition: 2", "primaryKeyPosition: 7", "primaryKeyPosition must count"),
        ("name: reading_date", "name: kwh", "column 'kwh' appears twice"),
        ("description: Day that was measured", "title: Day", "lacks 'description'"),
        ("publicationLag, value: {en:", "publicationLag, value: {fr:", "argument 'fr'"),
        ("用电量(万千瓦时): 10000", "读数日期: 10000", "header '读数日期' appears twice"),
        ("businessName: 读数日期", "businessName: 用电量", "header '用电量' appears twice"),
        ("property: availableAt", "property: lag", "lacks 'availableAt'"),
        ("apiVersion: v3.0.2", "apiVersion: [", "is not YAML"),
    ],
)
def test_a_contradiction_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (contracts.FOLDER / "power_reading.yml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "power_reading.yml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ContractError, match=r"power_reading\.yml") as caught:
        contracts.read(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: amount_in", "name: amount_out", "column 'amount_out' appears twice"),
        ("name: booked_day", "name: balance", "column 'balance' appears twice"),
        ("[贷方发生额, 贷方金额", "[借方发生额, 贷方金额", "header '借方发生额' appears twice"),
        ("fallbackHeaders, value: [起息日期]", "fallbackHeaders, value: [摘要]", "'摘要' appears"),
        ("[收款人名称, 收款人户名]", "[收款人名称, 对方名称]", "header '对方名称' appears twice"),
        ("positive: IN", "positive: PLUS", "one for each value of 'dc': OUT, PLUS are not"),
        (
            "                IN:\n",
            "                BACK:\n",
            "one for each value of 'dc': BACK, OUT",
        ),
        ("direction: dc, positive", "direction: side, positive", "each value of 'side'"),
        ("{name: payee_name, headers", "{name: payee_name, titles", "lacks 'headers'"),
        ("positive: IN, negative", "plus: IN, negative", "unexpected keyword argument 'plus'"),
    ],
)
def test_a_contradiction_among_shapes_is_named(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = (contracts.FOLDER / "bank_txn.yml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / "bank_txn.yml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ContractError, match=r"bank_txn\.yml") as caught:
        contracts.read(path)
    assert message in str(caught.value)


def test_words_of_another_unit_go_with_each_header_of_two_amounts() -> None:
    split = contracts.load()["bank_txn"].column("amount").alternatives.split
    assert split is not None
    assert list(split.parts) == ["OUT", "IN"]
    factors = split.parts["OUT"].scaled_headers
    assert (factors["借方发生额(元)"], factors["借方发生额(万元)"]) == (1, 10_000)
