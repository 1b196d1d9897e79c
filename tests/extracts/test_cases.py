"""Small inputs that were once read wrongly land correctly, each from its own folder.

The folders have the layout of an inbox and are beside the checkout; if they are absent, these
tests are skipped. Tests with our own rows cover the same kinds: `test_export_shapes` and those
of the reader.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest

from extracts.vault import nightly
from extracts.vault.records import LandingReport
from firmpulse.settings import Settings
from tests.extracts.inbox import AS_OF, grant, permit, query

FOLDER = Path(__file__).parents[3] / "shared" / "cases"
FIRM = "91350200MA00X1AB3Y"


def land(settings: Settings, case: str) -> LandingReport:
    """Land a copy of a case's folder in an empty home; every row that was read is accounted for."""
    folder = FOLDER / case
    if not folder.is_dir():
        pytest.skip(f"{case} is not beside this checkout, in shared/cases")
    (source,) = (path.name for path in folder.iterdir() if path.is_dir())
    shutil.copytree(folder / source, settings.inbox / source)
    permit(settings, grant(f"uscc:{FIRM}", source))
    report = nightly.land(settings, source, AS_OF)
    totals = report.totals
    told = totals.landed + totals.duplicate + totals.refused_by_gate + totals.quarantined
    assert told == totals.read
    return report


def landed(settings: Settings, columns: str, table: str = "bank_txn") -> list[tuple[Any, ...]]:
    # Decimals and times as text: one spelling each.
    texts = ", ".join(f"cast({name} as varchar)" for name in columns.split(", "))
    return query(settings, f"select {texts} from vault.raw.{table} order by file_no, line")


def test_full_query_of_the_tax_bureau(settings: Settings) -> None:
    assert land(settings, "01-etax-full-query").totals.landed == 6
    columns = "invoice_code, invoice_no, invoice_kind, status, amount"
    assert landed(settings, columns, "tax_invoice") == [
        (None, "24352000000000000011", "DIGITAL_SPECIAL", "NORMAL", "1000.00"),
        (None, "24352000000000000012", "DIGITAL_ORDINARY", "RED_FLUSHED", "2000.00"),
        (None, "24352000000000000013", "DIGITAL_ORDINARY", "NORMAL", "-2000.00"),
        ("3500214130", "00012345", "SPECIAL", "VOID", "500.00"),
        ("3500214130", "00012346", "SPECIAL", "NORMAL", "700.00"),
        (None, "24352000000000000014", "DIGITAL_ORDINARY", "PARTLY_RED_FLUSHED", "3000.00"),
    ]


BOOKING = "booked_at, dc, amount, balance"


def test_construction_bank_with_two_columns(settings: Settings) -> None:
    assert land(settings, "02-ccb-two-columns").totals.landed == 2
    assert landed(settings, f"{BOOKING}, ccy, account_no, txn_no, cp_account") == [
        ("2024-01-10 17:07:09", "OUT", "40000.00", "60000.00", "CNY", "35050100000000000011",
         "1-1001", "35050100000000000022"),
        ("2024-01-11 09:07:09", "IN", "2500.00", "62500.00", "CNY", "35050100000000000011",
         "1-1002", "35050100000000000033"),
    ]  # fmt: skip


def test_merchants_bank_for_firms(settings: Settings) -> None:
    assert land(settings, "27-cmb-corporate").totals.landed == 1
    assert landed(settings, f"{BOOKING}, value_date, txn_no, cp_name, cp_account") == [
        ("2024-01-10 10:11:12", "OUT", "4000.00", "6000.00", "2024-01-10", "C01", "乙", "1001"),
    ]


def test_industrial_and_commercial_bank_with_a_line_above_the_header(settings: Settings) -> None:
    land(settings, "03-icbc-preamble")
    assert landed(settings, f"{BOOKING}, voucher_no, cp_name") == [
        ("2024-01-16 11:09:16", "OUT", "4000.00", "7907.36", "T-1", "乙"),
        ("2024-01-17 11:09:16", "IN", "500.00", "8407.36", "T-2", "丙"),
    ]
    assert query(settings, "select * from vault.ops.quarantine") == []


def test_agricultural_bank_with_day_and_time_apart(settings: Settings) -> None:
    assert land(settings, "05-abc-date-time-apart").totals.landed == 3
    assert landed(settings, f"{BOOKING}, summary, txn_no") == [
        ("2024-01-01 12:34:56", "IN", "10000.00", "11000.00", "转存", "369"),
        ("2024-01-02 13:23:24", "OUT", "10.00", "10990.00", "转取", "370"),
        ("2024-01-04 00:00:00", "IN", "0.01", "10990.01", "结息", "000"),
    ]


def test_mixed_line_ends(settings: Settings) -> None:
    assert land(settings, "07-mixed-line-ends").totals.landed == 4
    assert landed(settings, "tax_item, amount", "tax_payment") == [
        ("i0", "100.00"), ("i1", "100.00"), ("i2", "100.00"), ("i3", "100.00"),
    ]  # fmt: skip


def test_parquet_columns_that_differ_by_case(settings: Settings) -> None:
    """The column that the contract names is read, or the file is refused with the reason."""
    report = land(settings, "09-parquet-case-twins")
    rows = landed(settings, "dc, amount, balance")
    if rows:
        assert rows == [("IN", "100.00", "100.00"), ("OUT", "40.00", "60.00")]
    else:
        (problem,) = report.problems
        assert "amount" in problem.lower()


TWO_BOOKINGS = [
    ("1", "IN", "100.00", "100.00"),
    ("2", "OUT", "40.00", "60.00"),
]


def test_parquet_column_that_is_named_as_the_reader_names_rows(settings: Settings) -> None:
    assert land(settings, "10-parquet-reserved-name").totals.landed == 2
    assert landed(settings, "txn_no, dc, amount, balance") == TWO_BOOKINGS


def test_parquet_column_that_is_named_as_the_reader_names_files(settings: Settings) -> None:
    totals = land(settings, "11-parquet-file-index").totals
    assert (totals.read, totals.landed, totals.quarantined) == (4, 3, 1)
    rows = landed(settings, "txn_no, dc, amount, balance")
    assert rows == [*TWO_BOOKINGS, ("4", "OUT", "8.00", "80.00")]
    bad = query(settings, "select file, column_name, rule from vault.ops.quarantine")
    assert bad == [("b.parquet", "amount", "decimal")]


def test_workbook_with_a_title_and_a_total(settings: Settings) -> None:
    totals = land(settings, "14-xlsx-title-footer").totals
    assert (totals.read, totals.landed, totals.quarantined) == (3, 3, 0)
    assert landed(settings, "tax_item, amount", "tax_payment") == [
        ("i0", "100.00"), ("i1", "100.00"), ("i2", "100.00"),
    ]  # fmt: skip
