"""Properties of a firm besides its features: in default, or an individual business."""

from datetime import date

import duckdb
import polars as pl

from scoring.warnings.measures import require

TABLE = "warehouse.watch.watch_standing"
_STANDING = f"""
    select cast(firm_id as varchar) as firm_id, in_default, is_individual
    from {TABLE}
    where as_of = ?
    order by firm_id
"""  # noqa: S608 - constant


def standing(connection: duckdb.DuckDBPyConnection, as_of: date) -> pl.DataFrame:
    """Return firm_id, in_default and is_individual of each firm, as known at `as_of`.

    A firm is in default if the newest known month of its loans shows `DEFAULT_DAYS` or more past
    due (`firmpulse.bounds`).

    Raises:
        NotReadyError: the table was not built for `as_of`.
    """
    require(connection, "watch.watch_standing", as_of)
    return connection.execute(_STANDING, [as_of]).pl()
