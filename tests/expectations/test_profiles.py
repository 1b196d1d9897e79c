from dataclasses import replace
from datetime import date

import duckdb
import pandas as pd
import polars as pl
import pytest

from expectations import profiles, verdicts
from expectations.profiles import Finding
from features.registry import FeatureMeta, Registry
from firmpulse import warehouse
from firmpulse.settings import Settings
from tests import delivery_rows

NIGHT = date(2026, 10, 31)


@pytest.fixture
def connection(settings: Settings) -> duckdb.DuckDBPyConnection:
    with warehouse.connect(settings, vault=True) as session:
        newest = {
            "as_of": "2026-10-31", "delivery_seq": 7, "delivery_id": "bank-1", "source": "bank",
            "kind": "increment", "delivered_at": "2026-10-31T22:00:00+08:00",
        }  # fmt: skip
        delivery_rows.record(
            session, **newest, table_name="bank_txn", rows_read=100, rows_landed=80,
            rows_restated=2, rows_duplicate=10, rows_refused_by_gate=4, rows_quarantined=6,
        )  # fmt: skip
        delivery_rows.record(session, **newest, table_name="bank_account")
        delivery_rows.record(
            session, as_of="2026-10-30", delivery_seq=6, delivery_id="bank-0", source="bank",
            table_name="bank_txn", kind="history", delivered_at="2026-10-30T22:00:00+08:00",
            rows_read=50, rows_landed=50,
        )  # fmt: skip
        verdicts.record_deliveries(session, "delivery", NIGHT, [6], {})
        verdicts.record_deliveries(session, "masked", NIGHT, [6], {})
        yield session


def test_deliveries_have_their_shares_and_nothing_is_lost(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    account, txn = profiles.deliveries(connection, NIGHT).frame.to_dict("records")

    assert txn["batch_table"] == "bank-1 / bank_txn"
    assert txn["quarantined_share"] == pytest.approx(0.06)
    assert txn["duplicate_share"] == pytest.approx(0.10)
    assert txn["refused_by_gate_share"] == pytest.approx(0.04)
    assert txn["unaccounted_rows"] == 0
    assert txn["delivery_rows_read"] == 100
    assert account["delivery_rows_read"] == 100
    assert account["quarantined_share"] != account["quarantined_share"]  # null: nothing was read


def test_rows_that_replace_others_count_but_for_tables_of_states(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    for table, source in (("tax_payment", "tax"), ("power_bill", "power")):
        delivery_rows.record(
            connection, as_of="2026-10-31", delivery_seq=9, delivery_id=f"{source}-9",
            source=source, table_name=table, rows_read=200, rows_landed=200, rows_restated=90,
        )  # fmt: skip
    frame = profiles.deliveries(connection, NIGHT).frame.set_index("batch_table")
    assert frame.loc["tax-9 / tax_payment", "restated_share"] == pytest.approx(0.45)
    assert pd.isna(frame.loc["power-9 / power_bill", "restated_share"])


def test_a_refused_delivery_is_named_and_is_not_taken_for_an_empty_one(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    delivery_rows.record(
        connection, as_of="2026-10-31", delivery_id="tax-bad", source="tax", status="refused"
    )

    frame = profiles.deliveries(connection, NIGHT).frame
    refused = frame.set_index("batch_table").loc["tax-bad"]

    assert refused["status"] == "refused"
    assert pd.isna(refused["delivery_rows_read"])


def test_masked_rows_are_held_against_landed_rows(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create schema warehouse.staging")
    connection.execute(
        "create table warehouse.staging.stg_bank__txn as "
        "select 7 as delivery_seq, date '2026-10-31' as available_at from range(77) "
        "union all select 7, date '2026-10-30' "
        "union all select 6, date '2026-10-01' from range(50)"
    )

    (row,) = profiles.masked(connection, NIGHT).to_dict("records")

    assert row["delivery"] == "bank-1"
    assert row["landed_rows"] == 80
    assert row["masked_rows"] == 78
    assert row["lost_rows"] == 2
    assert row["early_rows"] == 1


def test_a_night_before_any_masking_shows_every_row_as_lost(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    (row,) = profiles.masked(connection, NIGHT).to_dict("records")

    assert row["lost_rows"] == 80


def test_facts_say_what_is_known_and_what_was_corrected(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    assert profiles.facts(connection, NIGHT).empty
    connection.execute("create schema warehouse.facts")
    connection.execute(
        "create table warehouse.facts.fct_bank_monthly as select * from (values "
        "(date '2026-08-01', date '2026-08-31', date '9999-12-31'), "
        "(date '2026-09-01', date '2026-09-30', date '2026-10-31'), "
        "(date '2026-09-01', date '2026-10-31', date '9999-12-31'), "
        "(date '2026-10-01', date '2026-11-02', date '9999-12-31')"
        ") as t(month, available_at, superseded_at)"
    )

    (row,) = profiles.facts(connection, NIGHT).to_dict("records")

    assert row["table_name"] == "fct_bank_monthly"
    assert row["known_rows"] == 3
    assert row["months_behind"] == 1
    assert row["superseded_tonight_share"] == pytest.approx(0.5)


def feature(name: str, *bounds: float | None) -> FeatureMeta:
    return FeatureMeta(
        name=name, view="v", source="tax", dimension="growth", window="12m", unit="ratio",
        expected_sign="-", null_means="not observed", kind="number", name_zh="名", name_en="",
        bounds=bounds,
    )  # fmt: skip


def test_features_show_gaps_and_impossible_values() -> None:
    frame = pl.DataFrame(
        {
            "firm_id": ["a", "b", "b", "c"],
            "months": [1.0, -1.0, None, 3.0],
            "growth": [-0.5, float("inf"), float("nan"), None],
            "share": [0.0, 1.0000000001, 1.0, 1.00001],
        }
    )
    registry = Registry(
        (feature("months", 0, None), feature("growth", None, None), feature("share", 0, 1))
    )

    batch = profiles.features(frame, registry)
    months, growth, share = batch.frame.to_dict("records")

    assert batch.firms == 4
    assert batch.findings["out_of_range_values"] == [
        Finding("b", "months", "名（months）为 -1，应为 0 至 +∞",
                "months is -1, its bounds are 0 to none"),
        Finding("c", "share", "名（share）为 1.00001，应为 0 至 1",
                "share is 1.00001, its bounds are 0 to 1"),
    ]  # fmt: skip
    assert [one.firm_id for one in batch.findings["infinite_values"]] == ["b", "b"]
    # The second is 1 but for the rounding of its last digits.
    assert share["out_of_range_values"] == 1

    assert (months["firms"], months["distinct_firms"]) == (4, 3)
    assert months["missing_share"] == 0.25
    assert months["out_of_range_values"] == 1
    assert months["infinite_values"] == 0
    assert growth["infinite_values"] == 2
    assert growth["out_of_range_values"] == 0


def test_nobody_need_have_a_loan() -> None:
    frame = pl.DataFrame(
        {"firm_id": ["a", "b"], "months": [None, None], "amount": [None, None]},
        schema_overrides={"months": pl.Float64, "amount": pl.Float64},
    )
    amount = replace(feature("amount", 0, None), valid_days=366)
    batch = profiles.features(frame, Registry((feature("months", 0, None), amount)))
    missing = batch.frame.set_index("feature")["missing_share"]
    assert missing["months"] == 1
    assert missing.isna().to_dict() == {"months": False, "amount": True}


def test_scores_are_expected_for_firms_that_are_not_listed_as_unscored(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    connection.execute("create schema warehouse.features")
    connection.execute(
        "create table warehouse.features.firm_snapshots as "
        "select gen_random_uuid() as firm_id, date '2026-10-31' as as_of from range(5)"
    )
    connection.execute(
        "insert into warehouse.scoring.unscored (firm_id, as_of) "
        "(select firm_id, as_of from warehouse.features.firm_snapshots limit 2) "
        "union all select gen_random_uuid(), date '2026-10-31'"
    )

    firms = connection.execute(
        "select cast(firm_id as varchar) from warehouse.features.firm_snapshots order by 1"
    ).fetchall()
    granted = [firm for (firm,) in firms]
    assert profiles.expected_scores(connection, NIGHT, granted) == 3
    unscored = connection.execute(
        "select cast(firm_id as varchar) from warehouse.scoring.unscored"
    ).fetchall()
    (withdrawn, *_), listed = granted, {firm for (firm,) in unscored}
    left = [firm for firm in granted if firm != withdrawn]
    expected = 3 if withdrawn in listed else 2
    assert profiles.expected_scores(connection, NIGHT, left) == expected
    # A firm that was scored before it withdrew counts until it is erased.
    connection.execute(
        "insert into warehouse.scoring.scores (firm_id, as_of) values (?, ?)", [withdrawn, NIGHT]
    )
    assert profiles.expected_scores(connection, NIGHT, left) == expected + 1
