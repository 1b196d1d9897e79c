"""Nothing lands, leaves or is purged for a future day, from any source."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from consent import today
from extracts.vault import gate, nightly, purge
from extracts.vault.landing import Counts
from firmpulse.errors import ConfigurationError, ConfirmationNeeded
from firmpulse.settings import Settings
from scoring import publish
from tests.extracts.inbox import AS_OF, FIRM, OTHER, csv, deliver, grant, payment, permit

ClockAt = Callable[[date], None]
TOMORROW = AS_OF + timedelta(days=1)


def test_a_delivery_of_tomorrow_is_refused_until_its_day(
    settings: Settings, clock_at: ClockAt
) -> None:
    clock_at(AS_OF)
    permit(settings)
    ahead = deliver(settings, {"a.csv": csv([payment()])}, delivered=TOMORROW)
    deliver(settings, {"a.csv": csv([payment(item="印花税")])}, delivery_id="tax-2")
    report = nightly.land(settings, "tax", AS_OF)
    assert report.totals == Counts(read=1, landed=1)
    assert report.problems == (
        "tax-1: the manifest's delivered_at is after today, which is 2024-03-31 in China; "
        "send it again with the time of the hand-over",
    )
    assert (ahead / "a.csv").exists()
    clock_at(TOMORROW)
    assert nightly.land(settings, "tax", TOMORROW).totals == Counts(read=1, landed=1)


@pytest.mark.parametrize("act", [nightly.land, purge.purge, publish.publish])
def test_no_task_works_for_a_night_to_come(
    settings: Settings, clock_at: ClockAt, act: Callable[..., object]
) -> None:
    clock_at(AS_OF)
    permit(settings)
    folder = deliver(settings, {"a.csv": csv([payment()])})
    arguments = ["tax"] if act is nightly.land else []
    with pytest.raises(ConfigurationError, match="as_of 2062-10-31 is after today"):
        act(settings, *arguments, date(2062, 10, 31))
    # The scheduler itself gives this night if the clock has jumped.
    clock_at(date(2062, 11, 1))
    with pytest.raises(ConfirmationNeeded, match="2062-10-31 is, 14093 days after 2024-03-31"):
        act(settings, *arguments, date(2062, 10, 31))
    assert (folder / "a.csv").exists()
    today.confirm(settings, date(2062, 11, 1), because="so it is", actor="user li")
    assert today.check(settings, date(2062, 10, 31)) == date(2062, 10, 31)


def test_a_night_of_the_past_lands_under_a_wrong_clock(
    settings: Settings, clock_at: ClockAt
) -> None:
    """It is for a day that the audit chain confirms, without any clock."""
    clock_at(AS_OF)
    permit(settings)
    deliver(settings, {"a.csv": csv([payment()])})
    clock_at(AS_OF + timedelta(days=400))
    assert nightly.land(settings, "tax", AS_OF).totals == Counts(read=1, landed=1)


def test_a_night_of_the_past_takes_the_lenders_rows_of_who_is_here_today(
    settings: Settings, clock_at: ClockAt
) -> None:
    """Its old grant was over on that night; the one of today had not begun."""
    clock_at(date(2026, 3, 2))
    old = grant(authorization_id="A-old", valid_to=date(2024, 1, 31))
    new = grant(authorization_id="A-new", valid_from=date(2025, 7, 1))
    gone = grant(f"uscc:{OTHER}", valid_to=date(2024, 1, 31))
    permit(settings, old, new, gone)
    assert _refused_by_the_lenders_gate(settings, AS_OF) == [f"uscc:{OTHER}"]


def _refused_by_the_lenders_gate(settings: Settings, as_of: date) -> list[str]:
    from extracts import contracts
    from firmpulse import warehouse

    free = next(one for one in contracts.load().values() if not one.grant_required)
    with warehouse.connect(settings, vault=True) as connection:
        connection.execute(
            "create temp table staged as "
            "select unnest($firms) as firm, date '2024-03-01' as event_at",
            {"firms": [f"uscc:{FIRM}", f"uscc:{OTHER}"]},
        )
        gate.open_gate(connection, settings, free, "staged", as_of)
        rows = connection.execute("select firm from firm_gate where not is_granted").fetchall()
    return [firm for (firm,) in rows]


def test_a_night_that_is_refused_makes_no_file(settings: Settings) -> None:
    with pytest.raises(ConfigurationError):
        nightly.land(settings, "tax", date(2099, 1, 1))
    assert not settings.root.exists()
