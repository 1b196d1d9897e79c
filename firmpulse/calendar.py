"""Months, month ends and the Spring Festival."""

import calendar as _calendar
from datetime import date, timedelta
from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")

# First day of the first lunar month; published by the Purple Mountain Observatory.
_SPRING_FESTIVALS = {
    2014: (1, 31), 2015: (2, 19), 2016: (2, 8), 2017: (1, 28), 2018: (2, 16), 2019: (2, 5),
    2020: (1, 25), 2021: (2, 12), 2022: (2, 1), 2023: (1, 22), 2024: (2, 10), 2025: (1, 29),
    2026: (2, 17), 2027: (2, 6), 2028: (1, 26), 2029: (2, 13), 2030: (2, 3), 2031: (1, 23),
    2032: (2, 11), 2033: (1, 31), 2034: (2, 19), 2035: (2, 8),
}  # fmt: skip


def spring_festival(year: int) -> date:
    """Return the first day of the lunar new year that begins in `year`.

    Raises:
        ValueError: the year is outside 2014–2035.
    """
    if year not in _SPRING_FESTIVALS:
        raise ValueError(f"no Spring Festival date for {year}; use 2014 to 2035")
    month, day = _SPRING_FESTIVALS[year]
    return date(year, month, day)


def month_start(day: date) -> date:
    """Return the first day of the month of `day`."""
    return day.replace(day=1)


def month_end(day: date) -> date:
    """Return the last day of the month of `day`."""
    return day.replace(day=_calendar.monthrange(day.year, day.month)[1])


def last_complete_month(as_of: date) -> date:
    """Return the first day of the newest month that has ended by `as_of`."""
    return add_months(month_start(as_of + timedelta(days=1)), -1)


def add_months(day: date, months: int) -> date:
    """Return `day` moved by `months`, clipped to the length of the target month."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    last = _calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))
