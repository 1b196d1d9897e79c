"""Inputs of warnings other than features are built with them, for every firm."""

from datetime import date
from typing import Any

import pytest

from features import build, registry
from firmpulse import warehouse
from firmpulse.settings import Settings
from tests import vault_rows

BEFORE, NIGHT = date(2026, 6, 30), date(2026, 7, 31)


def _loan(firm: str, row_id: int, known: date, month: date, days: int) -> dict[str, Any]:
    return {
        "firm": f"uscc:{firm}", "row_id": row_id, "record_version": 1, "available_at": known,
        "delivery_seq": 1, "loan_no": firm, "month": month, "balance": 100,
        "days_past_due": days,
    }  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a home of a firm with invoices and one with data only from the lender."""
    settings = Settings(home=tmp_path_factory.mktemp("watch"), memory_limit="2GB")
    seen = vault_rows.invoice(1, "F1", date(2026, 5, 4), 100)
    loans = [
        _loan("F2", 1, date(2026, 6, 5), date(2026, 5, 1), 10),
        _loan("F2", 2, date(2026, 7, 5), date(2026, 6, 1), 40),
    ]
    vault_rows.fill(settings, {"tax_invoice": [seen], "loan_performance": loans})
    vault_rows.build_views(settings, BEFORE, "path:models/watch")
    vault_rows.build_views(settings, NIGHT, "path:models/watch")
    return settings


def _rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with warehouse.connect(settings) as connection:
        return connection.execute(query).fetchall()


def test_a_firm_with_loans_alone_is_watched_and_has_no_features(home: Settings) -> None:
    lent = "(select distinct firm_id from warehouse.staging.stg_lender__loan_performance)"
    assert _rows(
        home,
        f"select as_of, days_past_due from warehouse.watch.watch_standing "
        f"where firm_id in {lent} order by as_of",
    ) == [(BEFORE, 10), (NIGHT, 40)]
    assert _rows(home, f"from warehouse.features.firm_snapshots where firm_id in {lent}") == []


def test_every_watch_table_has_a_row_for_each_firm_and_date(home: Settings) -> None:
    key = "select firm_id::varchar as firm_id, as_of from warehouse.watch"
    expected = _rows(home, f"{key}.watch_snapshots order by all")
    assert len(expected) == 5
    models = _watch_models(home)
    assert set(models) > {"watch_snapshots", "watch_standing"}
    for name in models:
        assert _rows(home, f"{key}.{name} order by all") == expected, name


def test_nothing_that_only_warnings_read_is_a_feature(home: Settings) -> None:
    known = registry.load(home)
    for name, columns in _watch_models(home).items():
        assert name not in known.views()
        assert not columns & set(known.names()), name


def test_a_table_whose_definition_changed_is_built_again_at_its_dates(home: Settings) -> None:
    whole = "select firm_id::varchar, as_of, days_past_due from warehouse.watch.watch_standing"
    before = _rows(home, f"{whole} order by all")
    with warehouse.connect(home) as connection:
        # As if an older definition had been built.
        connection.execute("update warehouse.watch.watch_standing set days_past_due = -1")
    assert build.backfill(home, ["watch_standing"], (BEFORE, BEFORE)).rows == {"watch_standing": 2}
    after = _rows(home, f"{whole} order by all")
    assert [row for row in after if row[2] != -1] == [row for row in before if row[1] == BEFORE]
    assert build.backfill(home, ["watch_standing"]).rows == {"watch_standing": 5}
    assert _rows(home, f"{whole} order by all") == before


def _watch_models(settings: Settings) -> dict[str, set[str]]:
    """Return the columns of each model of the watch tables."""
    nodes = registry.manifest(settings)["nodes"].values()
    return {
        node["name"]: set(node["columns"])
        for node in nodes
        if node["resource_type"] == "model" and node["schema"] == "watch"
    }
