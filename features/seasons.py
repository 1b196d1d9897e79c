"""Which features move with the calendar: with the Spring Festival, quarter ends, harvests.

The same firms are compared at the month ends of one year. A feature that is higher for most firms
in some months than in others says what month it is, and a model that learnt it in spring reads it
wrongly in autumn.
"""

from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import polars as pl

from features import registry
from features.frame import SNAPSHOTS, frame
from firmpulse import warehouse
from firmpulse.calendar import add_months, last_complete_month, month_end
from firmpulse.errors import NotReadyError
from firmpulse.scale import FloatArray
from firmpulse.settings import Settings

# From here on a feature is to be declared `seasonal`.
MOST_SWING = 0.35
_MONTHS = 12
# Fewer values show nothing.
_LEAST_VALUES = 30 * _MONTHS


@dataclass(frozen=True)
class Season:
    """A feature over the twelve month ends, oldest first."""

    feature: str
    is_declared: bool
    # Probability that a value of this month end is higher than one of any, minus that of the
    # opposite; without the part that rises or falls steadily, as a firm's age does.
    shifts: tuple[float, ...]

    @property
    def swing(self) -> float:
        """Distance between the highest and the lowest month end, from 0 to 2."""
        return max(self.shifts) - min(self.shifts)

    @property
    def is_seasonal(self) -> bool:
        """Whether the feature moves with the calendar."""
        return self.swing > MOST_SWING


@dataclass(frozen=True)
class SeasonReport:
    """Every number among the features, in one year."""

    month_ends: tuple[date, ...]
    firms: int
    seasons: tuple[Season, ...]


def check(settings: Settings, as_of: date, firms: int) -> SeasonReport:
    """Compare the features of a sample of firms at the twelve month ends up to `as_of`.

    Args:
        settings: home whose features are read.
        as_of: the last month end is the newest one on or before it.
        firms: size of the sample, firms in the order of a hash of their tokens. Only firms that
            were watched for a year before the first month end: shorter histories grow.

    Raises:
        NotReadyError: no firm was watched for so long.
    """
    newest = last_complete_month(as_of)
    days = tuple(month_end(add_months(newest, -back)) for back in reversed(range(_MONTHS)))
    known = registry.load(settings)
    numbers = [meta for meta in known.features if meta.kind == "number"]
    with warehouse.connect(settings) as connection:
        spine = _spine(connection, days, firms)
        rows = frame(connection, known, spine, [meta.name for meta in numbers])
    seasons = tuple(
        Season(meta.name, meta.seasonal, shifts)
        for meta in numbers
        if (shifts := shifts_of(rows.select("as_of", meta.name)))
    )
    return SeasonReport(days, spine["firm_id"].n_unique(), seasons)


def shifts_of(values: pl.DataFrame) -> tuple[float, ...]:
    """Return a feature's shift at each date, without a steady trend; nothing if it has few values.

    Args:
        values: as_of and the feature, Float64, null for not observed.
    """
    name = values.columns[1]
    observed = values.drop_nulls()
    if observed.height < _LEAST_VALUES or observed["as_of"].n_unique() < _MONTHS:
        return ()
    place = (pl.col(name).rank("average") - 0.5) / pl.len()
    means = observed.select("as_of", place=place).group_by("as_of").agg(pl.col("place").mean())
    shifts = 2 * means.sort("as_of")["place"].to_numpy() - 1
    return tuple(_without_trend(shifts).tolist())


def _without_trend(shifts: FloatArray) -> FloatArray:
    place = np.arange(len(shifts))
    slope, level = np.polyfit(place, shifts, 1)
    return np.asarray(shifts - slope * place - level, dtype=np.float64)


def _spine(
    connection: duckdb.DuckDBPyConnection, days: tuple[date, ...], firms: int
) -> pl.DataFrame:
    """Return firm_id and as_of of the sample at each month end."""
    watched, newest = add_months(days[0], -_MONTHS), days[-1]
    sampled = pl.DataFrame(schema={"firm_id": pl.String})
    if warehouse.is_built(connection, "features.firm_snapshots"):
        sampled = connection.execute(
            f"select firm_id::varchar as firm_id from {SNAPSHOTS} "  # noqa: S608 - our own names
            "group by firm_id having min(as_of) <= $watched and max(as_of) >= $newest "
            "order by md5(firm_id::varchar) limit $firms",
            {"watched": watched, "newest": newest, "firms": firms},
        ).pl()
    if sampled.is_empty():
        raise NotReadyError(
            f"no firm was watched from {watched} to {newest}; two years of history are needed"
        )
    return sampled.join(pl.DataFrame({"as_of": days}), how="cross")
