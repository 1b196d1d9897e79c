"""Features of power bills against values computed by hand."""

import math
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from firmpulse.settings import Settings
from tests import vault_rows

AS_OF = date(2025, 1, 15)
# Case → features.
Built = dict[str, dict[str, Any]]


def _bill(row_id: int, month: date, energy: int, valley: int, **more: object) -> vault_rows.Row:
    due = month + timedelta(days=20)
    return {
        "firm": "uscc:F1", "row_id": row_id, "record_version": 1, "delivery_seq": 1,
        "available_at": month + timedelta(days=30), "cons_no": "F1", "bill_month": month,
        "kwh_total": energy, "kwh_valley": valley, "amount": 100, "due_date": due,
        "paid_at": due - timedelta(days=1), "penalty": 0, "arrears": 0, **more,
    }  # fmt: skip


def _two_years() -> list[vault_rows.Row]:
    rows = [_bill(n, date(2023, n, 1), 100, 20) for n in range(1, 13)]
    rows += [_bill(20 + n, date(2024, n, 1), 150, 30) for n in range(2, 7)]
    rows += [_bill(20 + n, date(2024, n, 1), 150, 60) for n in range(7, 12)]
    rows += [
        _bill(21, date(2024, 1, 1), 150, 30, paid_at=date(2024, 1, 27)),
        _bill(32, date(2024, 12, 1), 75, 30, arrears=50),
    ]
    return rows


def test_two_years_of_bills_match_hand_computed_values(built: Built) -> None:
    got = built["two years"]
    assert got["power_growth_12m_yoy"] == pytest.approx((11 * 150 + 75) / 1200 - 1)
    # eleven equal months and a lower one at 5.5 months behind the middle
    slope = 5.5 * (math.log(76) - math.log(151)) / sum((n - 5.5) ** 2 for n in range(12))
    assert got["power_slope_12m"] == pytest.approx(slope)
    assert got["power_utilisation_13m"] == pytest.approx(0.5)
    assert got["power_valley_share_change_12m"] == pytest.approx(330 / 825 - 180 / 900)
    # six days late in January, on time eleven times
    assert got["power_payment_delay_days_12m"] == pytest.approx(0.5)
    assert got["power_arrears_to_bills_12m"] == pytest.approx(50 / 1200)


def test_of_two_months_nothing_is_said_about_a_year(built: Built) -> None:
    got = built["two months"]
    assert got["power_arrears_to_bills_12m"] == 0
    unknown = ("growth_12m_yoy", "slope_12m", "utilisation_13m", "valley_share_change_12m",
               "payment_delay_days_12m")  # fmt: skip
    assert {got[f"power_{name}"] for name in unknown} == {None}


def test_a_large_consumer_is_no_overflow(built: Built) -> None:
    """Some use ten million kWh a month, and their squares count too."""
    assert built["large"]["power_cv_12m"] == pytest.approx(0, abs=1e-6)


def _overdue() -> list[vault_rows.Row]:
    rows = [_bill(n, date(2024, n, 1), 100, 20) for n in (8, 9)]
    rows += [
        _bill(10, date(2024, 10, 1), 100, 20, paid_at=date(2024, 10, 31)),
        _bill(11, date(2024, 11, 1), 100, 20, paid_at=None, due_date=date(2024, 12, 20)),
        # Not yet due.
        _bill(12, date(2024, 12, 1), 100, 20, paid_at=None, due_date=date(2025, 1, 20)),
    ]
    return rows


def test_a_bill_that_is_overdue_is_as_late_as_it_is(built: Built) -> None:
    """Of the bills of August to November one was paid ten days late, one is 26 days overdue."""
    got = built["overdue"]
    assert got["power_late_payment_share_12m"] == pytest.approx(2 / 5)
    assert got["power_payment_delay_days_12m"] == pytest.approx((10 + 26) / 4)


@pytest.mark.parametrize(("arrears", "late", "delay"), [(0, None, None), (70, 1.0, 26.0)])
def test_a_provider_that_does_not_say_when_bills_are_paid(
    built: Built, arrears: int, late: float | None, delay: float | None
) -> None:
    """An empty day of payment is late only where the bill says that something is owed."""
    got = built[f"arrears {arrears}"]
    assert got["power_late_payment_share_12m"] == late
    assert got["power_payment_delay_days_12m"] == delay


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Return the features of each case at AS_OF."""
    cases = {
        "two years": _two_years(),
        "two months": [_bill(n, date(2024, n, 1), 100, 20, paid_at=None) for n in (11, 12)],
        "large": [_bill(n, date(2024, n, 1), 100_000_000, 0) for n in range(7, 13)],
        "overdue": _overdue(),
    }
    for arrears in (0, 70):
        cases[f"arrears {arrears}"] = [
            _bill(11, date(2024, 11, 1), 100, 20, paid_at=None, due_date=date(2024, 12, 20),
                  arrears=arrears),
        ]  # fmt: skip
    settings = Settings(home=tmp_path_factory.mktemp("power"), memory_limit="2GB")
    return vault_rows.features_of_cases(settings, AS_OF, "feat_power_monthly", "power_bill", cases)


@pytest.mark.parametrize(
    ("as_of", "festival", "lag"),
    [
        (date(2026, 6, 30), date(2026, 2, 17), 9.0),
        # The calendar begins with 2014 and ends with 2035.
        (date(2012, 6, 30), date(2012, 1, 23), None),
        (date(2037, 6, 30), date(2037, 2, 15), None),
        # Knowledge about 2035 gives nothing about 2036.
        (date(2036, 6, 30), date(2035, 2, 8), None),
    ],
)
def test_the_restart_lag_of_a_year_without_a_known_festival_is_null(
    settings: Settings,
    clock_at: Callable[[date], None],
    as_of: date,
    festival: date,
    lag: float | None,
) -> None:
    clock_at(max(as_of, date(2026, 7, 1)))
    days = [festival + timedelta(days=n) for n in range(-60, 45)]
    readings = [
        {
            "firm": "uscc:F1", "row_id": n, "record_version": 1, "delivery_seq": 1,
            "available_at": day + timedelta(days=1), "reading_date": day,
            "kwh": 10 if 0 <= (day - festival).days < 9 else 100,
        }
        for n, day in enumerate(days)
    ]  # fmt: skip
    bills = [_bill(n, date(as_of.year, n, 1), 100, 20) for n in range(1, 6)]
    vault_rows.fill(settings, {"power_bill": bills, "power_reading": readings})
    vault_rows.build_views(settings, as_of, "feat_power_monthly")
    found = vault_rows.features_of(settings, "feat_power_monthly").filter(as_of=as_of)
    assert found["power_restart_lag_days"].to_list() == [lag]
    assert found["power_energy_mean_12m"].to_list() == [pytest.approx(100)]
