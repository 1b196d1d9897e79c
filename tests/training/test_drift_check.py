"""The night's check of features against the champion's training frame."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app
from expectations import handover, suite
from features import needed
from firmpulse import warehouse
from firmpulse.errors import ExpectationFailed
from firmpulse.settings import Settings
from firmpulse.stability import PSI_MUCH
from tests.credit_economy import AS_OF, REGISTRY, Trained
from training import pipeline


@pytest.fixture
def home(trained: Trained, tmp_path: Path) -> Settings:
    """Return a copy of the trained economy with a champion."""
    copied = tmp_path / "copied"
    shutil.copytree(trained.settings.root, copied)
    settings = trained.settings.model_copy(update={"home": copied})
    pipeline.promote(settings, AS_OF, trained.candidate.version, "Wang Min")
    return settings


def test_without_a_champion_there_is_nothing_to_compare(settings: Settings) -> None:
    assert handover.drift(settings, AS_OF) == {"warnings": []}


def test_every_month_end_is_measured_once_and_the_night_each_time(home: Settings) -> None:
    handover.drift(home, AS_OF)
    with warehouse.connect(home) as connection:
        days = connection.execute(
            "select distinct as_of from warehouse.features.firm_snapshots order by as_of"
        ).fetchall()
        query = (
            "select as_of, count(*), min(row_count) from warehouse.ops.feature_drift "
            "group by as_of order by as_of"
        )
        measured = connection.execute(query).fetchall()
        # A measured month end does not change, the night is measured again.
        connection.execute("update warehouse.ops.feature_drift set psi = 7")
    assert [day for day, _, _ in measured] == [day for (day,) in days]
    assert all(firms > 200 for _, _, firms in measured)
    handover.drift(home, AS_OF)
    with warehouse.connect(home) as connection:
        anew = connection.execute(
            "select distinct as_of from warehouse.ops.feature_drift where psi <> 7"
        ).fetchall()
    assert anew == [(AS_OF,)]


def test_only_what_the_champion_reads_has_moved(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seasonal features and those of statements were left out, and move with no consequence."""
    handover.drift(home, AS_OF)
    with warehouse.connect(home) as connection:
        measured = connection.execute(
            "select feature from warehouse.ops.feature_drift where as_of = ?", [AS_OF]
        ).fetchall()
        (kept,) = connection.execute(
            "select count(*) from warehouse.ops.feature_references"
        ).fetchall()[0]
    read = needed.of_version(home, "champion")
    assert sorted(feature for (feature,) in measured) == sorted(read)
    assert kept > len(read)

    monkeypatch.setenv("FIRMPULSE_HOME", str(home.root))
    unread = next(name for name in REGISTRY.names("statement"))
    said = {name: CliRunner().invoke(app, ["features", "drift", name])
            for name in (read[0], unread, "statment")}  # fmt: skip
    assert said[read[0]].exit_code == 0
    assert f"does not read {unread}" in str(said[unread].exception)
    assert "no feature 'statment'" in str(said["statment"].exception)


def test_a_source_in_another_unit_stops_the_night(home: Settings) -> None:
    found = handover.drift(home, AS_OF)
    assert found["warnings"] == []
    with warehouse.connect(home) as connection:
        views = connection.execute(
            "select table_name, column_name from duckdb_columns() "
            "where database_name = 'warehouse' and schema_name = 'features' "
            "and table_name like 'feat_%' and data_type = 'DOUBLE'"
        ).fetchall()
        for view, column in views:
            connection.execute(
                f'update warehouse.features.{view} set "{column}" = 1e4 + 1e4 * "{column}" '
                "where as_of = ?",
                [AS_OF],
            )
    with pytest.raises(ExpectationFailed, match="at most a fifth of the features have a PSI"):
        handover.drift(home, AS_OF)


def test_a_source_that_went_missing_stops_the_night(home: Settings) -> None:
    with warehouse.connect(home) as connection:
        connection.execute(
            "delete from warehouse.features.feat_tax_monthly where as_of = ?", [AS_OF]
        )
    with pytest.raises(ExpectationFailed, match="missing for 50 points more firms"):
        handover.drift(home, AS_OF)


def test_the_suite_warns_from_the_same_bound_as_the_pages() -> None:
    bounds = [one.arguments["max_value"] for one in suite.load("drift").expectations
              if one.arguments["column"] == "psi" and one.severity == "warning"]  # fmt: skip
    assert bounds == [PSI_MUCH]
