"""Nothing is erased by mistake: a future date, a jumped clock, many at once, a past night."""

import json
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from typer.testing import CliRunner

from cli import app
from consent import audit, intake, today
from consent.grants import Grant
from consent.ledger import Ledger
from erasure import bounds, honour, withdrawals
from firmpulse.errors import ConfigurationError, ConfirmationNeeded
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from operations import holds, status

pytestmark = pytest.mark.slow

NOW = date(2026, 3, 2)
ClockAt = Callable[[date], None]


def firm_of(number: int) -> str:
    return f"demo:{number:04d}"


def token_of(settings: Settings, number: int) -> str:
    return str(tokens.firm_token(keyring.load(settings, "token_key"), firm_of(number)))


def grant(number: int, suffix: str = "", **changes: object) -> Grant:
    terms: dict[str, object] = {
        "authorization_id": f"A-{number}{suffix}", "firm": firm_of(number), "source": "tax",
        "purpose": "POST_LOAN_MONITOR", "recipient": "demo-bank",
        "window_start": date(2023, 1, 1), "valid_from": date(2025, 1, 1),
        "valid_to": date(2028, 10, 31), "text_version": "2026-01",
    }  # fmt: skip
    return Grant(**(terms | changes))  # type: ignore[arg-type]


@pytest.fixture
def home(settings: Settings, clock_at: ClockAt) -> Settings:
    """Return a home of 60 firms with grants that run to October 2028, on a day in March 2026."""
    clock_at(NOW)
    intake.admit(settings, [grant(number) for number in range(60)])
    return settings


def revoke(settings: Settings, *numbers: int) -> None:
    for number in numbers:
        Ledger(settings).revoke(token_of(settings, number), on=NOW, actor="test")


def purged(settings: Settings) -> int:
    return Ledger(settings).ended(date(2026, 1, 1), purged=True)["firm_id"].n_unique()


def firmpulse(settings: Settings, *arguments: str) -> str:
    result = CliRunner().invoke(
        app, arguments, env={"FIRMPULSE_HOME": str(settings.root), "COLUMNS": "300"}
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_a_day_after_today_erases_nobody(home: Settings) -> None:
    for act in (
        lambda: honour.honour(home, date(2062, 10, 31)),
        lambda: withdrawals.due(home, date(2062, 10, 31)),
    ):
        with pytest.raises(ConfigurationError, match="2062-10-31 is after today"):
            act()
    assert purged(home) == 0


def test_a_clock_that_jumped_erases_nobody_until_a_person_confirms_it(
    home: Settings, clock_at: ClockAt
) -> None:
    revoke(home, 1)
    later = NOW + timedelta(days=400)
    clock_at(later)
    # Entries of the night by the wrong clock before the erasure do not confirm that clock.
    audit.append(home, "LAND", actor="task run_nightly.land", landed=1)
    with pytest.raises(ConfirmationNeeded, match="it is 2027-04-06 in China, 400 days after"):
        honour.honour(home, NOW)
    assert purged(home) == 0
    (stop,) = holds.waiting(home)
    assert stop.do == 'firmpulse audit confirm-clock 2027-04-06 --because "..."'
    firmpulse(home, "audit", "confirm-clock", "2027-04-06", "--because", "it slept for a year")
    assert list(holds.waiting(home)) == []
    report = honour.honour(home, NOW)
    assert list(report.certificates) == [token_of(home, 1)]
    # The certificate has the day of the erasure, for any night.
    assert report.on == Ledger(home).certificate(report.certificates[token_of(home, 1)]).on == later
    assert purged(home) == 1


def test_a_jump_over_the_end_of_all_grants_needs_two_words(
    home: Settings, clock_at: ClockAt
) -> None:
    clock_at(date(2062, 10, 31))
    with pytest.raises(ConfirmationNeeded, match="confirm-clock 2062-10-31"):
        honour.honour(home, NOW)
    today.confirm(home, date(2062, 10, 31), because="so it is", actor="user li")
    with pytest.raises(ConfirmationNeeded, match="60 firms would be erased at once"):
        honour.honour(home, NOW)
    assert purged(home) == 0


def test_many_at_once_wait_for_a_persons_word_and_others_with_them(home: Settings) -> None:
    revoke(home, *range(20))
    assert bounds.bound(home) == 20
    assert list(holds.waiting(home)) == []
    revoke(home, 20)
    said = "21 firms would be erased at once, more than 20 of the 60 that have grants; none is"
    with pytest.raises(ConfirmationNeeded, match=said):
        honour.honour(home, NOW)
    assert purged(home) == 0
    (stop,) = holds.waiting(home)
    assert stop.do == 'firmpulse consent honour --confirm 21 --because "..."'
    assert len(Ledger(home).withdrawn(NOW)) == 21


def test_a_word_counts_for_the_firms_that_it_named_and_for_its_day(
    home: Settings, clock_at: ClockAt
) -> None:
    revoke(home, *range(30))
    for number in (29, 31):
        with pytest.raises(
            ConfigurationError, match=f"30 firms are due to be erased, not {number}"
        ):
            bounds.confirm(home, number, because="contract ended", actor="user li")
    with pytest.raises(ConfigurationError, match="a person must, by command"):
        bounds.confirm(home, 30, because="contract ended", actor="task run_nightly.erase")
    bounds.confirm(home, 30, because="contract ended", actor="user li")
    assert len(honour.allowed(home)) == 30
    # A few more are below the bound; many more are not.
    revoke(home, *range(30, 50))
    assert len(honour.allowed(home)) == 50
    revoke(home, 50)
    with pytest.raises(ConfirmationNeeded, match="51 firms would be erased at once"):
        honour.allowed(home)
    clock_at(NOW + timedelta(days=1))
    with pytest.raises(ConfirmationNeeded):
        honour.allowed(home)
    entries = audit.entries(home, action="CONFIRM")
    assert {entry.subject for entry in entries} == {token_of(home, n) for n in range(30)}
    assert json.loads(entries[0].details) == {
        "what": "erasure", "day": "2026-03-02", "firms": 30, "reason": "contract ended",
    }  # fmt: skip


def test_what_was_confirmed_is_erased(home: Settings) -> None:
    revoke(home, *range(30))
    bounds.confirm(home, 30, because="contract ended", actor="user li")
    assert len(honour.honour(home, NOW).certificates) == 30
    assert purged(home) == 30
    assert list(holds.waiting(home)) == []


def test_grants_that_others_cover_count_for_nothing(home: Settings) -> None:
    """When all firms renew, the old grants end and no row is erased."""
    old = [grant(number, "-old", valid_to=date(2026, 3, 1)) for number in range(60)]
    intake.admit(home, old)
    assert len(withdrawals.due(home, NOW)) == 60
    assert len(honour.allowed(home)) == 60


def test_one_firms_withdrawal_touches_that_firm_alone(home: Settings) -> None:
    """With any date, and even if others are due."""
    intake.admit(home, [grant(99, valid_to=date(2026, 1, 31))])
    revoke(home, 7)
    mine = token_of(home, 3)
    Ledger(home).revoke(mine, on=date(2026, 1, 5), actor="test")
    report = honour.honour(home, NOW, [mine])
    assert list(report.certificates) == [mine]
    due = {firm.firm_id for firm in withdrawals.due(home, NOW)}
    assert due == {token_of(home, 7), token_of(home, 99)}
    # It runs even while an erasure of many waits for confirmation.
    revoke(home, *range(10, 50))
    Ledger(home).revoke(token_of(home, 8), on=NOW, actor="test")
    assert list(honour.honour(home, NOW, [token_of(home, 8)]).certificates) == [token_of(home, 8)]
    assert purged(home) == 2


def test_the_command_of_one_firm_erases_that_firm_alone(home: Settings) -> None:
    revoke(home, 7)
    said = firmpulse(home, "consent", "revoke", firm_of(3), "--on", "2026-01-05")
    assert "erased, certificate" in said
    (issued,) = Ledger(home).certificates(token_of(home, 3))
    assert issued.certificate_id in said
    assert Ledger(home).certificates(token_of(home, 7)) == []
    # The firm's own day is kept; the erasure has its actual day.
    status_of = Ledger(home).status(token_of(home, 3), NOW).row(0, named=True)
    assert (status_of["ended_on"], status_of["purged_on"]) == (date(2026, 1, 5), NOW)


def test_by_command_many_are_erased_once_their_number_was_typed(home: Settings) -> None:
    assert "No firm is due" in firmpulse(home, "consent", "honour")
    revoke(home, *range(25))
    with pytest.raises(ConfirmationNeeded, match="consent honour --confirm 25"):
        firmpulse(home, "consent", "honour")
    with pytest.raises(ConfigurationError, match="--confirm and --because belong together"):
        firmpulse(home, "consent", "honour", "--confirm", "25")
    with pytest.raises(ConfigurationError, match="25 firms are due to be erased, not 60"):
        firmpulse(home, "consent", "honour", "--confirm", "60", "--because", "all of them")
    assert purged(home) == 0
    said = firmpulse(home, "consent", "honour", "--confirm", "25", "--because", "contract ended")
    assert "25 firms" in said
    assert purged(home) == 25
    entry = audit.entries(home, action="CONFIRM")[0]
    assert entry.actor.startswith("user ")


def test_a_withdrawal_by_command_under_a_wrong_clock_blocks_and_says_what_waits(
    home: Settings, clock_at: ClockAt
) -> None:
    clock_at(NOW + timedelta(days=400))
    said = " ".join(firmpulse(home, "consent", "revoke", firm_of(3)).split())
    assert "blocked from this moment" in said
    assert "firmpulse audit confirm-clock 2027-04-06" in said
    assert purged(home) == 0
    clock_at(NOW)
    assert Ledger(home).withdrawn(NOW).to_list() == [token_of(home, 3)]


def test_a_night_of_the_past_erases_nothing_that_is_in_force_today(
    home: Settings, clock_at: ClockAt
) -> None:
    """Its old grant had ended by then, and the new one had not begun."""
    intake.admit(home, [grant(70, "-old", valid_from=date(2023, 1, 1), valid_to=date(2024, 6, 30))])
    intake.admit(home, [grant(70, valid_from=date(2025, 7, 1))])
    (due,) = withdrawals.due(home, date(2024, 12, 31))
    assert due.whole
    honour.honour(home, date(2024, 12, 31))
    # Only the grant that ended is closed; it covered nothing that the new one does not.
    certificate = Ledger(home).certificates(token_of(home, 70))[0]
    assert certificate.scope == "nothing: other grants cover the same data"
    assert withdrawals.withheld(home) == []
    live = Ledger(home).live(NOW).filter(Ledger(home).live(NOW)["firm_id"] == token_of(home, 70))
    assert live["authorization_id"].to_list() == ["A-70"]


def test_status_names_what_waits(home: Settings, clock_at: ClockAt) -> None:
    revoke(home, *range(25))
    home.warehouse_path.parent.mkdir(parents=True, exist_ok=True)
    honour.honour(home, NOW, [token_of(home, 25)])
    told = {one.text: one.do for one in status.look(home, NOW).findings if one.subject == "erasure"}
    (text,) = [text for text in told if "at once" in text]
    assert text.startswith("25 firms would be erased at once, more than 20 of the 60")
    assert told[text] == 'firmpulse consent honour --confirm 25 --because "..."'
    clock_at(NOW + timedelta(days=400))
    texts = [one.text for one in status.look(home, NOW).findings]
    assert any("400 days after 2026-03-02, the last day that the audit chain" in t for t in texts)
