"""Features of the months of sales invoices against values computed by hand."""

import math
from datetime import date
from typing import Any

import pytest

from firmpulse.settings import Settings
from tests import vault_rows
from tests.vault_rows import invoice

AS_OF = date(2024, 12, 31)
# Case → features.
Built = dict[str, dict[str, Any]]


def _two_years() -> list[vault_rows.Row]:
    # 2023: 100 a month; 2024: nothing from January to March, then 200 a month, 500 in December.
    rows = [invoice(n, "F1", date(2023, n, 10), 100) for n in range(1, 13)]
    rows += [invoice(20 + n, "F1", date(2024, n, 10), 200) for n in range(4, 12)]
    rows += [
        invoice(40, "F1", date(2024, 12, 2), 200),
        invoice(41, "F1", date(2024, 12, 27), 400, issue_time="2024-12-27 03:30:00"),
        invoice(42, "F1", date(2024, 12, 28), -100),
        invoice(43, "F1", date(2024, 12, 28), 1000, status="VOID"),
        # reverses half of what inflated September
        invoice(44, "F1", date(2024, 10, 3), -100),
        invoice(45, "F1", date(2024, 10, 4), 100),
        invoice(46, "F1", date(2024, 11, 12), 1000),
        invoice(47, "F1", date(2024, 11, 12), -1000),
    ]
    return rows


def test_two_years_of_invoices_match_hand_computed_values(built: Built) -> None:
    got = built["two years"]
    # nine months of 200 (October: 200 - 100 + 100), three of nothing, and 500 in December
    assert got["tax_sales_median_12m"] == 200
    assert got["tax_sales_growth_3m_yoy"] == pytest.approx((200 + 200 + 500) / 300 - 1)
    assert got["tax_sales_growth_12m_yoy"] == pytest.approx((8 * 200 + 500) / 1200 - 1)
    logs = [0.0] * 3 + [math.log(201)] * 8 + [math.log(501)]
    mean = sum(logs) / 12
    slope = sum((n - 5.5) * (v - mean) for n, v in enumerate(logs)) / sum(
        (n - 5.5) ** 2 for n in range(12)
    )
    assert got["tax_sales_slope_12m"] == pytest.approx(slope)
    # the best three months are the last three
    assert got["tax_sales_drawdown_12m"] == pytest.approx(0)
    # April to November one each, one more in October and in November, two in December
    assert got["tax_invoice_count_mean_12m"] == pytest.approx((8 + 1 + 1 + 2) / 12)
    assert got["tax_ticket_mean_12m"] == pytest.approx((8 * 200 + 100 + 1000 + 600) / 12)
    # 10 November to 12 November, then 2 December, 27 and 28 December
    assert got["tax_max_gap_days_12m"] == 31
    # from 10 April to 28 December, on 14 days
    days = (date(2024, 12, 28) - date(2024, 4, 10)).days
    assert got["tax_mean_gap_days_12m"] == pytest.approx(days / 13)
    assert got["tax_zero_streak_months"] == 0
    # 500 against 100, over the spread of nine months of 200
    before = [200.0] * 8 + [0.0] * 3 + [100.0]
    mean = sum(before) / 12
    spread = math.sqrt(sum((value - mean) ** 2 for value in before) / 12)
    assert got["tax_sales_shock_13m"] == pytest.approx((500 - 100) / spread)
    assert got["tax_void_count_mean_12m"] == pytest.approx(1 / 12)
    assert got["tax_void_amount_share_12m"] == pytest.approx(1000 / (2100 + 1200 + 1000))
    # one void and three red ones of 16
    assert got["tax_cancel_share_12m"] == pytest.approx(4 / 16)
    assert got["tax_red_after_quarter_end_12m"] == pytest.approx(100 / 200)
    assert got["tax_month_end_share_12m"] == pytest.approx(400 / 3300)
    # March 0, June 200, September 200, December 500; others: two zeros and six times 200
    assert got["tax_quarter_end_spike_12m"] == pytest.approx((900 / 4) / (1200 / 8))
    assert got["tax_night_share_12m"] == pytest.approx(1 / 12)
    assert got["tax_round_share_12m"] == pytest.approx(1 / 12)
    # a flat year before leaves nothing to correlate with
    assert got["tax_sales_seasonality_24m"] is None


def _young() -> list[vault_rows.Row]:
    return [
        invoice(1, "F1", date(2024, 8, 10), 100),
        # something else is known of the later months
        invoice(2, "F1", date(2024, 12, 10), 5, direction="IN", other="S1"),
    ]


def test_a_young_firm_has_no_growth_and_a_silent_one_a_streak(built: Built) -> None:
    got = built["young"]
    assert got["tax_zero_streak_months"] == 4
    assert got["tax_sales_median_12m"] == 0
    assert got["tax_sales_growth_3m_yoy"] is None
    assert got["tax_sales_growth_12m_yoy"] is None
    assert got["tax_sales_slope_12m"] is None
    assert got["tax_max_gap_days_12m"] is None
    assert got["tax_night_share_12m"] == 0
    assert got["tax_cancel_share_12m"] == 0


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Return the features of each case at AS_OF."""
    settings = Settings(home=tmp_path_factory.mktemp("invoices"), memory_limit="2GB")
    cases = {"two years": _two_years(), "young": _young()}
    return vault_rows.features_of_cases(
        settings, AS_OF, "feat_invoice_monthly", "tax_invoice", cases
    )
