"""A new version of the token key: the grants follow it, history can still be found."""

from datetime import date

import pytest
from pydantic import SecretStr

from consent import audit, retoken
from consent.ledger import Ledger
from firmpulse.errors import NotReadyError, WrongKeyError
from firmpulse.keys import keyring
from firmpulse.settings import Settings
from tests.consent.test_ledger import DAY, FIRM, grant, token_of


def rotated(settings: Settings) -> Settings:
    old = keyring.load(settings, "token_key").get_secret_value()
    return settings.model_copy(update={"token_key": SecretStr(f"{old},{'c' * 64}")})


def test_grants_follow_the_key_and_are_found_by_the_new_token(store_settings: Settings) -> None:
    Ledger(store_settings).record([grant(1), grant(2, source="power")])
    before, after = token_of(store_settings), token_of(rotated(store_settings))
    assert before != after
    later = rotated(store_settings)
    with pytest.raises(NotReadyError, match="vault rotate --tokens"):
        Ledger(later).record([grant(3)])
    assert retoken.advance(later, actor="test") == 1
    assert retoken.advance(later, actor="test") == 0
    ledger = Ledger(later)
    assert set(ledger.live(DAY)["firm_id"]) == {after}
    assert ledger.record([grant(1), grant(3)]) == 1
    assert ledger.history(after)["event"].to_list() == ["GRANT", "GRANT", "GRANT"]
    assert ledger.status(before, date(2024, 7, 1)).is_empty()
    assert retoken.firm_tokens(later, FIRM) == [before, after]
    told = audit.entries(later, subjects=retoken.firm_tokens(later, FIRM))
    assert [entry.subject for entry in told] == [before, before, after]
    assert audit.verify(later).ok


def test_another_token_key_is_refused(settings: Settings) -> None:
    Ledger(settings).record([grant()])
    other = settings.model_copy(update={"token_key": SecretStr("d" * 64)})
    with pytest.raises(WrongKeyError, match="FIRMPULSE_TOKEN_KEY"):
        Ledger(other).record([grant(2)])
    with pytest.raises(WrongKeyError, match="FIRMPULSE_TOKEN_KEY"):
        retoken.advance(other, actor="test")
