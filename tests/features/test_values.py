"""Features of hand-made rows against values computed by hand."""

import math
from datetime import date

import polars as pl
import pytest

from features import registry
from features.frame import frame
from firmpulse import warehouse
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from tests import vault_rows
from tests.vault_rows import invoice

AS_OF = date(2024, 12, 31)


def test_monthly_features_match_hand_computed_values(settings: Settings) -> None:
    rows = {
        "tax_invoice": [
            # 2024-01: 100 to C1, a red invoice of -20 to C1, a void one of 500
            invoice(1, "F1", date(2024, 1, 5), 100),
            invoice(2, "F1", date(2024, 1, 20), -20),
            invoice(3, "F1", date(2024, 1, 21), 500, status="VOID"),
            # 2024-12: 320 to C2, of which the last one is known only in January
            invoice(4, "F1", date(2024, 12, 10), 320, other="C2"),
            invoice(5, "F1", date(2024, 12, 31), 999, other="C3"),
            invoice(6, "F1", date(2024, 6, 3), 40, direction="IN", other="S1"),
        ],
        "bank_txn": [
            _txn(1, date(2024, 11, 4), "IN", 300, balance=350, summary="货款"),
            _txn(2, date(2024, 11, 9), "OUT", 60, balance=290, summary="代发工资"),
            _txn(3, date(2024, 12, 9), "OUT", 90, balance=200, summary="贷款还本"),
            _txn(4, date(2024, 12, 10), "IN", 100, balance=300, summary="贷款发放"),
            _txn(5, date(2024, 12, 11), "OUT", 50, balance=250, summary="内部转账"),
            _txn(6, date(2024, 12, 12), "IN", 77, balance=327, summary="货款", reversal_flag=True),
        ],
    }
    got = _features(settings, rows)

    assert got["tax_sales_mean_12m"] == pytest.approx(400 / 12)
    assert got["tax_sales_mean_3m"] == pytest.approx(320 / 3)
    assert got["tax_sales_3m_to_12m"] == pytest.approx((320 / 3) / (400 / 12))
    assert got["tax_invoice_count_total"] == 2
    assert got["tax_active_month_share_12m"] == pytest.approx(2 / 12)
    assert got["tax_active_days_mean_12m"] == pytest.approx(3 / 12)
    assert got["tax_days_since_last_invoice"] == 21
    assert got["tax_max_invoice_share_12m"] == pytest.approx(0.8)
    assert got["tax_void_share_12m"] == pytest.approx(1 / 4)
    assert got["tax_red_share_12m"] == pytest.approx(20 / 420)
    assert got["tax_purchase_to_sales_12m"] == pytest.approx(0.1)
    assert got["tax_customer_count_6m"] == 1
    assert got["tax_customer_hhi_12m"] == pytest.approx(0.2**2 + 0.8**2)
    assert got["tax_top_customer_share_12m"] == pytest.approx(0.8)
    assert got["tax_supplier_count_6m"] == 0
    # twelve months: 80, 320 and ten zeros; mean 400/12
    mean = 400 / 12
    spread = ((80 - mean) ** 2 + (320 - mean) ** 2 + 10 * mean**2) / 12
    assert got["tax_sales_cv_12m"] == pytest.approx(spread**0.5 / mean)
    # last six months 320 over the six before 80
    assert got["tax_sales_growth_6m"] == pytest.approx(3.0)

    assert got["bank_operating_in_mean_6m"] == 150
    assert got["bank_net_flow_ratio_6m"] == pytest.approx(0.8)
    assert got["bank_payroll_month_share_6m"] == pytest.approx(0.5)
    assert got["bank_debt_service_ratio_6m"] == pytest.approx(0.3)
    assert got["bank_loan_in_share_6m"] == pytest.approx(0.25)
    assert got["bank_lowest_balance_to_outflow_6m"] == pytest.approx(200 / (60 / 2))
    assert got["cross_invoice_to_bank_gap_6m"] == pytest.approx(math.log((300 / 2) / (320 / 6)))
    # a value that no source gives is null, never zero
    assert got["power_energy_mean_12m"] is None
    assert got["supply_ordered_mean_12m"] is None
    assert got["tax_late_filing_share_12m"] is None
    assert got["profile_source_count"] == 2


def test_a_correction_changes_later_snapshots_and_leaves_earlier_ones(settings: Settings) -> None:
    """VAT return of March, filed late; amended in May with higher sales."""
    first = {
        "firm": "uscc:F1", "row_id": 7, "record_version": 1, "delivery_seq": 1,
        "available_at": date(2024, 4, 21), "period_start": date(2024, 3, 1),
        "due_date": date(2024, 4, 15), "filed_at": date(2024, 4, 20),
        "sales_standard": 1000, "output_tax": 130, "input_tax": 100, "payable": 30,
        "is_amended": False,
    }  # fmt: skip
    amended = first | {
        "record_version": 2, "available_at": date(2024, 5, 11), "filed_at": date(2024, 5, 10),
        "sales_standard": 1500, "is_amended": True, "delivery_seq": 2,
    }  # fmt: skip
    vault_rows.fill(settings, {"tax_vat_return": [first, amended]})
    vault_rows.build_views(settings, AS_OF, "feat_returns_monthly", "feat_compliance_monthly")
    returns = vault_rows.features_of(settings, "feat_returns_monthly")
    declared = dict(returns.select("as_of", "tax_declared_sales_mean_12m").iter_rows())
    filed = vault_rows.features_of(settings, "feat_compliance_monthly")
    late = dict(filed.select("as_of", "tax_late_filing_share_12m").iter_rows())
    assert date(2024, 3, 31) not in declared
    assert declared[AS_OF] == 1500
    assert late[AS_OF] == 1, "the amendment does not undo that the first filing was late"


def _txn(
    row_id: int, day: date, direction: str, amount: float, **more: object
) -> dict[str, object]:
    return {
        "firm": "uscc:F1", "row_id": row_id, "record_version": 1, "delivery_seq": 1,
        "available_at": day, "account_no": "6222", "booked_at": day, "dc": direction,
        "amount": amount, "reversal_flag": False, **more,
    }  # fmt: skip


def _features(settings: Settings, rows: dict[str, list[dict[str, object]]]) -> dict[str, object]:
    vault_rows.fill(settings, rows)
    vault_rows.build_views(settings, AS_OF, "path:models/features")
    firm = str(tokens.firm_token(keyring.load(settings, "token_key"), "uscc:F1"))
    spine = pl.DataFrame({"firm_id": [firm], "as_of": [AS_OF]})
    with warehouse.connect(settings) as connection:
        return frame(connection, registry.load(settings), spine).row(0, named=True)
