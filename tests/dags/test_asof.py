from datetime import UTC, datetime

import pytest

from firmpulse.airflow.asof import resolve
from firmpulse.errors import ConfigurationError


def test_a_given_date_wins() -> None:
    assert resolve("2026-10-31", datetime(2026, 11, 20, tzinfo=UTC)) == "2026-10-31"


@pytest.mark.parametrize(
    ("end", "night"),
    [
        # Half past midnight on 1 November in China is still October in London.
        (datetime(2026, 10, 31, 16, 30, tzinfo=UTC), "2026-10-31"),
        (datetime(2026, 10, 31, 15, 59, tzinfo=UTC), "2026-10-30"),
        (datetime(2024, 2, 29, 16, 30, tzinfo=UTC), "2024-02-29"),
        # Training at 3 a.m. on the first is for the month that ended.
        (datetime(2026, 10, 31, 19, 0, tzinfo=UTC), "2026-10-31"),
    ],
)
def test_a_run_speaks_for_the_day_before_its_interval_ends(end: datetime, night: str) -> None:
    assert resolve(None, end) == night


def test_without_a_date_and_an_interval_it_asks_for_one() -> None:
    with pytest.raises(ConfigurationError, match="trigger it with"):
        resolve(None, None)


@pytest.mark.parametrize("given", ["31.10.2026", "2026-02-30", "yesterday"])
def test_a_date_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(ConfigurationError, match="as_of must look like 2026-10-31"):
        resolve(given, None)
