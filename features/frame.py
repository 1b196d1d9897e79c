"""The only matrix builder: training and scoring read features through this function."""

from collections.abc import Sequence
from typing import Any, TypeVar

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa

from features.registry import Registry
from firmpulse.errors import ContractError

SNAPSHOTS = "warehouse.features.firm_snapshots"
# Column with the date for which the features of a row were built.
SNAPSHOT_ON = "snapshot_on"
_KEYS = ("firm_id", "as_of")
_SPINE = """
    create or replace temp table spine_keys as
    select row_nr, cast(firm_id as uuid) as firm_id, cast(as_of as date) as as_of
    from spine_rows
"""
_MATCHED = f"""
    create or replace temp table spine_matched as
    select
        row_nr,
        firm_id,
        case
            when $max_age_days is null or as_of - found_on <= $max_age_days then found_on
        end as {SNAPSHOT_ON}
    from (
        select spine.row_nr, spine.as_of, snapshots.firm_id, snapshots.as_of as found_on
        from temp.spine_keys as spine
        asof left join {SNAPSHOTS} as snapshots
            on spine.firm_id = snapshots.firm_id and spine.as_of >= snapshots.as_of
    )
"""  # noqa: S608 - our own names

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
    """Return the spine with features as known at each row's as_of.

    Each row gets the newest snapshot at or before its as_of; of a view with rows at days of its
    own, the newest of these that is still valid. Keys are matched first and columns fetched
    afterwards, in half the time and a third of the memory of an ASOF join over all columns.

    Args:
        connection: a session with the warehouse attached.
        registry: the feature registry.
        spine: firm_id (String) and as_of (Date), other columns are kept, shape (n, k); a Polars
            frame or an Arrow table, and the result has the same type.
        names: feature names in the desired order, such as `registry.names(view=...)` or the
            features of a model version; all by default.
        max_age_days: a snapshot older than this at its row's as_of is not used; by default any
            age is. Views with days of their own have their own limit.
        with_snapshot: add `snapshot_on` (Date) before the features: the date of the snapshot used.

    Returns:
        The spine's columns and rows in their order, then one column per feature: Float64, or
        String for categories. A null is "not observed"; a firm without a snapshot, or without a
        recent enough one, is all null.

    Raises:
        KeyError: a name is not in the registry.
        ContractError: the spine lacks a key, a key is null, a firm_id is not a token, or a column
            of the spine has the name of one to be added.
    """
    wanted: list[str] = list(names) if names is not None else list(registry.names())
    table = spine.to_arrow() if isinstance(spine, pl.DataFrame) else spine
    _require_room(table, [SNAPSHOT_ON, *wanted] if with_snapshot else wanted)
    fetched = _fetch(connection, registry, wanted, _keys(table), max_age_days)
    if not with_snapshot:
        del fetched[SNAPSHOT_ON]
    if isinstance(spine, pl.DataFrame):
        return spine.with_columns(pl.Series(name, values) for name, values in fetched.items())
    for name, values in fetched.items():
        table = table.append_column(name, values)
    return table


def _require_room(spine: Any, added: Sequence[str]) -> None:
    """Refuse a spine with duplicate column names, before or after features are added."""
    own = spine.column_names
    twice = sorted({name for name in own if own.count(name) > 1})
    if twice:
        raise ContractError(f"the spine has two columns {twice[0]}; rename one of them")
    taken = [name for name in added if name in own]
    if taken:
        raise ContractError(
            f"the spine already has {len(taken)} of the columns that are added "
            f"(first: {taken[0]}); rename or drop them"
        )


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
    numbers = pa.array(np.arange(spine.num_rows))
    return spine.select(list(_KEYS)).append_column("row_nr", numbers)


def _fetch(
    connection: duckdb.DuckDBPyConnection,
    registry: Registry,
    wanted: Sequence[str],
    keys: Any,
    max_age_days: int | None,
) -> dict[str, Any]:
    """Return column → values in the order of the keys: `snapshot_on`, then the features."""
    connection.register("spine_rows", keys)
    try:
        # Tables have a known size; without it DuckDB assumes a tiny spine and loops over it.
        connection.execute(_SPINE)
        connection.execute(_MATCHED, {"max_age_days": max_age_days})
        columns = {
            SNAPSHOT_ON: connection.execute(
                f"select {SNAPSHOT_ON} from temp.spine_matched order by row_nr"  # noqa: S608 - ours
            ).to_arrow_table()[SNAPSHOT_ON]
        }
        # One view after the other, so that only one is in memory.
        for view, names in _by_view(registry, wanted).items():
            found = connection.execute(_view_sql(registry, view, names)).to_arrow_table()
            columns |= {name: found[name] for name in names}
    except duckdb.ConversionException as error:
        raise ContractError(
            "the spine has a firm_id that is not a token, or an as_of that is not a date; tokens "
            f"are the firm_id of the published tables ({str(error).partition(chr(10))[0]})"
        ) from error
    finally:
        connection.execute("drop table if exists temp.spine_matched")
        connection.execute("drop table if exists temp.spine_keys")
        connection.unregister("spine_rows")
    return {name: columns[name] for name in (SNAPSHOT_ON, *wanted)}


def _by_view(registry: Registry, wanted: Sequence[str]) -> dict[str, list[str]]:
    views: dict[str, list[str]] = {}
    for name in wanted:
        views.setdefault(registry[name].view, []).append(name)
    return views


def _view_sql(registry: Registry, view: str, names: Sequence[str]) -> str:
    valid_days = registry[names[0]].valid_days
    if valid_days is not None:
        return _own_days_sql(view, names, valid_days)
    columns = ", ".join(f'{view}."{name}"' for name in names)
    # Views and columns come from the manifest of this project, never from a caller.
    return f"""
        select {columns}
        from temp.spine_matched as matched
        left join warehouse.features.{view}
            on {view}.firm_id = matched.firm_id and {view}.as_of = matched.{SNAPSHOT_ON}
        order by matched.row_nr
    """  # noqa: S608


def _own_days_sql(view: str, names: Sequence[str], valid_days: int) -> str:
    is_valid = f"spine.as_of - {view}.as_of <= {valid_days}"
    columns = ", ".join(
        f'case when {is_valid} then {view}."{name}" end as "{name}"' for name in names
    )
    return f"""
        select {columns}
        from temp.spine_keys as spine
        asof left join warehouse.features.{view}
            on spine.firm_id = {view}.firm_id and spine.as_of >= {view}.as_of
        order by spine.row_nr
    """  # noqa: S608 - from the manifest, as above
