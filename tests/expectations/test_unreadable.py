"""A firm whose rows cannot be read is set aside, and the delivery's other firms go on."""

from datetime import date, timedelta

import pytest

from expectations import handover, quarantine, verdicts
from extracts.vault import nightly
from firmpulse import warehouse
from firmpulse.errors import ExpectationFailed
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from tests.extracts.inbox import AS_OF, FIRM, OTHER, csv, deliver, grant, payment, permit

THIRD, FOURTH = "91440300192317458F", "91440400192548256N"
FIRMS = (FIRM, OTHER, THIRD, FOURTH)


def _lines(uscc: str, count: int, amount: str = "1.00") -> list[str]:
    return [payment(uscc, item=f"税种{n}", amount=amount) for n in range(count)]


def _night(settings: Settings, days: int, lines: list[str]) -> dict[str, str]:
    """Land a delivery and check it; return firm → what was found, of those set aside."""
    night = AS_OF + timedelta(days=days)
    if lines:
        deliver(settings, {"a.csv": csv(lines)}, delivery_id=f"tax-{days}", delivered=night)
        assert nightly.land(settings, "tax", night).problems == ()
    handover.deliveries(settings, night)
    return _held(settings, night)


def _held(settings: Settings, night: date) -> dict[str, str]:
    key = keyring.load(settings, "token_key")
    names = {str(tokens.firm_token(key, f"uscc:{firm}")): firm for firm in FIRMS}
    with warehouse.connect(settings) as connection:
        found = quarantine.held(connection, night)
    return {names[firm_id]: text for firm_id, text in found["firm_id", "text_en"].rows()}


@pytest.fixture
def tax(settings: Settings) -> Settings:
    permit(settings, *(grant(f"uscc:{firm}") for firm in FIRMS))
    return settings


def test_a_firm_is_set_aside_until_as_many_rows_have_landed(tax: Settings) -> None:
    others = [line for firm in FIRMS[1:] for line in _lines(firm, 20)]
    broken = [*others, *_lines(FIRM, 60, "一百"), *_lines(FIRM, 5)]
    told = "60 of its 65 rows of tax_payment in the delivery tax-0 could not be read"
    assert _night(tax, 0, broken) == {FIRM: told}
    # A quiet night, and one with a few more rows of the firm, change nothing.
    assert _night(tax, 1, []) == {FIRM: told}
    assert _night(tax, 2, [payment(FIRM, item="新", start="2024-02-01")]) == {FIRM: told}
    assert _night(tax, 3, _lines(FIRM, 60, "2.00")) == {}
    assert _night(tax, 4, []) == {}
    assert _held(tax, AS_OF) == {FIRM: told}


def test_rows_of_few_firms_below_the_bounds_set_nobody_aside(tax: Settings) -> None:
    assert _night(tax, 0, [*_lines(FIRM, 49, "一百"), *_lines(OTHER, 20)]) == {}


def test_a_person_may_accept_what_landed_of_the_firm(tax: Settings) -> None:
    assert set(_night(tax, 0, _lines(FIRM, 60, "一百"))) == {FIRM}
    assert verdicts.accept(tax, "tax-0", "the firm has no other payments") == ("delivery",)
    assert _night(tax, 0, []) == {}
    assert _night(tax, 1, []) == {}


def test_rows_of_many_firms_stop_the_night(tax: Settings) -> None:
    broken = [line for firm in FIRMS[:3] for line in _lines(firm, 20, "一百")]
    with pytest.raises(ExpectationFailed, match="or those of 1 or 2 firms; seen: tax-0 / tax_pay"):
        _night(tax, 0, [*broken, *_lines(FOURTH, 20)])
    nobody = [payment("", item=f"税{n}") for n in range(60)]
    with pytest.raises(ExpectationFailed, match="tax-1 / tax_payment"):
        _night(tax, 1, [*nobody, *_lines(FOURTH, 20, "3.00")])
