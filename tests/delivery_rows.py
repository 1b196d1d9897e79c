"""Records deliveries like landing, so that readers of the record can be tested alone."""

import duckdb

from firmpulse.stored_tables import DELIVERIES


def record(connection: duckdb.DuckDBPyConnection, **values: object) -> None:
    """Record one table of a delivery in the warehouse; counts are 0 by default."""
    counts = {
        name: 0
        for name, column in DELIVERIES.columns.items()
        if column.required and column.kind == "bigint"
    }
    row = {
        "as_of": "2026-10-30", "delivery_id": "test", "source": "test", "status": "landed",
        "landed_at": "2026-10-30T23:00:00+08:00",
    } | counts | values  # fmt: skip
    connection.execute(DELIVERIES.insert_sql(row), row)
