"""Grants from a file: what is recorded, what is refused, and the firms of the tokens."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from consent.intake import import_grants, import_night
from consent.ledger import Ledger
from firmpulse import warehouse
from firmpulse.errors import NotReadyError, WrongKeyError
from firmpulse.keys import keyring, tokens
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
        "separate_consent": changes.get("source") == "bank",
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
    token = tokens.firm_token(keyring.load(settings, "token_key"), f"uscc:{CODE}")
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
        ({"source": "gossip"}, "source must be one of tax, bank, supply_chain, power"),
        ({"purpose": "CURIOSITY"}, "purpose must be one of CREDIT_EVAL"),
        ({"valid_to": "2020-01-01"}, "valid_to is before valid_from"),
        ({"window_start": "soon"}, "line 2: window_start: "),
        ({"extra": 1}, "line 2: extra: "),
        ({"grantor_role": "cousin"}, "grantor_role must be one of legal_representative"),
        ({"text_sha256": "short"}, "line 2: text_sha256: "),
        ({"text_version": "ours"}, "the grant refers to a text ours that is not known here"),
        ({"text_sha256": "a" * 64}, "the grant has a different text_sha256 than the text 2026-01"),
        ({"source": "bank", "separate_consent": False}, "bank needs separate consent"),
        ({"source": "founder_credit"}, "founder_credit needs separate consent"),
        ({"authorization_id": f"A-{CODE}"}, "authorization_id contains a firm's code"),
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


def test_a_changed_grant_is_refused_and_the_others_recorded(settings: Settings) -> None:
    import_grants(settings, write(settings, line(1), line(2)))
    changed = line(1, recipient="other-bank", firm="uscc:9152000071430580XT")
    report = import_grants(
        settings, write(settings, changed, line(2), line(3), line(3, source="bank"), line(4))
    )
    assert (report.recorded, report.refused) == (2, 2)
    advice = "a firm that changes its mind revokes the grant and gives a new one"
    assert report.problems == (
        f"line 1: the grant is known with another recipient; {advice}",
        f"line 4: the grant is known with another source; {advice}",
    )
    live = Ledger(settings).live(date(2024, 1, 1)).sort("authorization_id")
    assert live["authorization_id"].to_list() == ["A-1", "A-2", "A-3", "A-4"]
    assert live["source"].to_list() == ["tax"] * 4
    with warehouse.connect(settings, vault=True) as connection:
        firms = connection.execute("select firm from vault.ops.firm_directory").fetchall()
    assert firms == [(f"uscc:{CODE}",)]


def test_a_wrong_token_key_is_no_contradiction(settings: Settings) -> None:
    path = write(settings, line(1))
    import_grants(settings, path)
    (settings.keys_dir / "token_key").write_text("ab" * 32, encoding="ascii")
    with pytest.raises(WrongKeyError, match="the token_key file"):
        import_grants(settings, path)
    with pytest.raises(WrongKeyError), warehouse.connect(settings, vault=True):
        pass
    with warehouse.connect(settings, vault=False):
        pass


def test_a_missing_file_is_an_error_and_a_night_without_one_is_not(settings: Settings) -> None:
    path = settings.inbox / "consent" / "grants.jsonl"
    with pytest.raises(NotReadyError, match=r"grants\.jsonl"):
        import_grants(settings, path)
    assert import_night(settings) == {"recorded": 0, "refused": 0, "problems": []}
    write(settings, line())
    assert import_night(settings)["recorded"] == 1


def test_new_fields_and_supplements_come_in(settings: Settings) -> None:
    own = {"text_version": "our-bank-7", "text_sha256": "b" * 64}
    founder = line(1, source="founder_credit", separate_consent=True, grantor_role="founder", **own)
    projects = line(2, source="project_contracts", keep_results=True)
    report = import_grants(settings, write(settings, founder, projects))
    assert (report.recorded, report.problems) == (2, ())
    firm_id = Ledger(settings).live(date(2024, 1, 1))["firm_id"][0]
    rows = Ledger(settings).status(firm_id, date(2024, 1, 1)).rows(named=True)
    assert [
        (row["source"], row["keep_results"], row["separate_consent"], row["grantor_role"])
        for row in rows
    ] == [
        ("founder_credit", False, True, "founder"),
        ("project_contracts", True, False, "legal_representative"),
    ]


def test_a_firm_that_was_erased_does_not_come_back_with_its_old_grants(settings: Settings) -> None:
    path = write(settings, line(1), line(2, firm="uscc:9152000071430580XT"))
    import_grants(settings, path)
    ledger = Ledger(settings)
    firm_id = str(tokens.firm_token(keyring.load(settings, "token_key"), f"uscc:{CODE}"))
    ledger.revoke(firm_id, on=date(2024, 1, 1), actor="test")
    ledger.purged(["A-1"], on=date(2024, 1, 1), certificate_id=None)
    with warehouse.connect(settings, vault=True) as connection:
        connection.execute("delete from vault.ops.firm_directory where firm_id = ?", [firm_id])
    assert import_grants(settings, path).recorded == 0
    with warehouse.connect(settings, vault=True) as connection:
        firms = connection.execute("select firm from vault.ops.firm_directory").fetchall()
    assert firms == [("uscc:9152000071430580XT",)]


def test_the_file_of_a_night_leaves_the_inbox_but_for_refused_lines(settings: Settings) -> None:
    folder = write(settings, line(), "not a grant").parent
    assert import_night(settings)["refused"] == 1
    assert [path.name for path in folder.iterdir()] == ["grants.refused.jsonl"]
    assert (folder / "grants.refused.jsonl").read_bytes() == b"not a grant\n"
    write(settings, line())
    assert import_night(settings) == {"recorded": 0, "refused": 0, "problems": []}
    assert not (folder / "grants.jsonl").exists()
