"""Why a delivery was refused and rows were quarantined, in counts: `ops.delivery_problems`.

One row per delivery, table, file, rule and column. Files are numbered as in the manifest. The table
contains no file names and no values of rows, so that it may leave the vault. Lines and file names
are in the vault's quarantine.
"""

from collections.abc import Mapping
from datetime import date

import duckdb

from extracts.manifest import DeliveryRef
from firmpulse.stored_tables import DELIVERY_PROBLEMS

REFUSED, QUARANTINED, WARNING = "refused", "quarantined", "warning"
# Name of the warning that too many rows share their key.
_SHARED_KEYS = "shared_keys"

_QUARANTINED = """
insert into vault.ops.delivery_problems by name
select
    $as_of as as_of, delivery_seq, delivery_id, $source as source, $provider as provider,
    table_name, list_position($files, file) as file_no, $problem as problem, rule, column_name,
    value_class, count(*) as row_count
from vault.ops.quarantine
where delivery_seq = $seq
group by all
order by all
"""


def record(
    connection: duckdb.DuckDBPyConnection,
    ref: DeliveryRef,
    delivery_seq: int,
    as_of: date,
    *,
    refused: Mapping[int, str],
    warnings: Mapping[str, Mapping[str, int]],
    shared_keys: Mapping[str, tuple[int, str]],
) -> None:
    """Record in the vault what was wrong with a landed delivery.

    Args:
        connection: with the vault, in the transaction that makes the delivery count.
        ref: the delivery.
        delivery_seq: its number.
        as_of: night in which it landed.
        refused: reason by the ordinal of a refused file.
        warnings: table → warning of its contract → rows.
        shared_keys: table → rows that share their key, and the sentence about them, if too many do.
    """
    files = ref.manifest.files if ref.manifest else ()
    for number, reason in refused.items():
        file = files[number - 1]
        row = _row(ref, delivery_seq, as_of, file.table, number, REFUSED, None, file.rows, reason)
        connection.execute(DELIVERY_PROBLEMS.insert_sql(row, "vault"), row)
    for table, counts in warnings.items():
        for name, rows in counts.items():
            if rows:
                row = _row(ref, delivery_seq, as_of, table, None, WARNING, name, rows, None)
                connection.execute(DELIVERY_PROBLEMS.insert_sql(row, "vault"), row)
    for table, (rows, sentence) in shared_keys.items():
        row = _row(ref, delivery_seq, as_of, table, None, WARNING, _SHARED_KEYS, rows, sentence)
        connection.execute(DELIVERY_PROBLEMS.insert_sql(row, "vault"), row)
    connection.execute(
        _QUARANTINED,
        {
            "as_of": as_of, "source": ref.source, "seq": delivery_seq, "problem": QUARANTINED,
            "provider": ref.manifest.provider if ref.manifest else None,
            "files": [file.name for file in files],
        },
    )  # fmt: skip


def record_whole(
    connection: duckdb.DuckDBPyConnection, ref: DeliveryRef, as_of: date, reason: str
) -> None:
    """Record in the warehouse why a delivery was refused as a whole."""
    promised = sum(file.rows for file in ref.manifest.files) if ref.manifest else 0
    row = _row(ref, None, as_of, None, None, REFUSED, None, promised, reason)
    connection.execute(DELIVERY_PROBLEMS.insert_sql(row), row)


def _row(
    ref: DeliveryRef,
    delivery_seq: int | None,
    as_of: date,
    table: str | None,
    file_no: int | None,
    problem: str,
    rule: str | None,
    rows: int,
    reason: str | None,
) -> dict[str, object]:
    return {
        "as_of": as_of, "delivery_seq": delivery_seq, "delivery_id": ref.delivery_id,
        "source": ref.source, "provider": ref.manifest.provider if ref.manifest else None,
        "table_name": table, "file_no": file_no, "problem": problem, "rule": rule,
        "row_count": rows, "reason": reason,
    }  # fmt: skip
