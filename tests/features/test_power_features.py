"""Features of power bills against values computed by hand."""

import math
from datetime import date, timedelta

import pytest

from firmpulse.settings import Settings
from tests import vault_rows

AS_OF = date(2025, 1, 15)


def _bill(row_id: int, month: date, energy: int, valley: int, **more: object) -> vault_rows.Row:
    due = month + timedelta(days=20)
    return {
        "firm": "uscc:F1", "row_id": row_id, "record_version": 1, "delivery_seq": 1,
        "available_at": month + timedelta(days=30), "cons_no": "P1", "bill_month": month,
        "kwh_total": energy, "kwh_valley": valley, "amount": 100, "due_date": due,
        "paid_at": due - timedelta(days=1), "penalty": 0, "arrears": 0, **more,
    }  # fmt: skip


def test_two_years_of_bills_match_hand_computed_values(settings: Settings) -> None:
    rows = [_bill(n, date(2023, n, 1), 100, 20) for n in range(1, 13)]
    rows += [_bill(20 + n, date(2024, n, 1), 150, 30) for n in range(2, 7)]
    rows += [_bill(20 + n, date(2024, n, 1), 150, 60) for n in range(7, 12)]
    rows += [
        _bill(21, date(2024, 1, 1), 150, 30, paid_at=date(2024, 1, 27)),
        _bill(32, date(2024, 12, 1), 75, 30, arrears=50),
    ]
    got = _features(settings, rows)

    assert got["power_growth_12m_yoy"] == pytest.approx((11 * 150 + 75) / 1200 - 1)
    # eleven equal months and a lower one at 5.5 months behind the middle
    slope = 5.5 * (math.log(76) - math.log(151)) / sum((n - 5.5) ** 2 for n in range(12))
    assert got["power_slope_12m"] == pytest.approx(slope)
    assert got["power_utilisation_13m"] == pytest.approx(0.5)
    assert got["power_valley_share_change_12m"] == pytest.approx(330 / 825 - 180 / 900)
    # six days late in January, in time eleven times
    assert got["power_payment_delay_days_12m"] == pytest.approx(0.5)
    assert got["power_arrears_to_bills_12m"] == pytest.approx(50 / 1200)


def test_of_two_months_nothing_is_said_about_a_year(settings: Settings) -> None:
    got = _features(
        settings,
        [_bill(n, date(2024, n, 1), 100, 20, paid_at=None) for n in (11, 12)],
    )
    assert got["power_arrears_to_bills_12m"] == 0
    unknown = ("growth_12m_yoy", "slope_12m", "utilisation_13m", "valley_share_change_12m",
               "payment_delay_days_12m")  # fmt: skip
    assert {got[f"power_{name}"] for name in unknown} == {None}


def _features(settings: Settings, rows: list[vault_rows.Row]) -> dict[str, object]:
    vault_rows.fill(settings, {"power_bill": rows})
    vault_rows.build_views(settings, AS_OF, "feat_power_monthly")
    found = vault_rows.features_of(settings, "feat_power_monthly")
    return found.filter(as_of=AS_OF).to_dicts()[0]


def test_a_large_consumer_is_no_overflow(settings: Settings) -> None:
    """Some use ten million kWh a month, and their squares count too."""
    got = _features(settings, [_bill(n, date(2024, n, 1), 100_000_000, 0) for n in range(7, 13)])
    assert got["power_cv_12m"] == pytest.approx(0, abs=1e-6)
