"""Draw the training sample: matured labels, split, features as they were known."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from consent.grants import TRAINING
from consent.ledger import Ledger
from features.frame import frame
from features.permitted import withhold
from features.registry import Registry
from firmpulse import warehouse
from firmpulse.errors import NotReadyError
from firmpulse.known_at import known_at
from firmpulse.settings import Settings
from training import frozen, short_windows, split
from training.config import TrainingConfig


@dataclass(frozen=True)
class SampleReport:
    """What was frozen; counts by split."""

    as_of: date
    table: str
    digest: str
    rows: Mapping[str, int]
    bads: Mapping[str, int]
    snapshots: Mapping[str, tuple[date, ...]]


def freeze(
    settings: Settings, as_of: date, registry: Registry, config: TrainingConfig
) -> SampleReport:
    """Freeze the training frame of `as_of`; the same inputs give the same digest.

    Raises:
        NotReadyError: labels are missing or too few; the message has the numbers.
    """
    rows = draw(settings, as_of, registry, config)
    short = short_windows.rebuilt(settings, rows, registry, trainable(settings, as_of), config)
    with warehouse.connect(settings) as connection:
        digest = frozen.write(connection, as_of, rows, registry.features, frozen.table_name(as_of))
        frozen.write_short(connection, as_of, short, registry.features)
    return _report(as_of, digest, rows)


def draw(
    settings: Settings, as_of: date, registry: Registry, config: TrainingConfig
) -> pl.DataFrame:
    """Return the training frame of `as_of`: firm_id, as_of, outcome, split and the features.

    Raises:
        NotReadyError: labels are missing or too few; the message has the numbers.
    """
    granted = trainable(settings, as_of)
    with warehouse.connect(settings) as connection:
        labels = _labels(connection, as_of).join(granted, on="firm_id", how="semi")
        assigned = split.assign(labels, as_of, config)
        spine = assigned.select("firm_id", "as_of")
        known = frame(connection, registry, spine, registry.names())
    features = withhold(known, registry.features, granted)
    return pl.concat(
        [assigned.select(frozen.KEYS), features.drop("firm_id", "as_of")], how="horizontal"
    )


def trainable(settings: Settings, as_of: date) -> pl.DataFrame:
    """Return firm_id and source of the grants that allow training.

    Raises:
        NotReadyError: no firm allows it.
    """
    live = Ledger(settings).live(as_of, purposes=[TRAINING], recipient=settings.recipient)
    if live.is_empty():
        raise NotReadyError(
            f"no firm has granted {TRAINING} for {as_of}; training uses no other data. "
            f"Import such grants, or record one with: firmpulse consent grant"
        )
    return live.select("firm_id", "source").unique()


def _labels(connection: duckdb.DuckDBPyConnection, as_of: date) -> pl.DataFrame:
    labels = pl.DataFrame()
    if warehouse.is_built(connection, "labels.default_12m"):
        labels = connection.execute(
            "select cast(firm_id as varchar) as firm_id, as_of, outcome, matured_at "  # noqa: S608 - our own names
            "from warehouse.labels.default_12m "
            f"where {known_at()} order by firm_id, as_of",
            {"as_of": as_of},
        ).pl()
    if labels.is_empty():
        raise NotReadyError(
            f"no outcomes in labels.default_12m for {as_of}; land loan performance and run: "
            f"firmpulse night --as-of {as_of}"
        )
    return labels


def _report(as_of: date, digest: str, rows: pl.DataFrame) -> SampleReport:
    bad_rows = rows.filter(pl.col("outcome") == "bad")
    days = rows.group_by("split").agg(pl.col("as_of").unique().sort()).iter_rows()
    return SampleReport(
        as_of=as_of,
        table=f"training.{frozen.table_name(as_of)}",
        digest=digest,
        rows=dict(sorted(Counter(rows["split"]).items())),
        bads=dict(sorted(Counter(bad_rows["split"]).items())),
        snapshots={name: tuple(snapshots) for name, snapshots in sorted(days)},
    )
