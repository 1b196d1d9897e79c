"""The contracts are valid, agree with the standard, and their formulas run."""

from pathlib import Path

import duckdb
import pytest
from open_data_contract_standard.model import OpenDataContractStandard

from extracts import contracts, sql
from firmpulse.errors import ContractError

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
    assert {name: contract.source for name, contract in contracts.load().items()} == {
        "tax_registration": "tax",
        "tax_invoice": "tax",
        "tax_vat_return": "tax",
        "tax_payment": "tax",
        "bank_account": "bank",
        "bank_txn": "bank",
        "sc_relation": "supply_chain",
        "sc_order": "supply_chain",
        "sc_delivery": "supply_chain",
        "sc_receivable": "supply_chain",
        "power_account": "power",
        "power_bill": "power",
        "power_reading": "power",
        "loan_performance": "lender",
        "annual_statement": "lender",
        "outcome_label": "lender",
    }


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


@pytest.mark.parametrize("table", sorted(contracts.load()))
def test_identifiers_of_persons_and_accounts_never_stay_readable(table: str) -> None:
    for column in contracts.load()[table].columns:
        if column.personal or column.level > "L2" or column.kind == "tax_no":
            assert column.mask == "drop" or column.mask.startswith("token:"), column.name


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
        ("mask, value: keep", "mask, value: blur", "mask 'blur' is none of"),
        ("classification: L2", "classification: high", "classification 'high' is none of"),
        ("primaryKeyPosition: 2", "primaryKeyPosition: 7", "primaryKeyPosition must count"),
        ("name: reading_date", "name: kwh", "column 'kwh' appears twice"),
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
