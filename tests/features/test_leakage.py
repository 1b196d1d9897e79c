"""The check for leaks finds a planted one and none in the real models."""

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from features import build, leakage
from firmpulse import dbt_runner, warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from tests import vault_rows
from tests.features import random_rows

KNOWN_ON = date(2024, 9, 30)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a home whose masked rows reach beyond KNOWN_ON."""
    settings = Settings(home=tmp_path_factory.mktemp("leakage"), memory_limit="2GB")
    vault_rows.fill(settings, random_rows.make(5))
    build.build(settings, date(2024, 12, 31), "mask")
    return settings


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
    dbt_runner._parsed = None


def test_no_feature_moves_by_what_became_known_later(home: Settings) -> None:
    before = _masked(home)
    report = leakage.check(home, KNOWN_ON, firms=10)
    assert report.moved == {}
    assert report.firms == 3
    assert report.snapshots > 3
    assert report.features > 120
    # a correction or a late row for two of three rows at least
    assert report.later_rows > 100
    assert _masked(home) == before
    assert not list(home.root.glob("leakage-*"))


@pytest.mark.usefixtures("leaky_models")
def test_a_planted_leak_is_named(home: Settings) -> None:
    report = leakage.check(home, KNOWN_ON, firms=10)
    assert "supply_return_share_12m" in report.moved
    assert all(name.startswith("supply_") for name in report.moved)


def test_a_home_without_masked_rows_says_what_to_do(settings: Settings) -> None:
    with pytest.raises(NotReadyError, match="firmpulse night"):
        leakage.check(settings, KNOWN_ON, firms=10)


def test_a_day_before_everything_says_what_to_do(home: Settings) -> None:
    with pytest.raises(NotReadyError, match="choose a later day"):
        leakage.check(home, date(2000, 1, 1), firms=10)


def _masked(home: Settings) -> list[tuple[object, ...]]:
    with warehouse.connect(home) as connection:
        return connection.execute(
            "select table_name, estimated_size from duckdb_tables() "
            "where database_name = 'warehouse' order by all"
        ).fetchall()
