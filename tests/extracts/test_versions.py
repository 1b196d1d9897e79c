"""Which delivery counts: content that changes back, arrives late, or arrives again."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from extracts.vault import nightly
from extracts.vault.landing import Counts
from firmpulse.settings import Settings
from tests.extracts.inbox import AS_OF, RETURN_HEADER, csv, deliver, permit, query
from tests.extracts.test_landing import (
    INVOICE_HEADER,
    invoice,
    vat_return,
    versions,
)

DAYS = tuple(date(2024, 3, day) for day in range(1, 6))


def hand_over(settings: Settings, day: date, *amounts: str, **manifest: Any) -> None:
    """Deliver one invoice on a day, once per amount."""
    lines = [invoice("011", "1", amount) for amount in amounts]
    deliver(
        settings,
        {"a.csv": csv(lines, INVOICE_HEADER)},
        table="tax_invoice",
        delivery_id=f"tax-{day}",
        delivered=day,
        **{"kind": "increment", **manifest},
    )


def land(settings: Settings) -> Counts:
    report = nightly.land(settings, "tax", AS_OF)
    assert report.problems == ()
    totals = report.totals
    assert totals.read == (
        totals.landed + totals.duplicate + totals.refused_by_gate + totals.quarantined
    )
    return totals


def invoices(settings: Settings) -> list[tuple[Any, ...]]:
    return [
        (version, known, amount)
        for _, version, known, amount in versions(settings, "tax_invoice", "amount")
    ]


@pytest.mark.parametrize("kind", ["history", "increment"])
def test_a_correction_is_known_from_its_delivery_on_whatever_its_kind(
    settings: Settings, kind: str
) -> None:
    permit(settings)
    hand_over(settings, DAYS[0], "10.00", kind="history")
    hand_over(settings, DAYS[2], "12.00", "13.00", kind=kind)
    assert land(settings) == Counts(read=3, landed=3, restated=2)
    assert invoices(settings) == [
        (1, date(2024, 2, 2), "10.00"),
        (2, DAYS[2], "12.00"),
        (3, DAYS[2], "13.00"),
    ]


def test_content_that_changes_back_is_a_new_version(settings: Settings) -> None:
    permit(settings)
    for day, amount in zip(DAYS, ("10.00", "12.00", "10.00", "10.00", "12.00"), strict=True):
        hand_over(settings, day, amount)
    assert land(settings) == Counts(read=5, landed=4, restated=3, duplicate=1)
    assert invoices(settings) == [
        (1, DAYS[0], "10.00"),
        (2, DAYS[1], "12.00"),
        (3, DAYS[2], "10.00"),
        (4, DAYS[4], "12.00"),
    ]


@pytest.mark.parametrize(
    ("amounts", "late", "expected"),
    [
        (("10.00", "12.00", "13.00"), 1, [(1, DAYS[0], "10.00"), (2, DAYS[2], "13.00")]),
        (("10.00", "12.00", "13.00"), 0, [(1, DAYS[1], "12.00"), (2, DAYS[2], "13.00")]),
        (("10.00", "12.00", "10.00"), 1, [(1, DAYS[0], "10.00")]),
    ],
)
def test_an_older_delivery_that_lands_late_changes_nothing(
    settings: Settings, amounts: Sequence[str], late: int, expected: list[tuple[Any, ...]]
) -> None:
    permit(settings)
    for number in sorted(range(3), key=lambda number: number == late):
        hand_over(settings, DAYS[number], amounts[number])
        last = land(settings)
    assert last == Counts(read=1, duplicate=1)
    assert invoices(settings) == expected


def test_a_history_handed_over_again_says_nothing_new(settings: Settings) -> None:
    permit(settings)
    lines = [invoice("011", "1", "10.00", "作废", "2024-02-03"), invoice("011", "1", "10.00")]
    for day in DAYS[:2]:
        deliver(
            settings,
            {"a.csv": csv(lines, INVOICE_HEADER)},
            table="tax_invoice",
            delivery_id=f"tax-{day}",
            delivered=day,
        )
    assert land(settings) == Counts(read=4, landed=2, restated=1, duplicate=2)
    assert versions(settings, "tax_invoice", "status") == [
        (1, 1, date(2024, 2, 2), "NORMAL"),
        (1, 2, date(2024, 2, 4), "VOID"),
    ]


def test_an_increment_orders_its_rows_by_the_day_they_speak_of(settings: Settings) -> None:
    permit(settings)
    lines = [invoice("011", "1", "10.00", "作废", "2024-02-03"), invoice("011", "1", "10.00")]
    hand_over(settings, DAYS[0], "10.00", kind="history")
    deliver(
        settings,
        {"a.csv": csv(lines, INVOICE_HEADER)},
        table="tax_invoice",
        delivery_id="tax-2",
        delivered=DAYS[1],
        kind="increment",
    )
    assert land(settings) == Counts(read=3, landed=2, restated=1, duplicate=1)
    assert versions(settings, "tax_invoice", "status")[-1] == (1, 2, DAYS[1], "VOID")


def test_the_later_hand_over_of_one_version_number_counts(settings: Settings) -> None:
    permit(settings)
    for day, sales in ((DAYS[1], "110.00"), (DAYS[2], "120.00"), (DAYS[0], "100.00")):
        line = vat_return("2024-02-10", sales, 1)
        deliver(
            settings,
            {"a.csv": csv([line], RETURN_HEADER)},
            table="tax_vat_return",
            delivery_id=f"tax-{day}",
            delivered=day,
        )
        land(settings)
    assert versions(settings, "tax_vat_return", "sales_standard") == [
        (1, 1, date(2024, 2, 11), "110.00"),
        (1, 2, DAYS[2], "120.00"),
    ]


def test_versions_count_on_from_one(settings: Settings) -> None:
    permit(settings)
    for day, amounts in zip(
        DAYS, (("1", "2"), ("2", "3"), ("1", "4"), ("4",), ("1",)), strict=True
    ):
        hand_over(settings, day, *amounts)
    land(settings)
    found = query(
        settings, "select record_version, available_at from vault.raw.tax_invoice order by 1"
    )
    assert [version for version, _ in found] == list(range(1, len(found) + 1))
    assert [day for _, day in found] == sorted(day for _, day in found)
