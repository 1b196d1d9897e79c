"""The checks of a night, on the warehouse's own record of deliveries."""

from datetime import date

from expectations import handover
from extracts import vault
from firmpulse import warehouse
from firmpulse.settings import Settings

NIGHT = date(2026, 10, 31)


def record(settings: Settings, delivery_id: str, as_of: date = NIGHT, **values: object) -> None:
    """Record one table of a delivery; every count is 0 unless given."""
    row = {
        "as_of": as_of, "delivery_id": delivery_id, "source": "tax", "table_name": "tax_invoice",
        "kind": "increment", "status": "landed", "rows_read": 0, "rows_landed": 0,
        "rows_restated": 0, "rows_duplicate": 0, "rows_refused_by_gate": 0, "rows_quarantined": 0,
        "columns_dropped": 0, "delivered_at": f"{as_of}T22:00:00+08:00",
        "landed_at": f"{as_of}T23:00:00+08:00",
    } | values  # fmt: skip
    with warehouse.connect(settings) as connection:
        vault.create_warehouse_tables(connection)
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        connection.execute(
            f"insert into warehouse.ops.deliveries ({names}) values ({marks})", list(row.values())
        )


def test_refused_and_empty_deliveries_leave_the_others_alone(settings: Settings) -> None:
    record(settings, "tax-bad", status="refused", table_name=None)
    record(settings, "tax-empty", delivery_seq=1)
    record(settings, "tax-good", delivery_seq=2, rows_read=10, rows_landed=10)

    assert handover.deliveries(settings, NIGHT)["warnings"] == [
        "no delivery was refused; seen: tax-bad refused",
        "a landed delivery holds at least one row; seen: tax-empty / tax_invoice 0",
    ]
