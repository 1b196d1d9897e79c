"""No model pairs firms with all others: its cost would grow with their square."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pytest

from benchmarks import feature_rows
from features import build, dbt_functions
from firmpulse import dbt_runner, narratives, warehouse
from firmpulse.settings import Settings
from tests.homes import made_once

pytestmark = pytest.mark.slow

FIRMS, ROWS = 150, 30_000
FOLDERS = ("facts", "features", "labels", "watch")
# Windows have a row for each of so many months.
MONTHS = 24
# An equality on one of these keeps a join within a firm, an account or a pair of trade.
OF_ONE = ("firm_id", "counterparty_id", "buyer_id", "seller_id", "account_id", "row_id",
          "return_id", "original_id", "snapshot", "node", "node_id", "company_id")  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a home with enough firms for a bad join to show."""
    settings, _ = made_once(tmp_path_factory, "many-firms", _fill)
    return settings


def _fill(settings: Settings) -> None:
    with warehouse.connect(settings, vault=True) as connection:
        feature_rows.make_tables(connection)
        feature_rows.fill_history(connection, ROWS, FIRMS, parties=12)
    build.build(settings, feature_rows.LAST_DAY, "all")


def test_every_join_that_multiplies_rows_is_on_a_firm_or_a_party(home: Settings) -> None:
    models = dbt_runner.compiled(home, [f"path:models/{folder}" for folder in FOLDERS])
    with _session(home) as connection:
        found = {name: _pairing(connection, sql) for name, sql in models.items()}
    assert len(found) > 40
    assert {name: joins for name, joins in found.items() if joins} == {}


def test_a_join_on_the_date_alone_is_found(home: Settings) -> None:
    pairs = """
        select count(*)
        from warehouse.features.firm_snapshots as one
        inner join warehouse.features.firm_snapshots as other on one.as_of = other.as_of
    """
    with _session(home) as connection:
        assert len(_pairing(connection, pairs)) == 1


@contextmanager
def _session(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse.connect(settings, vault=True) as connection:
        narratives.install(connection)
        dbt_functions.install(connection)
        yield connection


def _pairing(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[str, int]]:
    """Return conditions and rows of joins that multiply rows without a firm or a party."""
    (row,) = connection.execute(f"explain (analyze, format json) {sql}").fetchall()
    waiting, found = [json.loads(row[1])], []
    while waiting:
        node = waiting.pop()
        waiting += node["children"]
        name, rows = str(node.get("operator_name", "")), int(node.get("operator_cardinality", 0))
        if "JOIN" not in name and "PRODUCT" not in name:
            continue
        conditions = str(node["extra_info"].get("Conditions", name))
        larger = max(int(child["operator_cardinality"]) for child in node["children"])
        if rows > MONTHS * larger and not any(column in conditions for column in OF_ONE):
            found.append((conditions, rows))
    return found
