"""Dates of knowledge: labels, registrations, core buyers, nights run out of order."""

import re
from datetime import date
from typing import Any

import polars as pl
import pytest

from extracts import contracts
from features import registry
from firmpulse import warehouse
from firmpulse.calendar import add_months, month_end
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from tests import vault_rows
from tests.vault_rows import invoice
from training import labels

pytestmark = pytest.mark.slow

FIRST_MONTH = date(2023, 1, 1)


def _night(settings: Settings, as_of: date, *views: str) -> None:
    vault_rows.build_views(settings, as_of, *views)


def _models(source: str) -> tuple[str, ...]:
    """Return what is built before the features where a source alone has news."""
    return (f"path:models/staging/{source}", f"path:models/facts/{source}", "firm_snapshots")


def _base(row_id: int, available_at: date, **values: Any) -> dict[str, Any]:
    return {
        "firm": "uscc:F1", "row_id": row_id, "record_version": 1, "delivery_seq": 1,
        "available_at": available_at, **values,
    }  # fmt: skip


def _loan(row_id: int, month: date, days_past_due: int, **changes: Any) -> dict[str, Any]:
    known = date.fromordinal(month_end(month).toordinal() + 5)
    row = _base(row_id, known, loan_no="L1", month=month, balance=100, days_past_due=days_past_due)
    return row | changes


def _sales(months: int) -> list[vault_rows.Row]:
    return [invoice(900 + n, "F1", add_months(date(2023, 1, 9), n), 100) for n in range(months)]


def test_labels_are_those_known_on_the_day_of_sampling(settings: Settings) -> None:
    """In 2025 the lender corrects a month of 2024 from 0 to 95 days past due."""
    months = [add_months(FIRST_MONTH, n) for n in range(30)]
    loans = [_loan(n, month, 0) for n, month in enumerate(months, 1)]
    corrected = _loan(
        14, months[13], 95, record_version=2, delivery_seq=2, available_at=date(2025, 5, 1)
    )
    vault_rows.fill(settings, {"tax_invoice": _sales(30), "loan_performance": [*loans, corrected]})
    _night(settings, date(2025, 6, 30), "default_12m")
    with warehouse.connect(settings) as connection:
        before = labels.monthly(connection, date(2025, 4, 30))
        after = labels.monthly(connection, date(2025, 5, 1))
        with pytest.raises(NotReadyError):
            labels.monthly(connection, date(2024, 3, 1))
    wanted = pl.col("as_of") == date(2023, 6, 30)
    assert before.filter(wanted)["outcome"].to_list() == ["good"]
    assert after.filter(wanted)["outcome"].to_list() == ["bad"]
    # Nothing is known before its twelve months have passed and been reported.
    assert max(before["as_of"]) == date(2024, 3, 31)
    assert max(after["as_of"]) <= date(2024, 3, 31)


def test_an_older_night_run_again_takes_nothing_away(settings: Settings) -> None:
    vault_rows.fill(settings, {"tax_invoice": _sales(8)})
    _night(settings, date(2023, 7, 31), "firm_snapshots")
    vault_rows.build_only(settings, date(2023, 8, 2), "firm_snapshots")
    before = vault_rows.features_of(settings, "firm_snapshots")
    vault_rows.build_only(settings, date(2023, 5, 31), "firm_snapshots")
    after = vault_rows.features_of(settings, "firm_snapshots")
    assert after.equals(before)
    assert max(after["as_of"]) == date(2023, 8, 2)


def test_a_late_row_of_an_old_registration_does_not_become_the_current_one(
    settings: Settings,
) -> None:
    def registration(row_id: int, updated: date, known: date, industry: str) -> dict[str, Any]:
        return _base(
            row_id, known, uscc="F1", updated_at=updated, industry_code=industry,
            taxpayer_type="GENERAL", reg_date=date(2015, 1, 1), status="NORMAL",
        )  # fmt: skip

    vault_rows.fill(
        settings,
        {
            "tax_invoice": _sales(3),
            "tax_registration": [
                registration(1, date(2023, 1, 10), date(2023, 1, 11), "2200"),
                registration(2, date(2022, 6, 1), date(2023, 2, 14), "9900"),
            ],
        },
    )
    _night(settings, date(2023, 3, 31), "feat_profile_monthly")
    view = vault_rows.features_of(settings, "feat_profile_monthly")
    assert view.filter(pl.col("as_of") == date(2023, 3, 31))["profile_industry"].to_list() == ["22"]


def test_a_buyer_that_is_no_longer_core_stops_counting_from_then_on(settings: Settings) -> None:
    relation = _base(
        1, date(2023, 1, 5), buyer_uscc="B1", supplier_uscc="F1", is_core=True, tier=1,
        since=date(2023, 1, 4),
    )  # fmt: skip
    ended = relation | {
        "record_version": 2, "is_core": False, "available_at": date(2023, 3, 10),
        "delivery_seq": 2,
    }  # fmt: skip
    orders = [
        _base(
            10 + n, date(2023, n, 8), buyer_uscc="B1", supplier_uscc="F1", amount=50,
            order_date=date(2023, n, 7), due_date=date(2023, n, 20), status="ACTIVE",
        )
        for n in (1, 2, 3)
    ]  # fmt: skip
    vault_rows.fill(settings, {"sc_relation": [relation, ended], "sc_order": orders})
    _night(settings, date(2023, 3, 31), "feat_supply_monthly")
    view = vault_rows.features_of(settings, "feat_supply_monthly")
    share = dict(view.select("as_of", "supply_core_buyer_share_12m").iter_rows())
    assert share == {date(2023, 1, 31): 1.0, date(2023, 2, 28): 1.0, date(2023, 3, 31): 0.0}


def test_a_row_that_only_takes_another_back_makes_old_snapshots_stale(settings: Settings) -> None:
    """A reversal known since 5 February lands after the night of the 10th was built."""

    def txn(row_id: int, amount: int) -> dict[str, Any]:
        return _base(
            row_id, date(2023, 1, 7), account_no="6222", booked_at=date(2023, 1, 6), dc="IN",
            amount=amount, balance=amount, summary="货款", reversal_flag=False,
        )  # fmt: skip

    vault_rows.fill(settings, {"bank_txn": [txn(1, 1000), txn(2, 500)]})
    _night(settings, date(2023, 2, 10), "feat_bank_monthly")
    before = vault_rows.features_of(settings, "feat_bank_monthly")
    reversed_txn = txn(1, 1000) | {
        "record_version": 2, "reversal_flag": True, "available_at": date(2023, 2, 5),
        "delivery_seq": 2,
    }  # fmt: skip
    vault_rows.fill(settings, {"bank_txn": [reversed_txn]})
    vault_rows.build_only(settings, date(2023, 2, 12), *_models("bank"), "feat_bank_monthly")
    after = vault_rows.features_of(settings, "feat_bank_monthly")

    def receipts(view: pl.DataFrame) -> dict[date, float]:
        return dict(view.select("as_of", "bank_operating_in_mean_6m").iter_rows())

    assert receipts(before) == {date(2023, 1, 31): 1500, date(2023, 2, 10): 1500}
    assert receipts(after) == {
        date(2023, 1, 31): 1500,
        date(2023, 2, 10): 500,
        date(2023, 2, 12): 500,
    }


def test_every_masked_table_with_monthly_facts_states_the_day_of_its_rows(
    settings: Settings,
) -> None:
    read = {
        table
        for node in registry.manifest(settings)["nodes"].values()
        if node["resource_type"] == "model"
        for table in re.findall(r"monthly_rows\('(\w+)'", node["raw_code"])
    }
    assert read == set(registry.days_of_staging(settings))
    assert len(read) > 10


def test_every_masked_table_with_a_window_states_the_day_that_decides(settings: Settings) -> None:
    of_raw = {
        key.rpartition(".")[2]: node["name"]
        for node in registry.manifest(settings)["nodes"].values()
        if node["resource_type"] == "model" and node["name"].startswith("stg_")
        for key in node["depends_on"]["nodes"]
        if key.startswith("source.")
    }
    windowed = {of_raw[table] for table, c in contracts.load().items() if c.windowed}
    assert windowed == set(registry.window_days(settings))


def test_every_masked_table_that_anything_is_built_of_counts_as_news(settings: Settings) -> None:
    """A night rebuilds what landed tables name, and nothing else."""
    models = [
        node
        for node in registry.manifest(settings)["nodes"].values()
        if node["resource_type"] == "model"
    ]
    built = {"facts", "features", "watch"}
    read, noted = set(), set()
    for node in models:
        masked = {key for key in node["depends_on"]["nodes"] if ".stg_" in key}
        (noted if node["name"].startswith("landed_") else read).update(
            masked if node["schema"] in built else ()
        )
    assert len(read) > 15
    assert read <= noted


def test_rows_that_went_missing_move_no_other_firm_in_the_graph(settings: Settings) -> None:
    """F2 withdraws its tax data after the night: F1's position in that night's graph stays."""
    day = date(2024, 3, 9)
    sales = [
        invoice(1, "F1", day, 100, other="F2"),
        invoice(2, "F2", day, 100, other="F3"),
        invoice(3, "F3", day, 100, other="F1"),
    ]
    vault_rows.fill(settings, {"tax_invoice": sales})
    _night(settings, date(2024, 4, 30), "feat_graph_monthly")
    before = vault_rows.features_of(settings, "feat_graph_monthly").sort("firm_id", "as_of")
    newest = before.filter(pl.col("as_of") == date(2024, 4, 30))
    assert newest["graph_ring_share_12m"].to_list() == [1, 1, 1]
    with warehouse.connect(settings, vault=True) as connection:
        (firm,) = connection.execute("select token('firm', 'uscc:F2')::varchar").fetchall()[0]
        for table in ("facts.fct_tax_counterparty_monthly", "features.feat_graph_monthly"):
            connection.execute(f"delete from warehouse.{table} where firm_id = '{firm}'")
    graph = (*_models("tax"), "feat_graph_monthly")
    vault_rows.build_only(settings, date(2024, 4, 30), *graph)
    after = vault_rows.features_of(settings, "feat_graph_monthly").sort("firm_id", "as_of")
    kept = pl.col("firm_id") != firm
    assert after.filter(kept).equals(before.filter(kept))
    assert after.height == before.height
    # From the next night on the ring is open: F2's sale to F3 is known from neither of them.
    vault_rows.build_only(settings, date(2024, 5, 1), *graph)
    next_night = vault_rows.features_of(settings, "feat_graph_monthly").filter(
        pl.col("as_of") == date(2024, 5, 1)
    )
    assert set(next_night.filter(kept)["graph_ring_share_12m"]) == {0}


def test_news_of_one_firm_moves_the_others_in_the_graph(settings: Settings) -> None:
    """A history of F3 that lands later closes the ring of F1 and F2 at a past date."""
    day = date(2024, 3, 9)
    first = [invoice(1, "F1", day, 100, other="F2"), invoice(2, "F2", day, 100, other="F3")]
    vault_rows.fill(settings, {"tax_invoice": first})
    _night(settings, date(2024, 4, 30), "feat_graph_monthly")
    late = [invoice(3, "F3", day, 100, other="F1", delivery_seq=2)]
    vault_rows.fill(settings, {"tax_invoice": late})
    vault_rows.build_only(settings, date(2024, 5, 1), *_models("tax"), "feat_graph_monthly")
    rows = vault_rows.features_of(settings, "feat_graph_monthly")
    then = rows.filter(pl.col("as_of") == date(2024, 4, 30))
    assert then["graph_ring_share_12m"].to_list() == [1, 1, 1]


@pytest.mark.parametrize(
    ("table", "source", "first", "news", "fact"),
    [
        # A payment of 30 October, returned on 2 November: October changes.
        (
            "bank_txn", "bank",
            {"booked_at": date(2023, 10, 30), "dc": "OUT", "account_no": "A", "amount": 100,
             "balance": 900, "summary": "货款", "cp_tax_no": "C1", "reversal_flag": False},
            {"booked_at": date(2023, 11, 2), "dc": "IN", "account_no": "A", "amount": 100,
             "balance": 1000, "summary": "退汇", "cp_tax_no": "C1", "reversal_flag": True},
            "fct_bank_monthly",
        ),
        # The bill of November was read on 5 December: both months change.
        (
            "power_bill", "power",
            {"cons_no": "P", "bill_month": date(2023, 10, 1), "read_date": date(2023, 11, 5),
             "kwh_total": 300, "kwh_valley": 30, "amount": 100},
            {"cons_no": "P", "bill_month": date(2023, 11, 1), "read_date": date(2023, 12, 5),
             "kwh_total": 600, "kwh_valley": 60, "amount": 200},
            "fct_power_bill_monthly",
        ),
    ],
)  # fmt: skip
def test_news_of_one_month_changes_its_neighbours(
    settings: Settings,
    table: str,
    source: str,
    first: dict[str, Any],
    news: dict[str, Any],
    fact: str,
) -> None:
    models = (f"path:models/staging/{source}", f"path:models/facts/{source}")
    for row_id, row in enumerate((first, news), 1):
        known = date(2023, 11 + row_id - 1, 10)
        landed = _base(row_id, known, **row) | {"delivery_seq": row_id}
        vault_rows.fill(settings, {table: [landed]})
        vault_rows.build_only(settings, known, *models)
    by_night = _rows_of(settings, fact)
    vault_rows.build_only(settings, known, *models, full_refresh=True)
    assert by_night == _rows_of(settings, fact)
    assert len({month for (_, month, *_) in by_night}) > 1


def _rows_of(settings: Settings, fact: str) -> list[tuple[Any, ...]]:
    with warehouse.connect(settings) as connection:
        return connection.execute(
            f"select firm_id, month, * exclude (firm_id, month) from warehouse.facts.{fact} "
            "order by all"
        ).fetchall()
