"""Returns, arrears, violations, grades and income tax returns, from raw rows to features."""

from datetime import date
from typing import Any

import pytest

from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from tests import vault_rows

SPRING, AS_OF = date(2024, 4, 30), date(2024, 12, 31)


def _row(row_id: int, known: date, **values: Any) -> vault_rows.Row:
    return {
        "firm": "uscc:F1", "row_id": row_id, "record_version": 1, "delivery_seq": 1,
        "available_at": known, **values,
    }  # fmt: skip


def _corrected(row: vault_rows.Row, known: date, **values: Any) -> vault_rows.Row:
    return {**row, "record_version": 2, "available_at": known, **values}


def _return(row_id: int, month: date, **values: Any) -> vault_rows.Row:
    due = date(month.year, month.month + 1, 15)
    return _row(
        row_id, due, period_start=month, due_date=due, filed_at=due, is_amended=False,
        **{"output_tax": 0, "input_tax": 0, "payable": 0, **values},
    )  # fmt: skip


def _features(settings: Settings, rows: dict[str, list[vault_rows.Row]]) -> Any:
    vault_rows.fill(settings, rows)
    views = ("feat_returns_monthly", "feat_compliance_monthly", "feat_profile_monthly")
    vault_rows.build_views(settings, AS_OF, *views)
    found: dict[date, dict[str, Any]] = {}
    for view in views:
        for row in vault_rows.features_of(settings, view).iter_rows(named=True):
            found.setdefault(row["as_of"], {}).update(row)
    return found


def test_what_the_tax_authority_knows_of_a_firm_as_it_became_known(settings: Settings) -> None:
    march = _return(1, date(2024, 3, 1), sales_standard=100, sales_simple=50, sales_exempt=50,
                    payable=10, credit_cf=30)  # fmt: skip
    other_column = {**march, "row_id": 3, "form_column": "YEAR_TO_DATE", "sales_standard": 9_999}
    owed = _row(1, date(2024, 3, 21), tax_item="10101", period_start=date(2024, 2, 1),
                since=date(2024, 3, 20), amount=25)  # fmt: skip
    case = _row(1, date(2024, 4, 3), violation_type="X", registered=date(2024, 4, 2),
                handled="OPEN", audit_case=True)  # fmt: skip
    year = _row(2, date(2024, 5, 9), period_start=date(2023, 1, 1), period_end=date(2023, 12, 31),
                period_kind="YEAR", filed_at=date(2024, 5, 8), revenue=400, profit=100)  # fmt: skip
    rows = {
        "tax_vat_return": [
            march,
            other_column,
            _return(2, date(2024, 4, 1), sales_standard=0),
            _corrected(march, date(2024, 6, 2), sales_standard=300, is_amended=True, payable=20),
        ],
        "tax_arrears": [owed, _corrected(owed, date(2024, 8, 2), cleared_at=date(2024, 8, 1))],
        "tax_violation": [case, _corrected(case, date(2024, 9, 5), handled="CLOSED")],
        "tax_grade": [
            _row(1, date(2023, 4, 21), year=2022, grade="A", published_at=date(2023, 4, 20)),
            _row(2, date(2024, 4, 21), year=2023, grade="D", published_at=date(2024, 4, 20)),
        ],
        "tax_cit_return": [
            _row(1, date(2024, 1, 12), period_start=date(2023, 10, 1), filed_at=date(2024, 1, 11),
                 period_end=date(2023, 12, 31), period_kind="QUARTER", revenue=100, profit=-60),
            year,
        ],
    }  # fmt: skip
    got = _features(settings, rows)

    spring = got[SPRING]
    assert spring["tax_declared_sales_mean_12m"] == 200
    assert spring["tax_vat_burden_12m"] == pytest.approx(10 / 200)
    assert spring["tax_credit_to_sales_12m"] == pytest.approx(30 / 200)
    assert spring["tax_amended_return_share_12m"] == 0
    assert spring["tax_income_margin"] == pytest.approx(-0.6)
    assert spring["tax_arrears_share_12m"] == 1, "nothing was paid"
    assert spring["tax_arrears_months"] == 1
    assert spring["tax_violation_count_24m"] == 1
    assert spring["tax_open_audit_case"] == 1
    assert spring["profile_tax_grade"] == 5
    assert spring["profile_tax_grade_drop"] == 4

    winter = got[AS_OF]
    # 400 and 0 in two returns, of which one is amended and one is empty
    assert winter["tax_declared_sales_mean_12m"] == 200
    assert winter["tax_vat_burden_12m"] == pytest.approx(20 / 400)
    assert winter["tax_amended_return_share_12m"] == 0.5
    assert winter["tax_zero_declaration_share_12m"] == 0.5
    assert winter["tax_income_margin"] == pytest.approx(0.25), "the year replaces its last quarter"
    assert winter["tax_arrears_share_12m"] == 0
    assert winter["tax_arrears_months"] == 0
    assert winter["tax_violation_count_24m"] == 1
    assert winter["tax_open_audit_case"] == 0


def test_a_table_that_a_firms_provider_does_not_deliver_is_not_collected(
    settings: Settings,
) -> None:
    """Bureau A delivers arrears, B none; from June on B delivers violations, without a row."""
    vault_rows.fill(settings, {"tax_invoice": [_invoice("F1", 1)], "tax_arrears": []}, provider="A")
    vault_rows.fill(settings, {"tax_invoice": [_invoice("F2", 2)]}, provider="B")
    _built(settings, "+feat_compliance_monthly")
    vault_rows.fill(
        settings,
        {"tax_invoice": [_invoice("F1", 3)], "tax_violation": []},
        provider="B",
        night=date(2024, 6, 10),
    )
    assert _built(settings, *_TAX) == _built(settings, *_TAX, full_refresh=True)

    # Firm → what is known at the end of May and of June.
    assert _told(settings, "F1") == [(0, 0, None, None), (0, 0, 0, 0)]
    assert _told(settings, "F2") == [(None, None, None, None), (None, None, 0, 0)]


def test_core_buyers_are_known_where_relations_are_delivered(settings: Settings) -> None:
    order = {
        "firm": "uscc:F1", "row_id": 1, "record_version": 1, "delivery_seq": 1,
        "available_at": date(2024, 5, 3), "order_no": "O1", "buyer_uscc": "C1",
        "order_date": date(2024, 5, 2), "amount": 100, "status": "ACTIVE",
    }  # fmt: skip
    other = {**order, "firm": "uscc:F2", "row_id": 2, "delivery_seq": 2}
    vault_rows.fill(settings, {"sc_order": [order], "sc_relation": []}, provider="A")
    vault_rows.fill(settings, {"sc_order": [other]}, provider="B")
    vault_rows.build_views(settings, date(2024, 5, 31), "feat_supply_monthly")
    found = vault_rows.features_of(settings, "feat_supply_monthly")
    assert sorted(found["supply_core_buyer_share_12m"].to_list(), key=str) == [0.0, None]


def _invoice(firm: str, seq: int) -> vault_rows.Row:
    day = date(2024, 6, 3) if seq == 3 else date(2024, 5, 6)
    return vault_rows.invoice(seq, firm, day, 100, delivery_seq=seq)


_TOLD = (
    "tax_arrears_share_12m tax_arrears_months tax_violation_count_24m tax_open_audit_case".split()
)


# What is built of news in tax.
_TAX = (
    "path:models/staging/tax", "path:models/facts/tax", "firm_snapshots", "feat_compliance_monthly"
)  # fmt: skip


def _built(settings: Settings, *select: str, full_refresh: bool = False) -> list[dict[str, Any]]:
    vault_rows.build_only(settings, date(2024, 6, 30), *select, full_refresh=full_refresh)
    return vault_rows.features_of(settings, "feat_compliance_monthly").to_dicts()


def _told(settings: Settings, firm: str) -> list[tuple[float | None, ...]]:
    token = str(tokens.firm_token(keyring.load(settings, "token_key"), f"uscc:{firm}"))
    found = vault_rows.features_of(settings, "feat_compliance_monthly").filter(firm_id=token)
    return found.sort("as_of").select(_TOLD).rows()
