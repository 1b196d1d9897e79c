"""Features of orders against values computed by hand."""

import math
from datetime import date, timedelta

import pytest

from firmpulse.settings import Settings
from tests import vault_rows

AS_OF = date(2024, 12, 31)


def _order(row_id: int, day: date, amount: int, buyer: str) -> vault_rows.Row:
    return {
        "firm": "uscc:F1", "row_id": row_id, "record_version": 1, "delivery_seq": 1,
        "available_at": day, "order_no": f"O{row_id}", "buyer_uscc": buyer, "order_date": day,
        "due_date": day + timedelta(days=30), "amount": amount, "status": "ACTIVE",
    }  # fmt: skip


def test_orders_of_eight_months_match_hand_computed_values(settings: Settings) -> None:
    got = _features(
        settings,
        [
            _order(1, date(2024, 5, 2), 100, "A"),
            _order(2, date(2024, 5, 3), 100, "B"),
            _order(3, date(2024, 12, 2), 600, "A"),
        ],
    )
    # 200, six months of nothing, 600
    mean = 100
    spread = math.sqrt((100**2 + 6 * 100**2 + 500**2) / 8)
    assert got["supply_order_cv_12m"] == pytest.approx(spread / mean)
    slope = 3.5 * (math.log(601) - math.log(201)) / sum((n - 3.5) ** 2 for n in range(8))
    assert got["supply_order_slope_12m"] == pytest.approx(slope)
    assert got["supply_buyer_count_12m"] == 2
    assert got["supply_buyer_hhi_12m"] == pytest.approx((7 / 8) ** 2 + (1 / 8) ** 2)


def test_a_single_month_has_no_trend(settings: Settings) -> None:
    got = _features(settings, [_order(1, date(2024, 12, 2), 600, "A")])
    assert got["supply_order_cv_12m"] is None
    assert got["supply_order_slope_12m"] is None
    assert got["supply_buyer_count_12m"] == 1
    assert got["supply_buyer_hhi_12m"] == 1


def _features(settings: Settings, rows: list[vault_rows.Row]) -> dict[str, object]:
    vault_rows.fill(settings, {"sc_order": rows})
    vault_rows.build_views(settings, AS_OF, "feat_supply_monthly")
    found = vault_rows.features_of(settings, "feat_supply_monthly")
    return found.filter(as_of=AS_OF).to_dicts()[0]
