from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from simulator import DeliveryCounts, Economy, deliver
from tests.simulator.conftest import ECONOMY, delivered, digests, manifests

TABLES = [
    "tax_registration", "tax_invoice", "tax_vat_return", "tax_payment", "bank_account", "bank_txn",
    "sc_relation", "sc_order", "sc_delivery", "sc_receivable", "power_account", "power_bill",
    "loan_performance", "annual_statement", "sc_project", "court_case", "court_enforcement",
    "capital", "shareholder", "guarantee",
]  # fmt: skip


def test_same_seed_gives_the_same_bytes(
    history: tuple[Path, DeliveryCounts], tmp_path: Path
) -> None:
    again = deliver(ECONOMY, tmp_path, through=ECONOMY.last_day)
    assert digests(tmp_path) == digests(history[0])
    assert again == history[1]


def test_another_seed_gives_other_firms(
    history: tuple[Path, DeliveryCounts], tmp_path: Path
) -> None:
    deliver(replace(ECONOMY, seed=4), tmp_path, through=date(2023, 12, 31))
    ours = set(delivered(history[0], "power_account")["用户证件号"])
    theirs = set(delivered(tmp_path, "power_account")["用户证件号"])
    assert not ours & theirs


@pytest.mark.parametrize("first", [date(2024, 10, 31), date(2024, 11, 12)])
def test_history_and_nights_bring_the_rows_of_a_longer_history(first: date, tmp_path: Path) -> None:
    last = first + timedelta(24)
    deliver(ECONOMY, tmp_path / "whole", through=last)
    deliver(ECONOMY, tmp_path / "parts", through=first)
    deliver(ECONOMY, tmp_path / "parts", since=first, through=last)
    for table in TABLES:
        whole = delivered(tmp_path / "whole", table)
        parts = delivered(tmp_path / "parts", table)
        assert_frame_equal(whole, parts.select(whole.columns), check_row_order=False)


def test_grants_are_handed_over_once_and_wait_until_they_are_taken(tmp_path: Path) -> None:
    first, last = date(2024, 6, 30), date(2024, 9, 30)
    waiting = tmp_path / "parts" / "consent" / "grants.jsonl"
    deliver(ECONOMY, tmp_path / "whole", through=last)
    whole = (tmp_path / "whole" / "consent" / "grants.jsonl").read_text("utf-8").splitlines()
    deliver(ECONOMY, tmp_path / "parts", through=first)
    taken = waiting.read_text("utf-8").splitlines()
    waiting.unlink()

    deliver(ECONOMY, tmp_path / "parts", since=first, through=date(2024, 8, 31))
    deliver(ECONOMY, tmp_path / "parts", since=date(2024, 8, 31), through=last)
    later = waiting.read_text("utf-8").splitlines()
    assert later
    assert not set(later) & set(taken)
    assert sorted(taken + later) == sorted(whole)

    # The inbox, written again as after a kill.
    deliver(ECONOMY, tmp_path / "parts", since=date(2024, 8, 31), through=last)
    assert waiting.read_text("utf-8").splitlines() == later


def test_nights_beyond_the_first_months_go_on_with_the_same_balances(tmp_path: Path) -> None:
    short = replace(ECONOMY, months=3)
    deliver(short, tmp_path / "short", since=short.last_day, through=date(2024, 2, 20))
    deliver(ECONOMY, tmp_path / "long", since=short.last_day, through=date(2024, 2, 20))
    assert digests(tmp_path / "short") == digests(tmp_path / "long")


def test_a_night_written_twice_is_identical(tmp_path: Path) -> None:
    night = ECONOMY.last_day + timedelta(5)
    deliver(ECONOMY, tmp_path, since=night - timedelta(1), through=night)
    before = digests(tmp_path)
    deliver(ECONOMY, tmp_path, since=night - timedelta(1), through=night)
    assert digests(tmp_path) == before


def test_manifests_tell_the_truth(history: tuple[Path, DeliveryCounts]) -> None:
    inbox, counts = history
    hashes = digests(inbox)
    rows: dict[str, int] = {}
    for folder, manifest in manifests(inbox):
        listed = {entry["name"] for entry in manifest["files"]}
        assert listed == {path.name for path in folder.iterdir()} - {"manifest.json"}
        assert manifest["delivery_id"] == folder.name
        assert manifest["delivered_at"] == "2024-12-31T22:00:00+08:00"
        for entry in manifest["files"]:
            path = folder / entry["name"]
            assert entry["sha256"] == hashes[str(path.relative_to(inbox))]
            rows[entry["table"]] = rows.get(entry["table"], 0) + entry["rows"]
    assert rows == counts.rows
    # Whether a young firm grants its founders' credit is random.
    assert sorted(rows.keys() - {"founder_credit"}) == sorted(TABLES)
    for table in TABLES:
        assert len(delivered(inbox, table)) == rows[table]


def test_every_source_delivers_every_night(tmp_path: Path) -> None:
    since = date(2024, 3, 30)
    counts = deliver(ECONOMY, tmp_path, since=since, through=since + timedelta(3))
    found = [(m["source"], m["delivered_at"][:10], m["kind"]) for _, m in manifests(tmp_path)]
    sources = [
        "bank", "founder_credit", "lender", "power", "project_contracts", "public_records",
        "supply_chain", "tax",
    ]  # fmt: skip
    nights = ["2024-03-31", "2024-04-01", "2024-04-02"]
    assert found == [(source, night, "increment") for source in sources for night in nights]
    assert counts.deliveries == 24


def test_a_night_holds_the_transfers_of_the_day_before(tmp_path: Path) -> None:
    night = date(2024, 5, 16)
    deliver(ECONOMY, tmp_path, since=night - timedelta(1), through=night)
    days = delivered(tmp_path, "bank_txn")["booked_at"].dt.date()
    on_time = (days == night - timedelta(1)).mean()
    assert on_time is not None
    assert on_time > 0.95
    assert days.max() == night - timedelta(1)  # the rest came late, none too early


def test_a_span_without_nights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no night"):
        deliver(ECONOMY, tmp_path, since=date(2024, 5, 1), through=date(2024, 5, 1))
    with pytest.raises(ValueError, match="before the economy"):
        deliver(ECONOMY, tmp_path, through=date(2023, 10, 31))


@pytest.mark.parametrize(
    "wrong", [{"firms": 3}, {"months": 0}, {"start": date(2023, 11, 2)}], ids=str
)
def test_an_impossible_economy_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="take"):
        Economy(**wrong)  # type: ignore[arg-type]


def test_voided_invoices_come_as_a_second_version(history: tuple[Path, DeliveryCounts]) -> None:
    invoices = delivered(history[0], "tax_invoice")
    key = ["direction", "invoice_code", "invoice_no"]
    void = invoices.filter(pl.col("status") == "作废")
    first = invoices.filter(pl.col("status") == "正常")
    assert len(void) > 50
    assert len(void.join(first, on=key, how="semi")) == len(void)
    assert (void["void_time"] > void["issue_time"]).all()
    # Nothing is voided once all invoices are digital; red invoices are negative.
    assert void["issue_time"].max() < pl.Series([date(2024, 12, 1)]).cast(pl.Datetime)[0]
    digital = invoices.filter(pl.col("issue_time") >= date(2024, 12, 1))
    assert digital["invoice_code"].null_count() == len(digital)
    assert (digital["invoice_no"].str.len_chars() == 20).all()
    assert (digital["amount"] < 0).any()
    paper = invoices.filter(pl.col("issue_time") < date(2024, 11, 1))
    assert (paper["invoice_code"].str.len_chars() == 12).all()
    assert (paper["invoice_no"].str.len_chars() == 8).all()
