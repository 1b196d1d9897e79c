"""Which firms have new data since the last assessment by any run."""

import duckdb

from firmpulse import warehouse
from firmpulse.settings import Settings

_STAGED = """
    select table_name from duckdb_columns()
    where database_name = 'warehouse' and schema_name = 'staging'
        and column_name in ('firm_id', 'delivery_seq')
    group by table_name
    having count(*) = 2
    order by table_name
"""


def touched(settings: Settings) -> tuple[list[str], int]:
    """Return the firms with masked rows not yet assessed, and the newest landing."""
    with warehouse.connect(settings) as connection:
        tables = _tables(connection)
        if not tables:
            return [], 0
        after = _assessed(connection)
        union = " union ".join(
            f'select firm_id, max(delivery_seq) as seq from warehouse.staging."{table}" '  # noqa: S608 - the catalogue's names
            f"where delivery_seq > {after} group by firm_id"
            for table in tables
        )
        rows = connection.execute(
            f"select cast(firm_id as varchar), max(seq) from ({union}) group by firm_id order by 1"  # noqa: S608 - ours
        ).fetchall()
    return [firm for firm, _ in rows], max((seq for _, seq in rows), default=after)


def is_anything_due(settings: Settings) -> bool:
    """Return whether anything has landed since the last assessment, masked or not."""
    with warehouse.connect(settings) as connection:
        row = connection.execute(
            "select max(delivery_seq) from warehouse.ops.deliveries where rows_landed > 0"
        ).fetchone()
        return bool(row and row[0] is not None and row[0] > _assessed(connection))


def newest(settings: Settings) -> int:
    """Return the newest landing with masked rows, or 0."""
    with warehouse.connect(settings) as connection:
        found = []
        for table in _tables(connection):
            query = f'select max(delivery_seq) from warehouse.staging."{table}"'  # noqa: S608 - the catalogue's names
            found += connection.execute(query).fetchall()
    return max((int(seq) for (seq,) in found if seq is not None), default=0)


def settle(settings: Settings, delivery_seq: int) -> None:
    """Record that all firms are assessed with the landings up to `delivery_seq`."""
    with warehouse.connect(settings) as connection:
        newest = max(delivery_seq, _assessed(connection))
        connection.execute("begin")
        connection.execute("delete from warehouse.ops.assessed")
        connection.execute("insert into warehouse.ops.assessed (delivery_seq) values (?)", [newest])
        connection.execute("commit")


def _assessed(connection: duckdb.DuckDBPyConnection) -> int:
    row = connection.execute("select max(delivery_seq) from warehouse.ops.assessed").fetchone()
    return int(row[0] or 0) if row else 0


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [name for (name,) in connection.execute(_STAGED).fetchall()]
