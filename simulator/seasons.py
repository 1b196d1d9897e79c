"""Seasonality: months, Spring Festival, working days."""

from datetime import date, timedelta

import numpy as np

from firmpulse.calendar import spring_festival
from simulator.economy import Economy
from simulator.population import Floats, Ints

# Month over mean of the public invoice set, without the pull of the festival.
_MONTHS = (1.14, 1.02, 1.14, 0.80, 0.95, 1.12, 0.82, 0.94, 1.12, 0.95, 1.12, 1.18)


def season(economy: Economy, month: int) -> float:
    """Return sales of a month relative to the average month."""
    first, days = economy.month(month), economy.days_in(month)
    festival = spring_festival(first.year)
    closed = _overlap(first, days, festival - timedelta(7), festival + timedelta(11))
    rush = _overlap(first, days, festival - timedelta(28), festival - timedelta(8))
    return _MONTHS[first.month - 1] * (1 - 0.55 * closed / 18) * (1 + 0.18 * rush / 20)


def has_festival_payday(economy: Economy, month: int) -> bool:
    """Return whether the bonus before the Spring Festival is paid in this month."""
    first = economy.month(month)
    payday = spring_festival(first.year) - timedelta(10)
    return (payday.year, payday.month) == (first.year, first.month)


def _overlap(first: date, days: int, start: date, end: date) -> int:
    last = first + timedelta(days)
    return max(0, (min(last, end) - max(first, start)).days)


def business_days(economy: Economy, month: int, uniform: Floats) -> Ints:
    """Return a day of the month (0-based) per uniform number, rare on holidays and weekends."""
    first, days = economy.month(month), economy.days_in(month)
    festival = spring_festival(first.year)
    weight = np.ones(days)
    for offset in range(days):
        day = first + timedelta(offset)
        if festival - timedelta(1) <= day <= festival + timedelta(6):
            weight[offset] = 0.04
        elif day.month == 10 and day.day <= 7:
            weight[offset] = 0.08
        elif day.weekday() >= 5:
            weight[offset] = 0.3
    bounds = np.cumsum(weight) / weight.sum()
    chosen = np.searchsorted(bounds, uniform, side="right")
    return np.minimum(chosen, days - 1).astype(np.int64)
