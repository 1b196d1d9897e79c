"""Scores firms on a Spark cluster: the same function, batch by batch, with `mapInArrow`.

Spark is in a separate environment, `make spark`, and nothing else imports this module.
"""

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from features.registry import FeatureMeta
from model.bundle import CreditModel
from scoring import batch

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def scores(
    firms: "DataFrame", model: CreditModel, metas: tuple[FeatureMeta, ...], as_of: date
) -> "DataFrame":
    """Return the scores of firms, one row each, unordered.

    Args:
        firms: columns as `scoring.inputs.read_firms` returns them, without firms of insufficient
            coverage; one row per firm.
        model: the champion; it is sent to the workers, which need this package and its
            dependencies.
        metas: the model's features in its order.
        as_of: date of the scores.
    """
    from pyspark.sql.pandas.types import from_arrow_schema

    # One row is enough for the types; a batch may have any number.
    sample = _read(firms.limit(1).toArrow())
    schema = _plain(batch.score_firms(model, metas, sample, as_of).scores.to_arrow().schema)

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for rows in batches:
            if rows.num_rows:
                found = batch.score_firms(model, metas, _read(rows), as_of).scores
                yield from found.to_arrow().cast(schema).combine_chunks().to_batches()

    return firms.mapInArrow(score, from_arrow_schema(schema))


def _read(rows: pa.Table | pa.RecordBatch) -> pl.DataFrame:
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - of a table, not of a column
    return frame


def _plain(schema: pa.Schema) -> pa.Schema:
    """Return the schema with types that Spark supports: no views, no 64-bit offsets."""
    return pa.schema([(field.name, _plain_type(field.type)) for field in schema])


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_list(kind) or pa.types.is_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    return kind
