"""The one matrix builder: training and scoring read features through this function only."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, TypeVar

import duckdb
import polars as pl
import pyarrow as pa

from features.registry import Registry
from firmpulse.errors import ContractError

SNAPSHOTS = "warehouse.features.firm_snapshots"
# Column of the date that the features of a row were built for.
SNAPSHOT_ON = "snapshot_on"
_KEYS = ("firm_id", "as_of")

Spine = TypeVar("Spine", pl.DataFrame, pa.Table)


def frame(
    connection: duckdb.DuckDBPyConnection,
    registry: Registry,
    spine: Spine,
    names: Sequence[str] | None = None,
    *,
    max_age_days: int | None = None,
    with_snapshot: bool = False,
) -> Spine:
    """Return the spine with features as they were known at each row's as_of.

    Each row gets the newest snapshot at or before its as_of. Keys are matched first and columns
    fetched afterwards: half the time and a third of the memory of an ASOF join over all columns.

    Args:
        connection: a session with the warehouse attached.
        registry: where the features live.
        spine: firm_id (String) and as_of (Date), any further columns are kept, shape (n, k);
            a Polars frame or an Arrow table, and the same comes back.
        names: feature names in the wished order, such as `registry.names(view=...)` or the
            features of a model version; all by default.
        max_age_days: a snapshot older than this at its row's as_of does not count; by default
            any age does.
        with_snapshot: add `snapshot_on` (Date) before the features: the snapshot that was taken.

    Returns:
        The spine's columns and rows in their order, then one column per feature: Float64, or
        String for categories. A null is "not observed"; a firm without a snapshot, or with none
        that is young enough, is all null.

    Raises:
        KeyError: a name is not in the registry.
        ContractError: the spine lacks a key, a key is null, or a firm_id is no token.
    """
    wanted = list(names) if names is not None else list(registry.names())
    table = spine.to_arrow() if isinstance(spine, pl.DataFrame) else spine
    fetched = _fetch(connection, _sql(registry, wanted), _keys(table), max_age_days)
    if not with_snapshot:
        fetched = fetched.drop_columns([SNAPSHOT_ON])
    if isinstance(spine, pl.DataFrame):
        columns = pl.from_arrow(fetched)
        assert isinstance(columns, pl.DataFrame)  # noqa: S101 - what from_arrow gives for a table
        return pl.concat([spine, columns], how="horizontal")
    for name in fetched.column_names:
        table = table.append_column(name, fetched.column(name))
    return table


def _keys(spine: Any) -> Any:
    """Return the spine's keys with the number of each row, as an Arrow table."""
    absent = [key for key in _KEYS if key not in spine.column_names]
    if absent:
        raise ContractError(
            f"the spine lacks {' and '.join(absent)}; it needs firm_id (a token) and as_of (a date)"
        )
    empty = [key for key in _KEYS if spine.column(key).null_count]
    if empty:
        raise ContractError(f"the spine has rows without {' and '.join(empty)}; leave them out")
    numbers = pa.array(range(spine.num_rows), pa.int64())
    return spine.select(list(_KEYS)).append_column("row_nr", numbers)


def _fetch(
    connection: duckdb.DuckDBPyConnection, query: str, keys: Any, max_age_days: int | None
) -> Any:
    connection.register("spine_rows", keys)
    try:
        return connection.execute(query, {"max_age_days": max_age_days}).to_arrow_table()
    except duckdb.ConversionException as error:
        raise ContractError(
            "the spine has a firm_id that is no token, or an as_of that is no date; tokens are "
            f"what the published tables call firm_id ({str(error).partition(chr(10))[0]})"
        ) from error
    finally:
        connection.unregister("spine_rows")


def _sql(registry: Registry, wanted: Sequence[str]) -> str:
    metas = sorted((registry[name] for name in wanted), key=lambda meta: meta.view)
    views = [view for view, _ in groupby(metas, key=lambda meta: meta.view)]
    by_name = {meta.name: meta for meta in metas}
    columns = "".join(f', {by_name[name].view}."{name}"' for name in wanted)
    joins = "\n".join(
        f"left join warehouse.features.{view} on {view}.firm_id = matched.firm_id "
        f"and {view}.as_of = matched.snapshot_on"
        for view in views
    )
    # Views and columns come from the manifest of this project, never from a caller.
    return f"""
        with spine as (
            select row_nr, cast(firm_id as uuid) as firm_id, cast(as_of as date) as as_of
            from spine_rows
        ),
        newest as (
            select spine.row_nr, spine.as_of, snapshots.firm_id, snapshots.as_of as snapshot_on
            from spine
            asof left join {SNAPSHOTS} as snapshots
                on spine.firm_id = snapshots.firm_id and spine.as_of >= snapshots.as_of
        ),
        matched as (
            select
                row_nr,
                firm_id,
                case
                    when $max_age_days is null or as_of - snapshot_on <= $max_age_days
                        then snapshot_on
                end as snapshot_on
            from newest
        )
        select matched.snapshot_on as {SNAPSHOT_ON}{columns}
        from matched
        {joins}
        order by matched.row_nr
    """  # noqa: S608
