"""Drift of tonight's features, and of every month end, against the champion's training frame."""

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from consent import champion
from consent.grants import ASSESSMENT
from consent.ledger import Ledger
from expectations import profiles
from features import drift, needed, registry
from features.frame import SNAPSHOTS, frame
from features.permitted import withhold
from firmpulse import warehouse
from firmpulse.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

# Rows of a frame in memory at once; with 143 features they take 0.25 GB.
_MOST_ROWS = 200_000

_TONIGHT = """
select *, missing_share - reference_missing_share as missing_increase
from warehouse.ops.feature_drift
where
    as_of = $as_of
    and model_version = (
        select arg_max(model_version, model_version::bigint)
        from warehouse.ops.feature_drift where as_of = $as_of
    )
order by feature
"""


def measure(settings: Settings, as_of: date) -> bool:
    """Record the drift of a night, and of earlier month ends without it.

    Firms are those that may be assessed now, with their granted sources; the reference is the
    training frame of the champion, and features are those that it reads, without those that move
    as the history grows. Returns whether there was a reference.
    """
    leads = champion.champion(settings)
    if leads is None:
        return False
    version, digest = str(leads.version), leads.tags["frame_digest"]
    read = needed.of_version(settings, version)
    granted = Ledger(settings).live(as_of, purposes=ASSESSMENT, recipient=settings.recipient)
    known = registry.load(settings)
    defined = known.names()
    with warehouse.connect(settings) as connection:
        references = [
            item
            for item in drift.references_of(connection, digest)
            if item.feature in read
            and not (
                item.feature in defined and drift.moves_by_construction(item, known[item.feature])
            )
        ]
        if not references:
            return False
        names = [item.feature for item in references if item.feature in defined]
        for days in _batches(connection, as_of, drift.measured_days(connection, version)):
            spine = pl.concat(profiles.spine(connection, day) for day in days)
            permitted = spine.join(granted, on="firm_id", how="semi", maintain_order="left")
            rows = withhold(frame(connection, known, permitted, names), known.features, granted)
            for (day,), firms in rows.group_by("as_of", maintain_order=True):
                drift.record(connection, day, version, digest, drift.measure(firms, references))
        return as_of in drift.measured_days(connection, version)


def profile(connection: duckdb.DuckDBPyConnection, as_of: date) -> "pd.DataFrame":
    """Return one row per feature: its drift at `as_of` against the newest version measured."""
    return connection.execute(_TONIGHT, {"as_of": as_of}).df()


def _batches(
    connection: duckdb.DuckDBPyConnection, as_of: date, measured: set[date]
) -> Iterator[list[date]]:
    """Yield the night, and earlier month ends not measured yet, a few at a time."""
    counts = connection.execute(
        f"select as_of, count(*) from {SNAPSHOTS} "  # noqa: S608 - a constant
        "where as_of = $as_of or (as_of < $as_of and as_of = last_day(as_of)) "
        "group by as_of order by as_of",
        {"as_of": as_of},
    ).fetchall()
    batch: list[date] = []
    rows = 0
    for day, firms in counts:
        if day == as_of or day not in measured:
            if batch and rows + firms > _MOST_ROWS:
                yield batch
                batch, rows = [], 0
            batch.append(day)
            rows += firms
    if batch:
        yield batch
