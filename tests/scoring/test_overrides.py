"""Overrides: refusals, who may decide, what is published and what the chain records."""

import json
import shutil
from collections.abc import Callable
from datetime import date

import duckdb
import polars as pl
import pytest
from typer.testing import CliRunner

import cli
from consent import audit
from consent.grants import Grant
from consent.ledger import Ledger
from erasure import withdrawals
from firmpulse import warehouse
from firmpulse.errors import ConfigurationError, NotReadyError
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from firmpulse.stored_tables import SCORES
from scoring import override_backtest, overrides, publish, store

NIGHT = date(2026, 10, 31)
SOUND, WEAK, DEFAULTED = (f"00000000-0000-0000-0000-00000000000{n}" for n in (1, 2, 3))


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Score three firms: BB, AAA and one in default; and the outcome of the first."""
    settings = Settings(home=tmp_path_factory.mktemp("origin") / "home", memory_limit="2GB")
    rows = [
        {**dict.fromkeys(SCORES.columns), "firm_id": firm, "as_of": NIGHT, "grade": grade}
        for firm, grade in ((SOUND, "BB"), (WEAK, "AAA"), (DEFAULTED, "D"))
    ]
    with warehouse.connect(settings) as connection:
        store.replace_firms(connection, SCORES, pl.DataFrame(rows), NIGHT)
        connection.execute("create schema warehouse.labels")
        connection.execute(
            "create table warehouse.labels.default_12m as select cast(? as uuid) as firm_id, "
            "date '2026-09-30' as as_of, 'bad' as outcome, date '2027-10-05' as available_at, "
            "date '9999-12-31' as superseded_at",
            [SOUND],
        )
    return settings


@pytest.fixture
def home(settings: Settings, origin: Settings) -> Settings:
    """Return a copy of that home."""
    shutil.copytree(origin.root, settings.root)
    return settings


def _propose(home: Settings, **other: str) -> overrides.Override:
    given = {"firm_id": SOUND, "grade": "CCC", "reason_code": "SITE_VISIT", "maker": "Li Wei"}
    values = given | other
    return overrides.propose(
        home, values["firm_id"], NIGHT, values["grade"], values["reason_code"], values["maker"]
    )


@pytest.mark.parametrize(
    ("other", "error", "reason"),
    [
        ({"grade": "CC"}, ConfigurationError, "3 notches from the model's BB; at most 2"),
        ({"grade": "AA"}, ConfigurationError, "3 notches"),
        ({"grade": "BB"}, ConfigurationError, "BB is the model's own grade"),
        ({"grade": "D"}, ConfigurationError, "no grade 'D'"),
        ({"reason_code": "GUT_FEELING"}, ConfigurationError, "use one of FRESH_FACTS, DATA_ERROR"),
        ({"maker": " "}, ConfigurationError, "the maker must be named"),
        ({"firm_id": DEFAULTED}, ConfigurationError, "in default"),
        ({"firm_id": "00000000-0000-0000-0000-000000000009"}, NotReadyError, "no score"),
    ],
)
def test_what_is_no_override(
    home: Settings, other: dict[str, str], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        _propose(home, **other)
    assert overrides.listed(home) == []


@pytest.mark.parametrize("grade", ["A", "BBB", "B", "CCC"])
def test_up_to_two_notches_are_taken(home: Settings, grade: str) -> None:
    assert _propose(home, grade=grade).grade == grade


def test_the_end_of_the_scale_has_fewer_neighbours(home: Settings) -> None:
    assert _propose(home, firm_id=WEAK, grade="A").model_grade == "AAA"


@pytest.mark.parametrize("checker", ["Li Wei", "li  wei ", "Ｌｉ Ｗｅｉ", "Li Wei\u200b"])
def test_nobody_decides_what_they_proposed(home: Settings, checker: str) -> None:
    made = _propose(home)
    with pytest.raises(ConfigurationError, match="someone else must decide it"):
        overrides.decide(home, made.override_id, checker, approve=True)
    assert overrides.listed(home)[0].status == "proposed"


def test_an_approved_grade_is_published_beside_the_models(home: Settings) -> None:
    made = _propose(home)
    path = publish.publish(home, NIGHT)
    assert _grades(str(path))[SOUND] == ("BB", "BB")
    decided = overrides.decide(home, made.override_id, "Zhang Min", approve=True)
    assert (decided.status, decided.checker) == ("approved", "Zhang Min")
    assert _grades(str(publish.publish_again(home)))[SOUND] == ("BB", "CCC")
    assert overrides.rate(home, NIGHT).share == pytest.approx(1 / 3)
    assert overrides.rate(home, NIGHT).light == "red"


def test_a_rejected_one_changes_nothing_and_makes_room(home: Settings) -> None:
    made = _propose(home)
    with pytest.raises(NotReadyError, match=f"override {made.override_id} .* is proposed"):
        _propose(home)
    overrides.decide(home, made.override_id, "Zhang Min", approve=False)
    assert _grades(str(publish.publish(home, NIGHT)))[SOUND] == ("BB", "BB")
    with pytest.raises(NotReadyError, match="was rejected by Zhang Min"):
        overrides.decide(home, made.override_id, "Wang Fang", approve=True)
    assert _propose(home, grade="B").status == "proposed"


def test_an_unknown_override_names_the_list(home: Settings) -> None:
    with pytest.raises(NotReadyError, match="firmpulse override list"):
        overrides.decide(home, "nothing", "Zhang Min", approve=True)


def test_every_step_is_in_the_audit_chain(home: Settings) -> None:
    made = _propose(home)
    overrides.decide(home, made.override_id, "Zhang Min", approve=True)
    entries = audit.entries(home, action="OVERRIDE")
    details = [json.loads(entry.details) for entry in entries]
    steps = [
        (entry.subject, one["step"], one["by"]) for entry, one in zip(entries, details, strict=True)
    ]
    assert steps == [(SOUND, "propose", "Li Wei"), (SOUND, "approved", "Zhang Min")]


def test_outcomes_count_once_they_are_known(home: Settings) -> None:
    made = _propose(home)
    overrides.decide(home, made.override_id, "Zhang Min", approve=True)
    assert override_backtest.backtest(home, date(2027, 10, 4)).matured == 0
    found = override_backtest.backtest(home, date(2027, 10, 5))
    assert (found.matured, found.defaulted, found.is_telling) == (1, 1, False)
    # Middles of the bands 1.5 % to 2.8 % and 5 % to 9 %.
    assert found.expected_by_model == pytest.approx((0.015 * 0.028) ** 0.5)
    assert found.expected_by_persons == pytest.approx((0.05 * 0.09) ** 0.5)


def test_an_older_quarter_does_not_stand_in_for_one_that_is_not_known(home: Settings) -> None:
    with warehouse.connect(home) as connection:
        connection.execute(
            "update warehouse.labels.default_12m set as_of = date '2026-06-30', "
            "available_at = date '2027-07-05'"
        )
        connection.execute("update warehouse.scoring.scores set as_of = date '2026-09-30'")
    quarter = date(2026, 9, 30)
    made = overrides.propose(home, SOUND, quarter, "CCC", "SITE_VISIT", "Li Wei")
    overrides.decide(home, made.override_id, "Zhang Min", approve=True)
    assert override_backtest.backtest(home, date(2027, 9, 30)).matured == 0
    with warehouse.connect(home) as connection:
        connection.execute("update warehouse.labels.default_12m set as_of = date '2026-09-30'")
    assert override_backtest.backtest(home, date(2027, 9, 30)).matured == 1


def test_a_firm_overridden_twice_in_a_quarter_has_one_outcome(home: Settings) -> None:
    """The newest override counts."""
    for night, grade in ((NIGHT, "CCC"), (date(2026, 11, 30), "B")):
        with warehouse.connect(home) as connection:
            connection.execute("update warehouse.scoring.scores set as_of = ?", [night])
        made = overrides.propose(home, SOUND, night, grade, "SITE_VISIT", "Li Wei")
        overrides.decide(home, made.override_id, "Zhang Min", approve=True)
    found = override_backtest.backtest(home, date(2027, 10, 5))
    assert (found.matured, found.defaulted) == (1, 1)
    assert found.expected_by_persons == pytest.approx((0.028 * 0.05) ** 0.5)


def test_without_any_outcomes_the_next_step_is_named(settings: Settings) -> None:
    with pytest.raises(NotReadyError, match="firmpulse night --as-of 2027-10-05"):
        override_backtest.backtest(settings, date(2027, 10, 5))


def test_an_override_of_a_grade_that_the_model_took_back(home: Settings) -> None:
    """The night ran again meanwhile: an override of BB does not apply to D."""
    made = _propose(home)
    _rescore(home, "D")
    with pytest.raises(NotReadyError, match="is for the grade BB; the model now gives D"):
        overrides.decide(home, made.override_id, "Zhang Min", approve=True)
    assert overrides.decide(home, made.override_id, "Zhang Min", approve=False).status == "rejected"


def test_a_new_grade_makes_room_for_a_new_override(home: Settings) -> None:
    made = _propose(home)
    overrides.decide(home, made.override_id, "Zhang Min", approve=True)
    assert overrides.rate(home, NIGHT).overridden == 1
    _rescore(home, "B")
    assert overrides.rate(home, NIGHT).overridden == 0
    assert _propose(home, grade="CC").model_grade == "B"


def test_deciding_shows_nobody_whose_grants_ended_since(
    home: Settings, monkeypatch: pytest.MonkeyPatch, clock_at: Callable[[date], None]
) -> None:
    later = date(2026, 11, 30)
    clock_at(later)
    token = _grant_until(home, date(2026, 11, 15))
    with warehouse.connect(home) as connection:
        connection.execute("update warehouse.scoring.scores set firm_id = ? where grade = 'AAA'",
                           [token])  # fmt: skip
    assert token in _grades(str(publish.publish(home, NIGHT)))
    path = publish.publish(home, later, withdrawals.withheld(home))
    assert token not in _grades(str(path))
    made = _propose(home)
    monkeypatch.setenv("FIRMPULSE_HOME", str(home.root))
    decided = CliRunner().invoke(
        cli.app, ["override", "decide", made.override_id, "--approve", "--checker", "Zhang Min"]
    )
    assert decided.exit_code == 0, decided.output
    assert "1 of 3 scored firms (33.3%)" in decided.output
    assert _grades(str(path)) == {SOUND: ("BB", "CCC"), DEFAULTED: ("D", "D")}


def test_the_list_shows_the_whole_number(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    made = _propose(home)
    monkeypatch.setenv("FIRMPULSE_HOME", str(home.root))
    monkeypatch.setenv("COLUMNS", "80")
    assert made.override_id in CliRunner().invoke(cli.app, ["override", "list"]).output


def _rescore(home: Settings, grade: str) -> None:
    with warehouse.connect(home) as connection:
        connection.execute(
            "update warehouse.scoring.scores set grade = ? where firm_id = ?", [grade, SOUND]
        )


def _grant_until(home: Settings, last: date) -> str:
    """Record a grant of a firm and return the firm's token."""
    grant = Grant(
        authorization_id="A-1", firm="case:over", source="tax", purpose="POST_LOAN_MONITOR",
        recipient="demo-bank", window_start=date(2023, 11, 1), valid_from=date(2026, 1, 1),
        valid_to=last, text_version="2026-01",
    )  # fmt: skip
    Ledger(home).record([grant])
    return str(tokens.firm_token(keyring.load(home, "token_key"), "case:over"))


def _grades(path: str) -> dict[str, tuple[str, str]]:
    with duckdb.connect(path, read_only=True) as analyst:
        rows = analyst.execute("select firm_id, grade, final_grade from latest_scores").fetchall()
    return {firm: (grade, final) for firm, grade, final in rows}
