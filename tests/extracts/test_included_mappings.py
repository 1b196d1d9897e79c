"""The included mappings, each on files made in its shape: found by their header, and landed."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from extracts.mappings import delivering, files, included, proposal, trial
from extracts.mappings.trial import Tried
from extracts.vault import nightly
from extracts.vault.landing import Counts
from firmpulse.settings import Settings
from tests.extracts import exports
from tests.extracts.exports import ACCOUNT, BANKS, Export
from tests.extracts.inbox import FIRM, grant, permit, query

DAY = date(2024, 3, 31)


def onboard(settings: Settings, name: str, folder: Path) -> Tried:
    """Deliver a folder by a mapping, and land it."""
    mapping = files.load(settings, name)
    tried = trial.run(settings, mapping, folder)
    assert tried.refused == ()
    for delivery in delivering.deliver(settings, name, mapping, tried, delivered_on=DAY):
        permit(settings, grant(source=delivery.source))
        assert nightly.land(settings, delivery.source, DAY).problems == ()
    return tried


def put(folder: Path, content: Mapping[str, bytes]) -> Path:
    return Export("", dict(content), ()).write(folder)


@pytest.mark.parametrize("export", BANKS, ids=lambda export: export.mapping)
def test_a_bank(settings: Settings, tmp_path: Path, export: Export) -> None:
    tried = onboard(settings, export.mapping, export.write(tmp_path / "files"))
    assert [(t.rows, t.good, t.firms) for t in tried.tables] == [
        (len(export.bookings), len(export.bookings), 1)
    ]
    assert query(
        settings,
        "select booked_at::varchar, dc, amount::varchar, balance::varchar, cp_name, txn_no "
        "from vault.raw.bank_txn order by booked_at",
    ) == list(export.bookings)
    assert query(
        settings, "select distinct firm, account_no, coalesce(ccy, 'CNY') from vault.raw.bank_txn"
    ) == [(f"uscc:{FIRM}", ACCOUNT, "CNY")]


def test_the_full_query_of_the_tax_bureau(settings: Settings, tmp_path: Path) -> None:
    tried = onboard(settings, "etax", put(tmp_path / "files", exports.ETAX))
    assert [(t.rows, t.good) for t in tried.tables] == [(4, 4)]
    assert query(
        settings,
        "select direction, invoice_code, invoice_no, amount, status, is_red "
        "from vault.raw.tax_invoice order by issue_time",
    ) == [
        ("OUT", None, "24352000000000000011", Decimal("1000.00"), "NORMAL", False),
        ("OUT", None, "24352000000000000012", Decimal("-1000.00"), "NORMAL", True),
        ("OUT", "3500221130", "00112233", Decimal("500.00"), "RED_FLUSHED", False),
        ("IN", None, "24352000000000000021", Decimal("200.00"), "NORMAL", False),
    ]
    assert query(settings, "select distinct firm from vault.raw.tax_invoice") == [(f"uscc:{FIRM}",)]


def test_bills_of_a_power_company(settings: Settings, tmp_path: Path) -> None:
    tried = onboard(settings, "power_bills", put(tmp_path / "files", exports.POWER))
    assert [(t.rows, t.good, t.not_rows) for t in tried.tables] == [(2, 2, 1)]
    assert query(
        settings,
        "select firm, cons_no, bill_month, kwh_total::varchar, kwh_valley::varchar, "
        "amount::varchar, pf_adjust::varchar, paid_at, pay_method from vault.raw.power_bill "
        "order by cons_no",
    ) == [
        (
            f"uscc:{FIRM}", "3500001", date(2024, 1, 1), "12000.00", "2000.00", "9600.50", "-20.50",
            date(2024, 2, 18), "DIRECT_DEBIT",
        ),
        (
            f"uscc:{FIRM}", "3500002", date(2024, 1, 1), "3000.00", "1000.00", "2400.00", None,
            None, "SELF_SERVICE",
        ),
    ]  # fmt: skip


ALL = {
    **{export.mapping: export.files for export in BANKS},
    "etax": exports.ETAX,
    "power_bills": exports.POWER,
}


def test_every_included_mapping_has_files_here() -> None:
    data_sets = {"cumcm2020c", "yangzhong_power"}
    assert {path.stem for path in files.INCLUDED.glob("*.yml")} - data_sets == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_its_files_are_found_by_their_header(settings: Settings, tmp_path: Path, name: str) -> None:
    folder = put(tmp_path / "files", ALL[name])
    with trial.scratch_of(settings) as scratch:
        proposed = proposal.propose(folder, scratch)
    assert {block.like.name for block in proposed.blocks if block.like} == {name}
    assert proposed.unreadable == ()


def test_no_two_have_the_same_header() -> None:
    headers = [frozenset(one.block.header) for one in included.all_blocks() if one.block.header]
    assert len(set(headers)) == len(headers) > 10


def test_the_same_files_again_are_the_same_delivery(settings: Settings, tmp_path: Path) -> None:
    folder = exports.CCB.write(tmp_path / "files")
    mapping = files.load(settings, "ccb")
    tried = trial.run(settings, mapping, folder)
    first = delivering.deliver(settings, "ccb", mapping, tried, delivered_on=DAY)
    manifest = next((settings.inbox / "bank").glob("*/manifest.json")).read_bytes()
    assert delivering.deliver(settings, "ccb", mapping, tried, delivered_on=DAY) == first
    assert [p.read_bytes() for p in (settings.inbox / "bank").glob("*/manifest.json")] == [manifest]
    permit(settings, grant(source="bank"))
    assert nightly.land(settings, "bank", DAY).totals == Counts(read=2, landed=2)
    (again,) = delivering.deliver(settings, "ccb", mapping, tried, delivered_on=DAY)
    assert again.has_landed
    assert list((settings.inbox / "bank").glob("[!.]*")) == []
