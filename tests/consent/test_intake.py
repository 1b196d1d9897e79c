"""Grants from a file: what is recorded, what is refused, and who the tokens stand for."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from consent.intake import import_grants, import_night
from consent.ledger import Ledger
from firmpulse import keys, tokens, warehouse
from firmpulse.errors import GrantError, NotReadyError
from firmpulse.settings import Settings

CODE = "914403001922038216"


def line(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "authorization_id": f"A-{number}",
        "firm": f"uscc:{CODE}",
        "source": "tax",
        "purpose": "POST_LOAN_MONITOR",
        "recipient": "demo-bank",
        "window_start": "2023-11-01",
        "valid_from": "2023-11-01",
        "valid_to": "2028-10-31",
        "text_version": "2026-01",
        **changes,
    }


def write(settings: Settings, *lines: dict[str, Any] | str) -> Path:
    folder = settings.inbox / "consent"
    folder.mkdir(parents=True, exist_ok=True)
    texts = [entry if isinstance(entry, str) else json.dumps(entry) for entry in lines]
    path = folder / "grants.jsonl"
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def test_grants_and_directory_are_written_once(settings: Settings) -> None:
    path = write(settings, line(1), line(2, firm=f"uscc: {CODE.lower()}", source="bank"))
    for recorded in (2, 0):
        report = import_grants(settings, path)
        assert (report.recorded, report.refused, report.problems) == (recorded, 0, ())
    token = tokens.firm_token(keys.load(settings, "token_key"), f"uscc:{CODE}")
    with warehouse.connect(settings, vault=True) as connection:
        found = connection.execute("from vault.ops.firm_directory").fetchall()
    assert found == [(token, f"uscc:{CODE}")]
    assert set(Ledger(settings).live(date(2024, 1, 1))["firm_id"]) == {str(token)}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"firm": f"uscc:{CODE[:17]}7"}, "line 2: firm: the code does not match its check"),
        ({"firm": f"uscc:{CODE[:17]}"}, "line 2: firm: the code has 17 characters instead of 18"),
        ({"firm": CODE}, "line 2: firm: "),
        ({"source": "gossip"}, "source is none of tax, bank, supply_chain, power"),
        ({"purpose": "CURIOSITY"}, "purpose is none of CREDIT_EVAL"),
        ({"valid_to": "2020-01-01"}, "valid_to is before valid_from"),
        ({"window_start": "soon"}, "line 2: window_start: "),
        ({"extra": 1}, "line 2: extra: "),
    ],
)
def test_a_malformed_grant_is_refused_without_its_identifier(
    settings: Settings, changes: dict[str, Any], problem: str
) -> None:
    report = import_grants(settings, write(settings, line(1), line(2, **changes), "", line(3)))
    assert (report.recorded, report.refused) == (2, 1)
    assert problem in report.problems[0]
    assert CODE[:17] not in report.problems[0]


def test_a_line_that_is_no_json_is_refused(settings: Settings) -> None:
    report = import_grants(settings, write(settings, "{", line()))
    assert (report.recorded, report.refused) == (1, 1)


def test_a_contradiction_stops_the_intake(settings: Settings) -> None:
    import_grants(settings, write(settings, line(1)))
    with pytest.raises(GrantError, match="A-1 is known with another recipient"):
        import_grants(settings, write(settings, line(1, recipient="other-bank")))


def test_a_missing_file_is_an_error_and_a_night_without_one_is_not(settings: Settings) -> None:
    path = settings.inbox / "consent" / "grants.jsonl"
    with pytest.raises(NotReadyError, match=r"grants\.jsonl"):
        import_grants(settings, path)
    assert import_night(settings) == {"recorded": 0, "refused": 0, "problems": []}
    write(settings, line())
    assert import_night(settings)["recorded"] == 1
