"""The frozen training frame: written once by sampling, read by every fit."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import duckdb
import numpy as np
import polars as pl

from features import contract, drift
from features.registry import FeatureMeta
from firmpulse import digests, origin, warehouse
from firmpulse.calendar import add_months
from firmpulse.errors import NotReadyError
from firmpulse.scale import FloatArray
from firmpulse.settings import Settings
from firmpulse.stored_tables import FRAMES
from training import membership
from training.config import MONTHLY
from training.split import TRAIN

KEYS = ("firm_id", "as_of", "outcome", "split")
_QUARTERS = 4
_SHORT = "short"


@dataclass(frozen=True)
class FrozenFrame:
    """One row per firm and snapshot; the features' meta as it was when sampled."""

    as_of: date
    table: str
    digest: str
    features: tuple[FeatureMeta, ...]
    rows: pl.DataFrame
    # Number of rows when frozen; `rows` no longer has those of firms that withdrew.
    frozen_rows: int
    # Origin of the data, such as 'simulated firms'; shown in every title.
    origin: str
    # Kind of outcomes, see `training.labels`.
    labels: str = MONTHLY
    # Some training rows as they would look had the firm been watched for fewer months.
    short: pl.DataFrame = field(default_factory=pl.DataFrame)
    # Feature view that is not to be learnt.
    without: str | None = None

    @property
    def learnable(self) -> tuple[FeatureMeta, ...]:
        """The features that a model may learn from the training rows."""
        left_out = self.left_out
        return tuple(f for f in self.features if f.name not in left_out)

    @property
    def left_out(self) -> dict[str, str]:
        """The other features, and why.

        Seasonal ones need rows of all four quarters: learnt in spring alone, autumn would be taken
        for a risk. What a law changed is learnt if all windows lie on its day's side of the change.
        """
        learnt = self.part(TRAIN)
        days = learnt["as_of"]
        quarters = days.dt.quarter().n_unique()
        reasons: dict[str, str] = {}
        for feature in self.features:
            if feature.seasonal and quarters < _QUARTERS:
                reasons[feature.name] = "seasonal, training dates lack a quarter"
            if learnt[feature.name].null_count() == learnt.height:
                reasons[feature.name] = "not observed in any training row"
            if feature.view == self.without:
                reasons[feature.name] = "left out on request"
            if not _comparable(feature, days, self.as_of):
                reasons[feature.name] = f"means something else since {feature.comparable_from}"
        return reasons

    def part(self, *splits: str) -> pl.DataFrame:
        """Return the rows of the named splits."""
        return self.rows.filter(pl.col("split").is_in(splits))


def _comparable(feature: FeatureMeta, days: pl.Series, as_of: date) -> bool:
    """Return whether values on these days mean the same as on `as_of`."""
    changed, months = feature.comparable_from, feature.window_months
    if changed is None or months is None or as_of <= changed:
        return True
    # Windows are of whole months, the last one complete on the day.
    ends = ((day + timedelta(days=1)).replace(day=1) for day in days.unique())
    return all(add_months(end, -months) >= changed for end in ends)


def bads_of(rows: pl.DataFrame) -> FloatArray:
    """Return 1.0 for bad and 0.0 for good, shape (rows,)."""
    return (rows["outcome"] == "bad").to_numpy().astype(np.float64)


def bad_firms_of(rows: pl.DataFrame) -> int:
    """Return the number of firms in default; one default is in several rows."""
    return rows.filter(pl.col("outcome") == "bad")["firm_id"].n_unique()


def table_name(as_of: date, kind: str = "frame") -> str:
    """Return the name of the frozen table of a date within warehouse.training."""
    return f"{kind}_{as_of:%Y%m%d}"


def full_name(as_of: date, kind: str = "frame") -> str:
    """Return the name of the frozen table of a date with its database and schema."""
    return f"warehouse.training.{table_name(as_of, kind)}"


def write(
    connection: duckdb.DuckDBPyConnection,
    as_of: date,
    rows: pl.DataFrame,
    features: tuple[FeatureMeta, ...],
    name: str,
    labels: str = MONTHLY,
) -> str:
    """Replace the frozen table `name` and its catalogue row; return the digest."""
    connection.execute("begin")
    digest = _store(connection, as_of, rows, features, name, labels)
    membership.record(connection, digest, "frozen_rows")
    drift.keep_references(connection, digest, rows, features)
    connection.execute("commit")
    connection.unregister("frozen_rows")
    return digest


def write_short(
    connection: duckdb.DuckDBPyConnection,
    as_of: date,
    rows: pl.DataFrame,
    features: tuple[FeatureMeta, ...],
) -> None:
    """Replace the training rows with shorter histories of a date; without rows, remove them."""
    name = table_name(as_of, _SHORT)
    connection.execute("begin")
    connection.execute(f"drop table if exists warehouse.training.{name}")
    connection.execute("delete from warehouse.training.frames where table_name = ?", [name])
    if not rows.is_empty():
        _store(connection, as_of, rows, features, name, MONTHLY)
    connection.execute("commit")


def _store(
    connection: duckdb.DuckDBPyConnection,
    as_of: date,
    rows: pl.DataFrame,
    features: tuple[FeatureMeta, ...],
    name: str,
    labels: str,
) -> str:
    """Replace a table and its catalogue row, in the caller's transaction; return the digest."""
    digest = digests.of_rows(rows)
    entry = {
        "as_of": as_of, "table_name": name, "digest": digest, "labels": labels, "rows": rows.height,
        "bads": int(bads_of(rows).sum()), "features_json": contract.to_json(features),
        "created_at": datetime.now(UTC),
    }  # fmt: skip
    connection.register("frozen_rows", rows)
    connection.execute(
        f"create or replace table warehouse.training.{name} as "  # noqa: S608 - made of a date
        "select * replace (cast(firm_id as uuid) as firm_id) from frozen_rows"
    )
    connection.execute("delete from warehouse.training.frames where table_name = ?", [name])
    connection.execute(FRAMES.insert_sql(entry), entry)
    return digest


def read(settings: Settings, as_of: date) -> FrozenFrame:
    """Return the frozen frame of `as_of`.

    Raises:
        NotReadyError: nothing was sampled for this date.
    """
    name = table_name(as_of)
    with warehouse.connect(settings) as connection:
        entry = _catalogue_entry(connection, name)
        if entry is None:
            raise NotReadyError(
                f"no training frame was sampled for {as_of}; run: firmpulse train --as-of {as_of}"
            )
        digest, labels, meta, frozen_rows = entry
        rows = _rows(connection, name)
        short = table_name(as_of, _SHORT)
        has_short = _catalogue_entry(connection, short) is not None
        short_rows = _rows(connection, short) if has_short else rows.clear()
        whose = origin.of_deliveries(connection)
    features = contract.from_json(meta)
    return FrozenFrame(
        as_of, f"training.{name}", digest, features, rows, frozen_rows, whose, labels, short_rows
    )


def _rows(connection: duckdb.DuckDBPyConnection, name: str) -> pl.DataFrame:
    found: pl.DataFrame = connection.execute(
        f"select * replace (cast(firm_id as varchar) as firm_id) "  # noqa: S608 - catalogued
        f"from warehouse.training.{name} order by firm_id, as_of"
    ).pl()
    return found


def _catalogue_entry(
    connection: duckdb.DuckDBPyConnection, name: str
) -> tuple[str, str, str, int] | None:
    found = connection.execute(
        "select digest, labels, features_json, rows from warehouse.training.frames "
        "where table_name = ?",
        [name],
    ).fetchone()
    return None if found is None else (found[0], found[1], found[2], found[3])
