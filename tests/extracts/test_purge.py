"""Raw rows leave the vault when masked and old; versions continue as if they had stayed."""

from datetime import date, timedelta
from typing import Any
from unittest.mock import patch

import pytest

from extracts.vault import nightly
from extracts.vault.landing import Counts
from extracts.vault.purge import PurgeReport, purge
from features import build
from firmpulse.settings import Settings
from tests.extracts.inbox import AS_OF, RETURN_HEADER, csv, deliver, permit, query
from tests.extracts.test_landing import INVOICE_HEADER, invoice, vat_return

pytestmark = pytest.mark.slow

FIRST, SECOND = date(2024, 2, 10), date(2024, 2, 20)
LATER = FIRST + timedelta(days=30)


def hand_over(settings: Settings, day: date, *lines: str, table: str = "tax_invoice") -> Counts:
    header = RETURN_HEADER if table == "tax_vat_return" else INVOICE_HEADER
    content = {"a.csv": csv(lines, header)}
    name = f"{table.replace('_', '-')}-{day}"
    deliver(settings, content, table=table, delivery_id=name, delivered=day, kind="increment")
    return nightly.land(settings, "tax", day).totals


def mask(settings: Settings, day: date) -> None:
    with patch.dict(build.SELECTORS, {"mask": ("stg_tax__invoice", "stg_tax__vat_return")}):
        build.build(settings, day, "mask")


def masked(settings: Settings) -> list[tuple[Any, ...]]:
    return query(
        settings,
        "select row_id, record_version, available_at, net_cny, status "
        "from warehouse.staging.stg_tax__invoice order by all",
    )


@pytest.mark.parametrize("purged", [True, False])
def test_versions_go_on_after_a_purge_as_without(settings: Settings, purged: bool) -> None:
    permit(settings)
    hand_over(settings, FIRST, invoice("011", "1", "10.00"), invoice("011", "2", "20.00"))
    hand_over(settings, FIRST, vat_return("2024-02-09", "100.00", 2), table="tax_vat_return")
    mask(settings, FIRST)
    if purged:
        assert purge(settings, LATER).raw_rows == {"tax_invoice": 2, "tax_vat_return": 1}
    assert hand_over(
        settings,
        LATER,
        invoice("011", "1", "10.00"),
        invoice("011", "2", "21.00"),
        invoice("011", "3", "30.00"),
    ) == Counts(read=3, landed=2, restated=1, duplicate=1)
    older = vat_return("2024-02-09", "90.00", 1)
    assert hand_over(settings, LATER, older, table="tax_vat_return").duplicate == 1
    mask(settings, LATER)
    # The row of 21.00 keeps the row_id of 20.00.
    assert masked(settings) == [
        (1, 1, FIRST, 10, "NORMAL"),
        (2, 1, FIRST, 20, "NORMAL"),
        (2, 2, LATER, 21, "NORMAL"),
        (6, 1, LATER, 30, "NORMAL"),
    ]


def test_a_version_that_leaves_replaces_the_one_that_left_before(settings: Settings) -> None:
    permit(settings)
    for day, amount in ((FIRST, "10.00"), (SECOND, "11.00")):
        hand_over(settings, day, invoice("011", "1", amount))
        mask(settings, day)
        purge(settings, day + timedelta(days=30))
    assert query(
        settings, "select row_id, record_version, available_at from vault.known.tax_invoice"
    ) == [(1, 2, SECOND)]
    day = date(2024, 3, 25)
    again = Counts(read=1, duplicate=1)
    assert hand_over(settings, day, invoice("011", "1", "11.00")) == again
    back = Counts(read=1, landed=1, restated=1)
    assert hand_over(settings, AS_OF, invoice("011", "1", "10.00")) == back
    assert query(settings, "select row_id, record_version from vault.raw.tax_invoice") == [(1, 3)]


def test_only_what_is_old_and_masked_leaves(settings: Settings) -> None:
    permit(settings)
    hand_over(settings, FIRST, invoice("011", "1", "10.00"), invoice("011", "9", "bad"))
    nothing = PurgeReport(deliveries=0, raw_rows={}, quarantined_rows=0)
    assert purge(settings, LATER) == nothing
    mask(settings, FIRST)
    hand_over(settings, SECOND, invoice("011", "2", "20.00"))
    assert purge(settings, LATER - timedelta(days=1)) == nothing
    assert purge(settings, SECOND + timedelta(days=30)) == PurgeReport(
        deliveries=1, raw_rows={"tax_invoice": 1}, quarantined_rows=1
    )
    assert purge(settings, LATER) == nothing
    assert query(settings, "select invoice_no from vault.raw.tax_invoice") == [("2",)]
    assert query(settings, "select count(*) from vault.ops.quarantine") == [(0,)]
