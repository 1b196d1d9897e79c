"""Lines of quarantined rows and file names of a delivery, for its provider.

This opens the vault. No cell is read: neither the content of a row nor its firm.
"""

from dataclasses import replace

import duckdb

from extracts.vault import problem_records
from firmpulse import warehouse
from firmpulse.settings import Settings
from operations.delivery import Delivery, Problem

# Lines listed per rule, column and file; their number is always given.
MOST_LINES = 1000

_SEQ = "select delivery_seq from vault.ops.landed where source = ? and delivery_id = ?"
_LINES = """
    select table_name, file, rule, column_name, value_class,
        list(line order by line)[1:$most] as lines
    from vault.ops.quarantine where delivery_seq = $seq and line is not null
    group by all
"""


def located(settings: Settings, delivery: Delivery) -> Delivery:
    """Return the delivery with file names and lines, as far as the vault still has them.

    Raises:
        FileHeldError: a task holds the vault.
    """
    if not delivery.tables or not settings.vault_path.exists():
        return delivery
    with warehouse.connect(settings, vault=True, warehouse=False) as connection:
        row = connection.execute(_SEQ, [delivery.source, delivery.delivery_id]).fetchone()
        if row is None:
            return delivery
        names = _names(connection, row[0])
        lines = {
            (table, file, rule, column, kind): tuple(found)
            for table, file, rule, column, kind, found in connection.execute(
                _LINES, {"seq": row[0], "most": MOST_LINES}
            ).fetchall()
        }

    def placed(one: Problem) -> Problem:
        file = names.get(one.file_no) if one.file_no else None
        key = (one.table, file or "", one.rule, one.column, one.value_class)
        return replace(one, file=file, lines=lines.get(key, ()))

    return replace(delivery, problems=tuple(map(placed, delivery.problems)))


def landed_without_files(settings: Settings, delivery_id: str) -> tuple[str, ...]:
    """Return the sources with a landed delivery of this id.

    A delivery without files is in no other record.
    """
    if not settings.vault_path.exists():
        return ()
    with warehouse.connect(settings, vault=True, warehouse=False) as connection:
        rows = connection.execute(
            "select source from vault.ops.landed where delivery_id = ? order by all", [delivery_id]
        ).fetchall()
    return tuple(source for (source,) in rows)


def _names(connection: duckdb.DuckDBPyConnection, seq: int) -> dict[int | None, str]:
    """Return the names of a delivery's files by ordinal, landed and refused ones."""
    landed = connection.execute(
        "select file_no, file from vault.ops.files where delivery_seq = ?", [seq]
    ).fetchall()
    numbers = connection.execute(
        "select file_no, reason from vault.ops.delivery_problems "
        "where delivery_seq = ? and problem = ? and file_no is not null order by rowid",
        [seq, problem_records.REFUSED],
    ).fetchall()
    refused = connection.execute(
        "select file, reason from vault.ops.refused_files where delivery_seq = ? order by rowid",
        [seq],
    ).fetchall()
    # Both were written one by one, in this order.
    pairs = zip(numbers, refused, strict=False)
    return dict(landed) | {no: file for (no, why), (file, same) in pairs if why == same}
