"""The back-test: what was known at each month end, and the outcomes."""

import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import cli
from cli import backtest_table
from firmpulse import warehouse
from firmpulse.settings import Settings
from operations import backtest
from operations.backtest import BackTest
from tests.credit_economy import Trained

RULES = """
freshness: {}
least_peers: 20
rules:
  - {id: CASH, level: yellow, source: bank, unit: days, zh: 现金, en: cash,
     when: [{value: bank_days_cash_6m, at_most: -1}]}
  - {id: SALES, level: orange, source: tax, unit: share, zh: 销售, en: sales,
     when: [{value: tax_sales_12m, at_most: -2}]}
  - {id: PD, level: red, source: model, unit: share, zh: 概率, en: PD,
     when: [{value: default_prob, at_least: 0.3}]}
"""
# First month end with a year before it; the last one has its outcomes by AS_OF.
DAYS = (date(2025, 1, 31), date(2025, 4, 30), date(2025, 7, 31), date(2025, 10, 31))


@pytest.fixture(scope="module")
def home(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a copy of the trained economy with rules on its features; models stay in place."""
    root = tmp_path_factory.mktemp("backtest") / "home"
    shutil.copytree(trained.settings.root, root)
    (root / "warning_rules.yml").write_text(RULES, encoding="utf-8")
    uri = trained.settings.mlflow_tracking_uri
    return Settings(home=root, threads=2, memory_limit="2GB", mlflow_uri=uri)


@pytest.fixture(scope="module")
def found(home: Settings, trained: Trained) -> BackTest:
    return backtest.run(home, trained.candidate.version, alert_rate=0.1, draws=20)


def _outcomes(home: Settings, days: tuple[date, ...]) -> pl.DataFrame:
    """Return firm, day, cash and whether a firm that had not defaulted did so in 30 to 184 days."""
    with warehouse.connect(home) as connection:
        return connection.execute(
            """
            with defaults as (
                select firm_id, min(last_day(month)) as day
                from warehouse.facts.fct_loan_monthly where days_past_due >= 90 group by 1
            )
            select
                loans.firm_id, days.as_of, bank_days_cash_6m as cash,
                coalesce(defaults.day - days.as_of between 30 and 184, false) as hit
            from (select distinct firm_id from warehouse.facts.fct_loan_monthly) as loans
            cross join (select unnest(?) as as_of) as days
            left join warehouse.features.feat_bank_monthly as bank using (firm_id, as_of)
            left join defaults using (firm_id)
            where defaults.day is null or defaults.day > days.as_of
            """,
            [list(days)],
        ).pl()


def test_each_month_end_with_known_outcomes_is_looked_at(found: BackTest) -> None:
    assert found.history.days == DAYS
    # By AS_OF the year after 31 July is over and known: it and the quarter before are out of time.
    assert found.out_of_time.days == DAYS[1:]


def test_a_rule_is_worth_what_came_of_its_firms(home: Settings, found: BackTest) -> None:
    expected = _outcomes(home, DAYS)
    assert found.history.rows == expected.height
    held = expected.filter(pl.col("cash") <= -1)
    row = found.history.by_rule.filter(pl.col("name") == "CASH").row(0, named=True)
    assert held.height > 50
    assert (row["rows"], row["defaults"]) == (held.height, held["hit"].sum())
    rate, base = held["hit"].sum() / held.height, expected["hit"].sum() / expected.height
    assert row["default_rate"] == pytest.approx(rate)
    assert row["lift"] == pytest.approx(rate / base)


def test_rules_on_the_model_stay_out_of_the_months_it_was_trained_on(found: BackTest) -> None:
    assert set(found.history.by_rule["name"]) == {"CASH", "SALES"}
    assert set(found.out_of_time.by_rule["name"]) == {"CASH", "SALES", "PD"}
    assert "red" not in set(found.history.by_level["name"])
    assert found.history.by_level["rows"].sum() == found.history.rows


def test_all_three_alert_as_many_firms(found: BackTest) -> None:
    episodes = found.out_of_time.values["episodes"]
    first_day = found.out_of_time.rows * 0.1 / 3
    for ranking in ("rules", "model", "statements"):
        # A tenth of each month end; a firm alerted twice within the horizon is one episode.
        assert first_day * 0.9 < episodes[ranking].value <= found.out_of_time.rows * 0.1 + 1e-6
    precision = found.out_of_time.values["precision"]
    assert precision["model"].value > precision["statements"].value


def test_a_file_says_whose_firms_they_are(found: BackTest) -> None:
    page = backtest_table.markdown(found, "title", "Simulated firms prove the machinery")
    assert page.splitlines()[:5] == [
        "# Back-test of the early warnings", "", "title.", "",
        "Simulated firms prove the machinery",
    ]  # fmt: skip
    assert page.count("| CASH |") == 2
    lines = backtest_table.csv(found).splitlines()
    assert lines[0] == "rows,measure,ranking,value,low,high"
    assert len(lines) == 1 + 2 * 8 * 3


def test_the_command_prints_and_writes(
    home: Settings, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(home.root))
    monkeypatch.setenv("FIRMPULSE_MLFLOW_URI", str(home.mlflow_uri))
    path = tmp_path / "backtest.csv"
    run = CliRunner().invoke(
        cli.app,
        ["warnings", "backtest", trained.candidate.version, "--draws", "100", "--to", str(path)],
    )
    assert run.exit_code == 0, run.output
    assert "Simulated firms prove the machinery, not the market." in run.output
    assert path.exists()
    refused = CliRunner().invoke(cli.app, ["warnings", "backtest", "--to", "backtest.xlsx"])
    assert "neither .md nor .csv" in str(refused.exception)


def test_rules_are_listed_with_their_file(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(home.root))
    run = CliRunner().invoke(cli.app, ["warnings", "rules"])
    assert run.exit_code == 0, run.output
    assert "bank_days_cash_6m at most -1" in " ".join(run.output.split())
    assert "3 rules of" in run.output
    assert "warning_rules.yml" in run.output
