"""The check for leaks finds a planted one and none in the real models."""

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from features import leakage
from firmpulse import dbt_runner, warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings

pytestmark = pytest.mark.slow

# The masked rows reach beyond it.
KNOWN_ON = date(2024, 9, 30)


@pytest.fixture
def leaky_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the supply-chain view facts that were not known at its as_of."""
    project = tmp_path / "dbt_project"
    ignored = shutil.ignore_patterns("target", "logs")
    shutil.copytree(dbt_runner.DBT_PROJECT, project, ignore=ignored)
    view = project / "models" / "features" / "feat_supply_monthly.sql"
    sql = view.read_text(encoding="utf-8")
    # Deliveries of a month count from its end on, even if known earlier.
    leaky = sql.replace(
        "{{ join_known(ref('fct_supply_delivery_monthly'), months=12) }}",
        "inner join {{ ref('fct_supply_delivery_monthly') }} as facts on "
        "snapshots.firm_id = facts.firm_id and facts.month <= snapshots.last_month",
    )
    assert leaky != sql
    view.write_text(leaky, encoding="utf-8")
    monkeypatch.setattr(dbt_runner, "DBT_PROJECT", project)
    monkeypatch.setattr(dbt_runner, "_parsed", None)
    yield
    monkeypatch.undo()


def test_no_feature_moves_by_what_became_known_later(random_home: Settings) -> None:
    before = _tables(random_home)
    report = leakage.check(random_home, KNOWN_ON, firms=10)
    assert report.moved == {}
    assert report.firms == 3
    assert report.snapshots > 3
    assert report.features > 120
    # a correction or a late row for two of three rows at least
    assert report.later_rows > 100
    assert _tables(random_home) == before
    assert not list(random_home.root.glob("leakage-*"))


@pytest.mark.usefixtures("leaky_models")
def test_a_planted_leak_is_named(random_home: Settings) -> None:
    report = leakage.check(random_home, KNOWN_ON, firms=10)
    assert "supply_return_share_12m" in report.moved
    assert all(name.startswith("supply_") for name in report.moved)


def test_a_home_without_masked_rows_says_what_to_do(settings: Settings) -> None:
    with pytest.raises(NotReadyError, match="firmpulse night"):
        leakage.check(settings, KNOWN_ON, firms=10)


def test_a_day_before_everything_says_what_to_do(random_home: Settings) -> None:
    with pytest.raises(NotReadyError, match="choose a later day"):
        leakage.check(random_home, date(2000, 1, 1), firms=10)


def _tables(settings: Settings) -> list[tuple[object, ...]]:
    with warehouse.connect(settings) as connection:
        return connection.execute(
            "select table_name, estimated_size from duckdb_tables() "
            "where database_name = 'warehouse' order by all"
        ).fetchall()
