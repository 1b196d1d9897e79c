"""Masking of other firms, wages, own accounts, foreign money and columns of a form."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from features import build
from firmpulse import warehouse
from firmpulse.errors import BuildFailed
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from tests import vault_rows

DAY = date(2024, 3, 5)


def _meta(row_id: int, firm: str = "F1") -> dict[str, Any]:
    return {
        "firm": f"uscc:{firm}",
        "row_id": row_id,
        "record_version": 1,
        "available_at": date(2024, 3, 6),
        "delivery_seq": 1,
    }


def _txn(row_id: int, **changes: Any) -> dict[str, Any]:
    booking = {
        "uscc": "F1", "account_no": "1001", "booked_at": DAY, "dc": "OUT", "amount": 10,
        "balance": 90, "summary": "货款", "cp_tax_no": "C1", "cp_account": "9009",
    }  # fmt: skip
    return _meta(row_id) | booking | changes


def _invoice(row_id: int, buyer: str | None) -> Mapping[str, Any]:
    return vault_rows.invoice(row_id, "F1", DAY, 100) | {"buyer_tax_no": buyer}


def _return(row_id: int, form_column: str | None, sales: int) -> dict[str, Any]:
    return _meta(row_id) | {
        "period_start": date(2024, 2, 1), "due_date": date(2024, 3, 15), "filed_at": DAY,
        "form_column": form_column, "sales_standard": sales, "output_tax": 1, "input_tax": 1,
        "payable": 1, "is_amended": False,
    }  # fmt: skip


def _payment(row_id: int, paid_at: date | None) -> dict[str, Any]:
    return _meta(row_id) | {
        "tax_item": "10101", "period_start": date(2024, 2, 1), "due_date": date(2024, 3, 15),
        "kind": "TAX", "paid_at": paid_at, "amount": 7,
    }  # fmt: skip


ROWS: dict[str, list[Mapping[str, Any]]] = {
    "tax_invoice": [
        _invoice(1, "C1"),
        _invoice(2, None),
        _invoice(3, "F1"),
    ],
    "bank_account": [_meta(10) | {"account_no": "1001"}, _meta(11) | {"account_no": "1002"}],
    "bank_txn": [
        _txn(20),
        _txn(21, cp_tax_no=None),
        _txn(22, summary="代发工资", cp_tax_no="C1"),
        _txn(23, summary=None, purpose="三月工资", cp_tax_no="C2"),
        _txn(24, cp_tax_no=None, cp_account="1002"),
        _txn(25, cp_tax_no=None, cp_account="2002"),
        _txn(26, cp_tax_no="F1"),
        _txn(27, ccy="USD", fx_rate="7.12345678", amount="1.50", balance="100.00"),
        _txn(28, ccy="USD"),
        # Millions, and a rate whose point was forgotten.
        _txn(50, amount="1", balance="987654321098.76"),
        _txn(51, ccy="USD", fx_rate="7.1", amount="500000000.00", balance="1"),
        _txn(52, ccy="USD", fx_rate="712345678", amount="900000000.00", balance="2"),
        # The bank's own word decides, unless it says nothing.
        _txn(53, txn_type="代发工资", summary="货款"),
        _txn(54, txn_type="转账", summary="货款"),
        _txn(55, txn_type="手续费", summary=None),
        _txn(56, txn_type="转账", summary="转账"),
        _txn(57, txn_type="货款", summary="货款", reversal_flag=True),
        _txn(29, firm="uscc:F2", uscc="F2", account_no="3003", cp_tax_no=None, cp_account="1002"),
    ],
    "tax_vat_return": [
        _return(30, None, 100),
        _return(31, "REFUND_MONTH", 20),
        _return(32, "YEAR_TO_DATE", 5000),
        _return(33, "REFUND_YEAR_TO_DATE", 600),
    ],
    "tax_payment": [_payment(40, DAY), _payment(41, None)],
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("masking"), memory_limit="2GB")
    vault_rows.fill(settings, ROWS)
    for stage in ("mask", "facts"):
        build.build(settings, date(2024, 3, 31), stage)  # type: ignore[arg-type]
    return settings


def _query(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    with warehouse.connect(settings) as connection:
        return connection.execute(sql).fetchall()


def _counterparties(settings: Settings, model: str) -> dict[int, Any]:
    query = f"select row_id, counterparty_id from warehouse.staging.{model}"
    return dict(_query(settings, query))


def _token(settings: Settings, firm: str) -> Any:
    return tokens.firm_token(keyring.load(settings, "token_key"), firm)


def test_only_other_firms_leave_a_token_on_an_invoice(settings: Settings) -> None:
    """Persons and placeholders have no number in the vault; a firm is not its own customer."""
    assert _counterparties(settings, "stg_tax__invoice") == {
        1: _token(settings, "uscc:C1"), 2: None, 3: None,
    }  # fmt: skip


def test_wages_leave_no_token_on_a_booking(settings: Settings) -> None:
    found = _counterparties(settings, "stg_bank__txn")
    assert found[20] == _token(settings, "uscc:C1")
    assert (found[21], found[22], found[23]) == (None, None, None)
    made = _token(settings, "uscc:C2")
    rows = _query(settings, "select columns(*)::varchar from warehouse.staging.stg_bank__txn")
    assert str(made) not in {cell for row in rows for cell in row}


def test_transfers_between_own_accounts_are_told_by_account_or_identifier(
    settings: Settings,
) -> None:
    query = "select row_id, category from warehouse.staging.stg_bank__txn"
    found = dict(_query(settings, query))
    assert (found[20], found[22], found[23]) == ("op_out", "payroll", "payroll")
    assert (found[24], found[26]) == ("self_transfer", "self_transfer")
    # An account of someone else, and an account that is only another firm's.
    assert (found[25], found[29]) == ("op_out", "op_out")


def test_the_banks_own_type_of_a_booking_goes_before_its_texts(settings: Settings) -> None:
    query = "select row_id, category from warehouse.staging.stg_bank__txn where row_id >= 53"
    assert dict(_query(settings, query)) == {
        53: "payroll", 54: "op_out", 55: "fee", 56: "unknown", 57: "reversal",
    }  # fmt: skip


def test_foreign_money_is_converted_at_the_rate_of_its_row(settings: Settings) -> None:
    query = """
        select row_id, currency, original_amount, amount_cny, balance_cny
        from warehouse.staging.stg_bank__txn
        where row_id in (20, 27, 28, 50, 51, 52) order by row_id
    """
    rows = [[str(cell) for cell in row] for row in _query(settings, query)]
    assert rows == [
        ["20", "CNY", "None", "10.00", "90.00"],
        ["27", "USD", "1.50", "10.69", "712.35"],
        ["28", "USD", "10.00", "None", "None"],
        ["50", "CNY", "None", "1.00", "987654321098.76"],
        ["51", "USD", "500000000.00", "3550000000.00", "7.10"],
        ["52", "USD", "900000000.00", "None", "1424691356.00"],
    ]


def test_a_return_counts_its_month_once(settings: Settings) -> None:
    """The year's running total is beside the month; the refund project adds to it."""
    query = """
        select sum(declared_sales_cny)::integer, sum(filing_count)::integer
        from warehouse.facts.fct_tax_vat_monthly
    """
    assert _query(settings, query) == [(120, 1)]


def test_tax_that_is_still_due_is_no_payment(settings: Settings) -> None:
    query = "select month, payment_count from warehouse.facts.fct_tax_payment_monthly"
    assert _query(settings, query) == [(date(2024, 3, 1), 1)]
    due = "select row_id from warehouse.staging.stg_tax__payment where paid_on is null"
    assert _query(settings, due) == [(41,)]


def test_a_null_where_the_contract_wants_a_value_stops_the_build_by_name(
    tmp_path: Path,
) -> None:
    settings = Settings(home=tmp_path / "home", memory_limit="2GB")
    undated = {**vault_rows.invoice(1, "F1", DAY, 100), "available_at": None}
    vault_rows.fill(settings, {"tax_invoice": [undated]})

    with pytest.raises(
        BuildFailed, match=r"stg_tax__invoice.*NOT NULL constraint failed: \w+\.available_at"
    ):
        build.build(settings, date(2024, 3, 31), "mask")

    with warehouse.connect(settings) as connection:
        assert not warehouse.is_built(connection, "staging.stg_tax__invoice")
        # The run log has all models of a build that failed.
        nodes = connection.execute(
            "select count(*), list(node) filter (where status = 'error') from warehouse.ops.nodes "
            "where step = 'build' and part = 'mask'"
        ).fetchall()
    assert nodes == [(33, ["stg_tax__invoice"])]
