"""Features of bank transactions against values computed by hand."""

import math
from datetime import date
from typing import Any

import pytest

from firmpulse.settings import Settings
from tests import vault_rows

AS_OF = date(2024, 12, 31)
# Case → features.
Built = dict[str, dict[str, Any]]


def _txn(row_id: int, day: date, direction: str, amount: float, summary: str) -> vault_rows.Row:
    return {
        "firm": "uscc:F1", "row_id": row_id, "record_version": 1, "delivery_seq": 1,
        "available_at": day, "account_no": "F1", "booked_at": day, "dc": direction,
        "amount": amount, "reversal_flag": False, "summary": summary,
    }  # fmt: skip


# Wages on the 10th, 10th, 12th and, two months later, the 20th; e times as much each time.
WAGES = [(8, 10, 100.0), (9, 10, 271.83), (10, 12, 738.91), (12, 20, 5459.82)]


def _paydays() -> list[vault_rows.Row]:
    rows = [
        _txn(n, date(2024, month, day), "OUT", amount, "代发工资")
        for n, (month, day, amount) in enumerate(WAGES)
    ]
    rows += [
        # a second payroll of the month is not a payday
        _txn(10, date(2024, 12, 28), "OUT", 0.01, "代发工资"),
        _txn(11, date(2024, 7, 5), "IN", 1000, "货款"),
        _txn(12, date(2024, 12, 5), "IN", 4000, "货款"),
        _txn(13, date(2024, 11, 5), "OUT", 300, "社保"),
        _txn(14, date(2024, 12, 6), "OUT", 300, "社保"),
        _txn(15, date(2024, 12, 7), "OUT", 500, "取现"),
        _txn(16, date(2024, 12, 8), "OUT", 50, "司法扣划"),
        _txn(17, date(2024, 12, 9), "IN", 4, "退汇"),
    ]
    return rows


def test_paydays_trends_and_shares_match_hand_computed_values(built: Built) -> None:
    got = built["paydays"]
    mean = (10 + 10 + 12 + 20) / 4
    spread = math.sqrt((2 * (10 - mean) ** 2 + (12 - mean) ** 2 + (20 - mean) ** 2) / 4)
    assert got["bank_payday_spread_6m"] == pytest.approx(spread)
    assert got["bank_payday_delay_6m"] == 20 - 11
    # August, September, October and December, e times as much every month
    assert got["bank_payroll_slope_6m"] == pytest.approx(1.0, abs=1e-4)
    # ln 1001, four zeros, ln 4001 at -2.5 … 2.5; the sum of squares is 17.5
    slope = 2.5 * (math.log(4001) - math.log(1001)) / 17.5
    assert got["bank_operating_in_slope_6m"] == pytest.approx(slope)
    assert got["bank_social_security_month_share_6m"] == pytest.approx(2 / 6)
    moved = sum(amount for _, _, amount in WAGES) + 0.01 + 5000 + 600 + 500 + 50 + 4
    assert got["bank_cash_share_6m"] == pytest.approx(500 / moved)
    assert got["bank_returned_share_6m"] == pytest.approx(1 / 12)
    assert got["bank_seizure_count_6m"] == 1


def test_a_firm_without_wages_has_no_payday(built: Built) -> None:
    got = built["no wages"]
    assert got["bank_payday_spread_6m"] is None
    assert got["bank_payday_delay_6m"] is None
    assert got["bank_payroll_slope_6m"] is None
    assert got["bank_operating_in_slope_6m"] is None
    assert got["bank_social_security_month_share_6m"] == 0
    assert got["bank_seizure_count_6m"] == 0
    assert got["bank_cash_share_6m"] == 0


# Bookings of a software house: what it sells and buys has 息 and 税 in its name.
_SERVICES = [
    ("IN", 100_000, "信息服务费"),
    ("OUT", 50_000, "信息技术服务费"),
    ("IN", 100_000, "含税货款"),
    ("OUT", 20_000, "财税服务费"),
]


def _services() -> list[vault_rows.Row]:
    return [
        _txn(10 * month + n, date(2024, month, 5 + n), way, amount, f"转账 {text}")
        for month in (10, 11, 12)
        for n, (way, amount, text) in enumerate(_SERVICES)
    ]


def test_letters_inside_a_word_are_neither_interest_nor_tax(built: Built) -> None:
    got = built["letters"]
    assert got["bank_operating_in_mean_6m"] == 200_000
    assert got["bank_net_flow_ratio_6m"] == pytest.approx(0.65)
    assert got["bank_debt_service_ratio_6m"] == 0


_OF_RECEIPTS = [
    "bank_operating_in_mean_6m", "bank_operating_in_2m_to_6m", "bank_operating_in_cv_6m",
    "bank_operating_in_slope_6m", "bank_loan_in_share_6m",
]  # fmt: skip
_OF_PAYMENTS = [
    "bank_payroll_month_share_6m", "bank_lowest_balance_to_outflow_6m",
    "bank_social_security_month_share_6m", "bank_payroll_slope_6m", "bank_seizure_count_6m",
]  # fmt: skip
_OF_BOTH = [
    "bank_net_flow_ratio_6m", "bank_debt_service_ratio_6m", "bank_cash_share_6m",
    "bank_returned_share_6m",
]  # fmt: skip


# Unknown amounts in and out, and what is not observed then.
_UNKNOWN: list[tuple[float, float, list[str]]] = [
    (0, 0, []),
    (24, 12, []),
    (26, 0, _OF_RECEIPTS + _OF_BOTH),
    (0, 13, _OF_PAYMENTS + _OF_BOTH),
]


def _partly_known(unknown_in: float, unknown_out: float) -> list[vault_rows.Row]:
    rows = []
    for month in range(7, 13):
        day = date(2024, month, 5)
        rows += [
            _txn(10 * month, day, "IN", 100, "货款") | {"balance": 5},
            _txn(10 * month + 1, day, "OUT", 50, "代发工资") | {"balance": 5},
            _txn(10 * month + 2, day, "IN", unknown_in, "网银互联汇入"),
            _txn(10 * month + 3, day, "OUT", unknown_out, "跨行转出"),
        ]
    return [row for row in rows if row["amount"]]


@pytest.mark.parametrize(("unknown_in", "unknown_out", "missing"), _UNKNOWN)
def test_flows_whose_texts_are_not_known_are_not_observed(
    built: Built, unknown_in: float, unknown_out: float, missing: list[str]
) -> None:
    """A fifth of the money may be unknown: 25 of 125 in, 12.5 of 62.5 out."""
    got = built[f"unknown {unknown_in} {unknown_out}"]
    names = _OF_RECEIPTS + _OF_PAYMENTS + _OF_BOTH
    assert [name for name in names if got[name] is None] == [n for n in names if n in missing]
    assert got["bank_active_days_mean_6m"] == 1
    if not missing:
        assert got["bank_operating_in_mean_6m"] == 100


def _one_month_unknown() -> list[vault_rows.Row]:
    rows = [_txn(month, date(2024, month, 5), "IN", 100, "货款") for month in range(7, 12)]
    return [*rows, _txn(12, date(2024, 12, 5), "IN", 100, "跨行汇款")]


def test_one_month_that_is_not_known_is_no_fall_of_receipts(built: Built) -> None:
    got = built["one month"]
    # A sixth of six months, and all of one.
    assert got["bank_operating_in_mean_6m"] == pytest.approx(500 / 6)
    assert got["bank_operating_in_2m_to_6m"] is None
    assert got["bank_operating_in_cv_6m"] is None
    assert got["bank_operating_in_slope_6m"] is None


def test_a_seizure_counts_however_little_else_is_known(built: Built) -> None:
    assert built["seizure"]["bank_seizure_count_6m"] == 1


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Return the features of each case at AS_OF."""
    cases = {
        "paydays": _paydays(),
        "no wages": [_txn(1, date(2024, 12, 5), "IN", 10, "货款")],
        "letters": _services(),
        "one month": _one_month_unknown(),
        "seizure": [
            _txn(1, date(2024, 12, 5), "OUT", 900, "跨行转出"),
            _txn(2, date(2024, 12, 6), "OUT", 10, "司法扣划"),
        ],
    } | {f"unknown {into} {out}": _partly_known(into, out) for into, out, _ in _UNKNOWN}
    settings = Settings(home=tmp_path_factory.mktemp("bank"), memory_limit="2GB")
    return vault_rows.features_of_cases(settings, AS_OF, "feat_bank_monthly", "bank_txn", cases)
