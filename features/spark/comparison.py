"""Whether Spark and DuckDB produced the same tables."""

import polars as pl

from features.spark.build import results_folder, with_text_tokens
from firmpulse import warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings

TOLERANCE = 1e-9
"""Largest relative difference of two equal numbers, relative to the larger, at least to 1.

The engines add in different orders, so the last digits of doubles differ."""


def compare(settings: Settings) -> pl.DataFrame:
    """Compare each table that Spark built with the one of the same name in the warehouse.

    Returns:
        One row per table: `table`, `rows` on DuckDB, `rows_on_spark`, `columns`, `values` that
        are not null, `differing` (beyond the tolerance, or null on one side only) and `largest`,
        the largest relative difference of numbers. If the number of rows differs, all values do.

    Raises:
        NotReadyError: nothing has been built on Spark.
    """
    paths = sorted(
        path
        for schema in ("facts", "features", "labels")
        for path in results_folder(settings).glob(f"{schema}/*")
    )
    if not paths:
        raise NotReadyError("Spark has built nothing here yet; call: firmpulse features spark")
    found = []
    with warehouse.connect(settings) as connection:
        for path in paths:
            name = f"{path.parent.name}.{path.name}"
            ours = with_text_tokens(connection.table(f"warehouse.{name}")).pl()
            theirs = pl.read_parquet(path / "*.parquet").select(ours.columns)
            found.append({"table": name} | _compare(ours, theirs))
    return pl.DataFrame(found)


def _compare(ours: pl.DataFrame, theirs: pl.DataFrame) -> dict[str, float]:
    values = sum(ours.height - column.null_count() for column in ours)
    shape: dict[str, float] = {
        "rows": ours.height,
        "rows_on_spark": theirs.height,
        "columns": ours.width,
        "values": values,
    }
    if ours.height != theirs.height:
        return shape | {"differing": values, "largest": float("inf")}
    # Doubles are never part of a key.
    key = [name for name, kind in ours.schema.items() if not kind.is_float()]
    ours, theirs = (frame.sort(key, nulls_last=True) for frame in (ours, theirs))
    apart = [_difference(ours[name], theirs[name]) for name in ours.columns]
    return shape | {
        "differing": sum(int((column > TOLERANCE).sum()) for column in apart),
        "largest": max((float(column.max() or 0) for column in apart), default=0.0),  # type: ignore[arg-type] # of doubles
    }


def _difference(ours: pl.Series, theirs: pl.Series) -> pl.Series:
    """Return the relative difference of each value; infinite if it is undefined."""
    if ours.dtype.is_numeric():
        pair = pl.DataFrame({"a": ours.cast(pl.Float64), "b": theirs.cast(pl.Float64)})
        size = pl.max_horizontal(pl.col("a").abs(), pl.col("b").abs(), pl.lit(1.0))
        apart = (pl.col("a") - pl.col("b")).abs() / size
    else:
        pair = pl.DataFrame({"a": ours.cast(pl.String), "b": theirs.cast(pl.String)})
        apart = pl.when(pl.col("a") == pl.col("b")).then(0.0).otherwise(float("inf"))
    both_null = pl.col("a").is_null() & pl.col("b").is_null()
    one_null = pl.col("a").is_null() | pl.col("b").is_null()
    chosen = pl.when(both_null).then(0.0).when(one_null).then(float("inf")).otherwise(apart)
    return pair.select(apart=chosen)["apart"]
