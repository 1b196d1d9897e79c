"""Firms of which a delivery brought many rows that could not be read.

Their rows are in quarantine, so what has landed of them is a part of their business only. The firm
is known again once as many of its rows have landed since, or a person accepts the delivery.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from expectations.profiles import Finding
from extracts.reading.sql import ident

_BAD = """
    select
        table_name, firm, delivery_seq, any_value(delivery_id) as delivery_id,
        count(*) as bad_rows
    from vault.ops.quarantine
    where firm is not null and delivery_seq not in (
        select delivery_seq from warehouse.ops.verdicts
        where suite = 'delivery' and accepted_because is not null and delivery_seq is not null
    )
    group by table_name, firm, delivery_seq
    having count(*) >= $rows
"""
_HELD = """
    select
        bad.table_name, cast(token('firm', bad.firm) as varchar) as firm_id, bad.delivery_seq,
        bad.delivery_id, bad.bad_rows,
        count(*) filter (where good.delivery_seq = bad.delivery_seq) as good_rows
    from bad_rows_of_firms as bad
    left join vault.raw.{table} as good
        on bad.firm = good.firm and bad.delivery_seq <= good.delivery_seq
    where bad.table_name = $table
    group by all
    having
        bad_rows > $share * (bad_rows + good_rows)
        and count(*) filter (where good.delivery_seq > bad.delivery_seq) < bad_rows
    order by all
"""


@dataclass(frozen=True)
class Unreadable:
    """A firm and a table of a delivery of which many of its rows are in quarantine."""

    table: str
    firm_id: str
    delivery_seq: int
    delivery_id: str
    bad_rows: int
    good_rows: int

    @property
    def finding(self) -> Finding:
        """The finding about the firm."""
        all_rows = self.bad_rows + self.good_rows
        return Finding(
            self.firm_id,
            f"{self.delivery_id} / {self.table}",
            f"交付 {self.delivery_id} 的 {self.table} 共 {all_rows} 行，"
            f"其中 {self.bad_rows} 行无法读取",
            f"{self.bad_rows} of its {all_rows} rows of {self.table} in the delivery "
            f"{self.delivery_id} could not be read",
        )


def firms(
    connection: duckdb.DuckDBPyConnection, least_rows: int, share: float
) -> Sequence[Unreadable]:
    """Return the firms with at least so many rows, and more than this share, in quarantine.

    Args:
        connection: a session with vault and warehouse attached.
        least_rows: rows of a firm and table in one delivery.
        share: of the firm's rows of that table in the delivery.
    """
    connection.execute(f"create or replace temp table bad_rows_of_firms as {_BAD}",
                       {"rows": least_rows})  # fmt: skip
    tables = connection.execute("select distinct table_name from bad_rows_of_firms order by 1")
    found: list[Unreadable] = []
    for (table,) in tables.fetchall():
        rows = connection.execute(
            _HELD.format(table=ident(table)), {"table": table, "share": share}
        ).fetchall()
        found += [Unreadable(*row) for row in rows]
    connection.execute("drop table bad_rows_of_firms")
    return found
