"""The ledger: which firm's data may be used for what on which day, by token only."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from consent.grants import Grant
from consent.ledger import Ledger
from firmpulse.errors import GrantError
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings

FIRM = "uscc:914403001922038216"
DAY = date(2024, 6, 30)


def grant(number: int = 1, **changes: Any) -> Grant:
    terms: dict[str, Any] = {
        "authorization_id": f"A-{number}",
        "firm": FIRM,
        "source": "tax",
        "purpose": "CREDIT_EVAL",
        "recipient": "demo-bank",
        "window_start": date(2023, 1, 1),
        "valid_from": date(2024, 1, 1),
        "valid_to": date(2024, 12, 31),
        "text_version": "2026-01",
    }
    return Grant(**(terms | changes))


def token_of(settings: Settings, firm: str = FIRM) -> str:
    return str(tokens.firm_token(keyring.load(settings, "token_key"), firm))


def test_recording_twice_adds_once(settings: Settings) -> None:
    ledger = Ledger(settings)
    assert ledger.record([grant(1), grant(2, source="bank")]) == 2
    assert ledger.record([grant(1), grant(2, source="bank"), grant(3)]) == 1
    assert ledger.live(DAY).height == 3


def test_live_has_one_row_per_grant_in_force(settings: Settings) -> None:
    ledger = Ledger(settings)
    ledger.record([grant()])
    expected = pl.DataFrame(
        {
            "authorization_id": ["A-1"],
            "firm_id": [token_of(settings)],
            "source": ["tax"],
            "purpose": ["CREDIT_EVAL"],
            "recipient": ["demo-bank"],
            "window_start": [date(2023, 1, 1)],
            "valid_from": [date(2024, 1, 1)],
            "valid_to": [date(2024, 12, 31)],
            "keep_results": [False],
        }
    )
    assert ledger.live(DAY).equals(expected)
    assert ledger.live(DAY, "tax").equals(expected)
    assert ledger.live(DAY, "bank").is_empty()
    assert ledger.live(DAY, "bank").schema == expected.schema


@pytest.mark.parametrize(
    ("day", "count"),
    [
        (date(2023, 12, 31), 0),
        (date(2024, 1, 1), 1),
        (date(2024, 12, 31), 1),
        (date(2025, 1, 1), 0),
    ],
)
def test_first_and_last_day_are_in_force(settings: Settings, day: date, count: int) -> None:
    ledger = Ledger(settings)
    ledger.record([grant()])
    assert ledger.live(day).height == count


def test_a_revoked_grant_is_in_force_on_no_day(settings: Settings) -> None:
    ledger = Ledger(settings)
    ledger.record([grant(1), grant(2)])
    firm_id = token_of(settings)
    assert ledger.revoke(firm_id, on=DAY, authorization_id="A-1", actor="test") == ["A-1"]
    later = date(2024, 7, 1)
    assert ledger.revoke(firm_id, on=later, authorization_id="A-1", actor="test") == []
    assert ledger.ended(later)["ended_on"].to_list() == [DAY]
    assert ledger.live(date(2024, 2, 1))["authorization_id"].to_list() == ["A-2"]
    assert ledger.record([grant(1)]) == 0
    assert ledger.live(DAY)["authorization_id"].to_list() == ["A-2"]


def test_revoking_an_unknown_grant_is_an_error(settings: Settings) -> None:
    with pytest.raises(GrantError, match="there is no grant A-9"):
        Ledger(settings).revoke(token_of(settings), on=DAY, authorization_id="A-9", actor="test")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"valid_to": date(2030, 1, 1)}, "valid_to"),
        ({"firm": "uscc:9152000071430580XT"}, "firm;"),
        ({"purpose": "MODEL_TRAINING"}, "purpose"),
    ],
)
def test_a_contradiction_records_nothing(
    settings: Settings, changes: dict[str, Any], named: str
) -> None:
    ledger = Ledger(settings)
    ledger.record([grant(1)])
    with pytest.raises(GrantError, match=f"A-1 is known with another {named}"):
        ledger.record([grant(2), grant(1, **changes)])
    with pytest.raises(GrantError, match="A-3"):
        ledger.record([grant(3), grant(3, **changes)])
    assert ledger.live(DAY)["authorization_id"].to_list() == ["A-1"]


def test_summary_counts_by_source_and_purpose(settings: Settings) -> None:
    ledger = Ledger(settings)
    other = "uscc:9152000071430580XT"
    ledger.record(
        [
            grant(1),
            grant(2),
            grant(3, firm=other),
            grant(4, valid_from=date(2024, 7, 1)),
            grant(5, valid_to=date(2024, 6, 29)),
            grant(6),
            grant(7, source="bank"),
        ]
    )
    ledger.revoke(token_of(settings), on=DAY, authorization_id="A-6", actor="test")
    assert ledger.summary(DAY).rows() == [
        ("bank", "CREDIT_EVAL", 1, 1, 0, 0, 0),
        ("tax", "CREDIT_EVAL", 2, 3, 1, 1, 1),
    ]


def test_many_grants_at_once(settings: Settings) -> None:
    ledger = Ledger(settings)
    grants = [grant(number, firm=f"demo:{number}") for number in range(12_000)]
    assert ledger.record(grants) == 12_000
    assert ledger.record(grants) == 0
    assert ledger.live(DAY)["firm_id"].n_unique() == 12_000


def test_no_identifier_is_in_the_control_store(settings: Settings) -> None:
    Ledger(settings).record([grant()])
    path = settings.root / "control" / "control.db"
    content = path.read_bytes()
    assert b"A-1" in content
    assert FIRM.removeprefix("uscc:").encode() not in content


def test_the_control_store_may_live_elsewhere(settings: Settings, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'elsewhere' / 'ledger.db'}"
    Ledger(settings.model_copy(update={"control_url": url})).record([grant()])
    assert (tmp_path / "elsewhere" / "ledger.db").is_file()
    assert not (settings.root / "control" / "control.db").exists()
