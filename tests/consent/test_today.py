"""The audit chain's evidence for today, and when a person must confirm the clock."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from consent import audit, today
from consent.ledger import Ledger
from firmpulse.errors import ConfigurationError, ConfirmationNeeded
from firmpulse.settings import Settings
from tests.consent.test_ledger import grant, token_of

BEGAN = date(2026, 3, 2)
ClockAt = Callable[[date], None]


def work(settings: Settings, entries: int = 1) -> None:
    """Append the entries of ordinary work."""
    for _ in range(entries):
        audit.append(settings, "QUERY", actor="task night", sql="select 1")


def test_a_home_without_an_entry_believes_the_clock(settings: Settings, clock_at: ClockAt) -> None:
    clock_at(BEGAN)
    assert today.certain(settings) == BEGAN
    assert today.last_known(settings) is None


def test_no_day_after_today_is_taken(store_settings: Settings, clock_at: ClockAt) -> None:
    clock_at(BEGAN)
    work(store_settings)
    assert today.check(store_settings, BEGAN) == BEGAN
    said = "as_of 2026-03-03 is after today, which is 2026-03-02 in China; give 2026-03-02 or"
    with pytest.raises(ConfigurationError, match=said):
        today.check(store_settings, BEGAN + timedelta(days=1))


@pytest.mark.parametrize(("days", "stops"), [(1, False), (45, False), (46, True), (400, True)])
def test_a_clock_that_jumped_over_the_bound_is_not_believed(
    store_settings: Settings, clock_at: ClockAt, days: int, *, stops: bool
) -> None:
    clock_at(BEGAN)
    work(store_settings)
    later = BEGAN + timedelta(days=days)
    clock_at(later)
    # Entries made by the wrong clock confirm nothing about today, in any number.
    work(store_settings, entries=3)
    if stops:
        said = f"by the clock it is {later} in China, {days} days after 2026-03-02"
        with pytest.raises(ConfirmationNeeded, match=said) as stop:
            today.certain(store_settings)
        assert stop.value.do == f'firmpulse audit confirm-clock {later} --because "..."'
        assert today.surely(store_settings) == BEGAN
    else:
        assert today.certain(store_settings) == today.surely(store_settings) == later


def test_days_that_pass_one_by_one_are_believed(settings: Settings, clock_at: ClockAt) -> None:
    for days in range(0, 410, 41):
        clock_at(BEGAN + timedelta(days=days))
        work(settings)
    assert today.certain(settings) == BEGAN + timedelta(days=369)


def test_a_night_of_the_known_past_goes_on_under_a_wrong_clock(
    settings: Settings, clock_at: ClockAt
) -> None:
    clock_at(BEGAN)
    work(settings)
    clock_at(BEGAN + timedelta(days=400))
    assert today.check(settings, BEGAN) == BEGAN
    with pytest.raises(ConfirmationNeeded, match="2027-04-05 is, 399 days after 2026-03-02"):
        today.check(settings, BEGAN + timedelta(days=399))


def test_a_persons_word_lets_it_go_on(store_settings: Settings, clock_at: ClockAt) -> None:
    clock_at(BEGAN)
    work(store_settings)
    later = BEGAN + timedelta(days=400)
    clock_at(later)
    work(store_settings)
    with pytest.raises(ConfigurationError, match=f"it is {later} in China, not {BEGAN}"):
        today.confirm(store_settings, BEGAN, because="slept", actor="user li")
    with pytest.raises(ConfigurationError, match=r"task run_nightly\.erase cannot confirm"):
        today.confirm(store_settings, later, because="slept", actor="task run_nightly.erase")
    today.confirm(store_settings, later, because="the machine slept for a year", actor="user li")
    assert today.certain(store_settings) == later
    assert audit.verify(store_settings).ok
    # One confirmation is for one jump.
    clock_at(later + timedelta(days=46))
    with pytest.raises(ConfirmationNeeded):
        today.certain(store_settings)


def test_a_clock_that_is_right_again_is_believed(settings: Settings, clock_at: ClockAt) -> None:
    clock_at(BEGAN)
    work(settings)
    clock_at(BEGAN + timedelta(days=400))
    work(settings, entries=2)
    clock_at(BEGAN + timedelta(days=1))
    assert today.certain(settings) == BEGAN + timedelta(days=1)


def test_a_clock_behind_the_newest_entry_is_not_believed(
    settings: Settings, clock_at: ClockAt
) -> None:
    clock_at(BEGAN)
    work(settings)
    clock_at(BEGAN - timedelta(days=1))
    assert today.certain(settings) == BEGAN - timedelta(days=1)
    clock_at(BEGAN - timedelta(days=2))
    work(settings)
    with pytest.raises(ConfirmationNeeded, match="2026-02-28 in China, 2 days before 2026-03-02"):
        today.certain(settings)
    today.confirm(settings, date(2026, 2, 28), because="it was ahead before", actor="user li")
    assert today.certain(settings) == date(2026, 2, 28)


def test_a_withdrawal_is_taken_under_any_clock(settings: Settings, clock_at: ClockAt) -> None:
    """The firm can still end a grant that is over only by a wrong clock."""
    clock_at(BEGAN)
    ledger = Ledger(settings)
    ledger.record([grant(1, valid_to=date(2026, 12, 31))])
    clock_at(date(2062, 10, 31))
    firm_id = token_of(settings)
    assert ledger.revoke(firm_id, on=date(2062, 10, 31), actor="firm") == ["A-1"]
    clock_at(BEGAN + timedelta(days=1))
    assert ledger.live(BEGAN + timedelta(days=1)).is_empty()


def test_the_ledger_takes_no_day_to_come(settings: Settings, clock_at: ClockAt) -> None:
    clock_at(BEGAN)
    ledger, tomorrow = Ledger(settings), BEGAN + timedelta(days=1)
    ledger.record([grant(1, valid_to=date(2028, 10, 31))])
    firm_id = token_of(settings)
    for act in (
        lambda: ledger.revoke(firm_id, on=tomorrow, actor="user li"),
        lambda: ledger.ended(tomorrow),
        lambda: ledger.withdrawn(tomorrow),
        lambda: ledger.consume(["A-1"], tomorrow, "night"),
        lambda: ledger.purged(["A-1"], on=tomorrow, certificate_id=None),
    ):
        with pytest.raises(ConfigurationError, match="is after today, which is 2026-03-02"):
            act()
    assert ledger.consume(["A-1"], BEGAN, "the night of today") == ["A-1"]
