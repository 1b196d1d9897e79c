"""Every fact, feature and label is the same on Spark as on DuckDB, from the same masked rows."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features import build as on_duckdb
from features import registry
from firmpulse.calendar import month_end
from firmpulse.settings import Settings
from tests import vault_rows
from tests.features import random_rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a home with random rows of every source, built on DuckDB."""
    settings = Settings(home=tmp_path_factory.mktemp("random"))
    rows = random_rows.make(1)
    for table, more in _of_one_firm().items():
        rows[table] += more
    vault_rows.fill(settings, rows)
    for seq in (3, 6):
        on_duckdb.build(settings, random_rows.end_of(seq), "all")
    return settings


def _of_one_firm() -> dict[str, list[random_rows.Row]]:
    """Return rows for which random rows are too few: daily uses, a quarter's returns."""
    days = [date(2023, 11, 1) + timedelta(days=place) for place in range(160)]
    holiday = (date(2024, 2, 7), date(2024, 2, 24))
    uses = [
        {"reading_date": day, "kwh": 5 if holiday[0] <= day <= holiday[1] else 90 + day.day % 7}
        for day in days
    ]
    returns = [
        {
            "period_start": date(2024, month, 1), "period_end": month_end(date(2024, month, 1)),
            "form_column": "MONTH", "filed_at": date(2024, month + 1, 9), "sales_standard": 300,
            "due_date": date(2024, month + 1, 15), "output_tax": 9, "input_tax": 8, "payable": 1,
        }
        for month in (1, 2, 3)
    ]  # fmt: skip
    quarter = {
        "period_kind": "QUARTER", "period_start": date(2024, 1, 1),
        "period_end": date(2024, 3, 31), "filed_at": date(2024, 4, 20), "revenue": 1000,
        "profit": 70,
    }  # fmt: skip
    # Receipts of random rows are known of some firms and months.
    loans = [
        {
            "firm": f"uscc:{firm}", "loan_no": f"LN{day:%Y%m}", "decided_at": day,
            "available_at": day + timedelta(days=1), "decision": "GRANTED", "amount": 900,
            "term_months": 12, "instalment": 80, "purpose": "WORKING_CAPITAL", "product": "税易贷",
        }
        for firm in random_rows.FIRMS
        for day in (date(2023, 12, 3), date(2024, 7, 15))
    ]  # fmt: skip
    tables = {
        "power_reading": uses, "tax_vat_return": returns, "tax_cit_return": [quarter],
        "loan": loans,
    }  # fmt: skip
    known = {"record_version": 1, "available_at": date(2024, 4, 21), "delivery_seq": 3}
    return {
        table: [{"firm": "uscc:F4", "row_id": 10_000 + n} | known | row for n, row in enumerate(of)]
        for table, of in tables.items()
    }


def test_spark_and_duckdb_build_the_same_tables(home: Settings, spark: Any) -> None:
    from features.spark import build, comparison

    assert build.export_rows(home) > 1_000
    build.build(home, spark)
    found = comparison.compare(home)
    assert found.filter(pl.col("differing") > 0).is_empty(), found
    assert found["rows"].to_list() == found["rows_on_spark"].to_list()
    # Tables are not equal only because they are empty.
    assert found.filter(pl.col("rows") == 0).is_empty(), found
    _assert_known(home, build.results_folder(home))

    _change_a_value(build.results_folder(home))
    apart = comparison.compare(home).filter(pl.col("differing") > 0)
    assert apart["table"].to_list() == ["features.feat_bank_monthly"]
    assert apart["differing"].to_list() == [1]


def _assert_known(home: Settings, results: Path) -> None:
    """Assert that random rows give each feature a value somewhere."""
    for view, names in _by_view(home).items():
        built = pl.read_parquet(results / "features" / view / "*.parquet")
        empty = [name for name in names if built[name].null_count() == built.height]
        assert not empty, f"{view}: {empty}"


def _by_view(home: Settings) -> dict[str, list[str]]:
    views: dict[str, list[str]] = {}
    for feature in registry.load(home).features:
        views.setdefault(feature.view, []).append(feature.name)
    return views


def _change_a_value(results: Path) -> None:
    folder = results / "features" / "feat_bank_monthly"
    built = pl.read_parquet(folder / "*.parquet").with_row_index()
    name = "bank_operating_in_mean_6m"
    place = int(built.filter(pl.col(name).is_not_null())["index"][0])
    changed = pl.when(pl.col("index") == place).then(pl.col(name) * 1.001 + 1).otherwise(name)
    for path in folder.glob("*.parquet"):
        path.unlink()
    built.with_columns(changed.alias(name)).drop("index").write_parquet(folder / "a.parquet")
