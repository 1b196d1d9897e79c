"""Which months are complete on a day."""

from datetime import date

import pytest

from firmpulse.calendar import last_complete_month


@pytest.mark.parametrize(
    ("as_of", "month"),
    [
        (date(2024, 2, 29), date(2024, 2, 1)),
        (date(2024, 2, 28), date(2024, 1, 1)),
        (date(2024, 3, 1), date(2024, 2, 1)),
        (date(2024, 1, 30), date(2023, 12, 1)),
        (date(2024, 12, 31), date(2024, 12, 1)),
    ],
)
def test_a_month_is_complete_from_its_last_day_on(as_of: date, month: date) -> None:
    assert last_complete_month(as_of) == month
