"""A non-standard code, from refusal to acceptance: rows, grants and applications."""

from datetime import date
from pathlib import Path

import pytest

from consent import intake, retoken
from consent.codes import Codes
from extracts.applications.files import check_file
from extracts.vault import nightly
from extracts.vault.landing import Counts
from firmpulse.settings import Settings
from tests.consent.test_codes import CODE, OTHER, accept
from tests.consent.test_retoken import rotated
from tests.extracts.inbox import AS_OF, FIRM, csv, deliver, grant, payment, permit, query

COMMAND = "firmpulse firms accept-code CODE --because REASON"
CASE = Path(__file__).parents[3] / "shared" / "cases" / "19-uscc-off-standard"
HEADER = "企业名称,统一社会信用代码,成立日期,营业执照号,行业代码\n"


def _line(code: str) -> str:
    return (
        f'{{"authorization_id": "A-{code[-2:]}", "firm": "uscc:{code}", "source": "tax", '
        '"purpose": "POST_LOAN_MONITOR", "recipient": "demo-bank", "window_start": "2023-01-01", '
        '"valid_from": "2023-01-01", "valid_to": "2026-12-31", "text_version": "2026-01"}\n'
    )


def _import(settings: Settings, *firms: str) -> intake.IntakeReport:
    path = settings.inbox / "consent" / "grants.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(map(_line, firms)), encoding="utf-8")
    return intake.import_grants(settings, path)


def test_rows_are_refused_with_the_next_step_until_a_person_accepts_the_code(
    settings: Settings,
) -> None:
    permit(settings)
    rows = csv([payment(CODE), payment(OTHER), payment(FIRM), payment(FIRM[:17] + "7")])
    deliver(settings, {"a.csv": rows})
    refused = nightly.land(settings, "tax", AS_OF)
    assert refused.totals == Counts(read=4, landed=1, quarantined=3)
    (sentence,) = refused.problems
    assert (
        "tax-1: tax_payment: 3 rows are in quarantine for codes that violate GB 32100" in sentence
    )
    assert COMMAND in sentence
    assert "new delivery_id" in sentence
    assert query(
        settings, "select distinct rule, value_class, record from vault.ops.quarantine"
    ) == [("uscc", "code", None)]
    accept(settings)
    permit(settings, grant(f"uscc:{CODE}"), grant(f"uscc:{OTHER}"))
    deliver(settings, {"a.csv": rows}, delivery_id="tax-2")
    taken = nightly.land(settings, "tax", AS_OF)
    assert taken.totals == Counts(read=4, landed=1, duplicate=1, quarantined=2)
    assert query(settings, "select firm from vault.raw.tax_payment where delivery_seq = 2") == [
        (f"uscc:{CODE}",)
    ]


def test_a_code_of_a_wrong_length_has_no_such_next_step(settings: Settings) -> None:
    permit(settings)
    deliver(settings, {"a.csv": csv([payment(FIRM[:17]), payment(FIRM)])})
    report = nightly.land(settings, "tax", AS_OF)
    assert report.totals == Counts(read=2, landed=1, quarantined=1)
    assert report.problems == ()


def test_grants_of_the_firm_are_taken_and_of_another_not(settings: Settings) -> None:
    refused = _import(settings, CODE, OTHER)
    assert (refused.recorded, refused.refused) == (0, 2)
    assert all(COMMAND in problem and CODE not in problem for problem in refused.problems)
    accept(settings)
    taken = _import(settings, CODE, OTHER)
    assert (taken.recorded, taken.refused, taken.refused_lines) == (1, 1, (2,))


def test_rows_are_taken_under_the_next_version_of_the_tokens(settings: Settings) -> None:
    accept(settings)
    later = rotated(settings)
    retoken.advance(later, actor="test")
    permit(later, grant(f"uscc:{CODE}"))
    deliver(later, {"a.csv": csv([payment(CODE)])})
    assert nightly.land(later, "tax", AS_OF).totals == Counts(read=1, landed=1)


def _checked(settings: Settings, path: Path) -> list[tuple[str, str, str]]:
    found = check_file(path, date(2026, 11, 29), Codes(settings).is_accepted)
    return [(m.message.field, m.message.severity, m.message.code) for m in found.messages]


def test_an_application_is_taken(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "applications.csv"
    path.write_text(f"{HEADER}某某贸易有限公司,{CODE},2015-03-01,{CODE},F51\n", encoding="utf-8")
    assert _checked(settings, path) == [
        ("uscc", "error", "check_character"), ("licence_no", "error", "licence_wrong"),
    ]  # fmt: skip
    (first, _) = check_file(path, date(2026, 11, 29)).messages
    assert COMMAND in first.message.zh
    assert COMMAND in first.message.en
    accept(settings)
    assert _checked(settings, path) == [("uscc", "warning", "accepted_code")]
    path.write_text(f"{HEADER}某某贸易有限公司,{OTHER},2015-03-01,{OTHER},F51\n", encoding="utf-8")
    assert ("uscc", "error", "check_character") in _checked(settings, path)


def test_an_accepted_code_of_no_province_goes_with_an_old_licence_number(
    settings: Settings, tmp_path: Path
) -> None:
    code, licence = "91990203M0001ABCX0", "350200100012341"
    path = tmp_path / "applications.csv"
    path.write_text(f"{HEADER}某某贸易有限公司,{code},2015-03-01,{licence},F51\n", encoding="utf-8")
    accept(settings, code)
    assert ("licence_no", "error", "licence_province") not in _checked(settings, path)


@pytest.mark.skipif(not CASE.is_dir(), reason="the cases are not in ../shared")
def test_the_case(settings: Settings) -> None:
    path, day = CASE / "applications.csv", date(2026, 11, 29)
    assert check_file(path, day, Codes(settings).is_accepted).count("error") == 2
    accept(settings, "91350203M0001ABCX0")
    assert check_file(path, day, Codes(settings).is_accepted).count("error") == 0
