"""Codes issued outside the standard: who can accept which, and what is recorded."""

import sqlite3

import pytest

from consent import audit, codes, retoken
from consent.codes import Codes
from consent.ledger import Ledger
from firmpulse import uscc
from firmpulse.errors import GrantError, NotReadyError
from firmpulse.settings import Settings
from tests.consent.test_commands import done, firmpulse
from tests.consent.test_ledger import DAY, grant
from tests.consent.test_retoken import rotated

# Made up, in forms that registries have issued: a wrong check character, letters that are not in
# the standard, a division that is not a province.
CODE, LETTERS, DIVISION = "91350203M0001ABCX0", "91350203M000IOSVZ0", "91990203M0001ABCX0"
OTHER = "91350203M0001ABCX1"
BECAUSE = "seen on the licence"


def accept(settings: Settings, code: str = CODE) -> bool:
    return codes.accept(settings, code, because=BECAUSE, actor="user test")


@pytest.mark.parametrize("code", [CODE, LETTERS, DIVISION])
def test_an_accepted_code_is_right_and_no_other(store_settings: Settings, code: str) -> None:
    assert "firmpulse firms accept-code" in str(Codes(store_settings).problem(code))
    assert accept(store_settings, code)
    assert not accept(store_settings, f" {code.lower()} ")
    checked = Codes(store_settings)
    assert checked.problem(code) is None
    assert checked.is_accepted(code)
    assert "firmpulse firms accept-code" in str(checked.problem(OTHER))
    assert not checked.is_accepted(OTHER)
    assert audit.verify(store_settings).ok


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("91440300192203821", "17 characters"),
        (CODE + "0", "19 characters"),
        ("91350203M0001AB#X0", "no code uses"),
        ("91350203M0001ABÄX0", "no code uses"),
        ("B1350203M0001ABCX0", "not a registration department"),
        ("51350203M0001ABCX0", "check character"),
        ("9135O203M0001ABCX0", "no code uses"),
        ("914403001922038216", "needs no exception"),
    ],
)
def test_what_no_registry_explains_cannot_be_accepted(
    settings: Settings, code: str, reason: str
) -> None:
    with pytest.raises(GrantError, match=reason) as error:
        accept(settings, code)
    assert code not in str(error.value)
    assert codes.listed(settings) == []


def test_the_code_is_nowhere_in_the_control_store(settings: Settings) -> None:
    accept(settings)
    audit.append(settings, "QUERY", actor="user test", sql=f"from t where uscc = '{CODE}'")
    with pytest.raises(GrantError, match="long number or code"):
        codes.accept(settings, LETTERS, because=f"it is {LETTERS}", actor="user test")
    with pytest.raises(GrantError, match="long number or code"):
        codes.accept(settings, LETTERS, because=BECAUSE, actor=LETTERS)
    with pytest.raises(GrantError, match="say why"):
        codes.accept(settings, LETTERS, because=" ", actor="user test")
    codes.withdraw(settings, CODE, because="the licence was read wrongly", actor="user test")
    with sqlite3.connect(settings.root / "control" / "control.db") as connection:
        dump = "\n".join(connection.iterdump())
    assert "seen on the licence" in dump
    assert "(code)" in dump
    assert CODE not in dump.upper()
    told = [(e.action, e.subject) for e in audit.entries(settings, action="EXCEPT")]
    assert told == [("EXCEPT", codes.token_of(settings, CODE))] * 2


def test_a_withdrawn_exception_counts_no_more(settings: Settings) -> None:
    accept(settings)
    assert codes.withdraw(settings, CODE, because="read wrongly", actor="user test")
    assert not codes.withdraw(settings, CODE, because="read wrongly", actor="user test")
    assert Codes(settings).problem(CODE) is not None


def test_a_firm_that_has_granted_can_always_look_and_withdraw(settings: Settings) -> None:
    accept(settings)
    Ledger(settings).record([grant(firm=f"uscc:{CODE}")])
    codes.withdraw(settings, CODE, because="read wrongly", actor="user test")
    checked = Codes(settings)
    assert checked.problem(CODE) is not None
    assert checked.problem_of_known(CODE) is None
    assert checked.problem_of_known(OTHER) is not None


def test_exceptions_follow_a_new_version_of_the_token_key(store_settings: Settings) -> None:
    accept(store_settings)
    Ledger(store_settings).record([grant()])
    later = rotated(store_settings)
    with pytest.raises(NotReadyError, match="vault rotate --tokens"):
        accept(later, LETTERS)
    assert retoken.advance(later, actor="test") == 2
    assert Codes(later).problem(CODE) is None
    assert [one.firm_id for one in codes.listed(later)] == [codes.token_of(later, CODE)]
    assert accept(later, LETTERS)


def test_what_may_be_issued_is_told_from_other_texts() -> None:
    assert uscc.may_be_issued(CODE)
    assert not uscc.may_be_issued("TAXCUSTOMERCOUNTXX")
    assert not uscc.is_off_standard("914403001922038216")


def test_the_commands(settings: Settings) -> None:
    refused = firmpulse(settings.root, "consent", "grant", CODE, "--all")
    assert refused.returncode == 1
    assert "firmpulse firms accept-code" in refused.stderr
    assert CODE not in refused.stderr
    said = done(
        settings.root, "firms", "accept-code", CODE.lower(), "--because", BECAUSE, "--by", "Li"
    )
    assert "accepted 已登记" in said
    listed = done(settings.root, "firms", "accepted-codes")
    assert codes.token_of(settings, CODE) in listed
    assert "Li" in listed
    assert CODE not in said + listed
    assert "granted 已授权 8" in done(settings.root, "consent", "grant", CODE, "--all")
    assert "withdrawn 已撤销" in done(
        settings.root, "firms", "withdraw-code", CODE, "--because", "read wrongly"
    )
    assert "in force" not in done(settings.root, "consent", "status", CODE, "--on", str(DAY))
