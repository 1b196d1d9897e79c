"""What a feature would say of the same firms if their history had begun later.

Tested on copies of the masked rows: the same firms at the same date, once with everything that is
known and once without the rows of days before the newest so many months. A feature whose values
move between the two says something about how long a firm has been watched, and a model that learnt
it with short histories reads it wrongly in long ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date

import duckdb
import numpy as np
import polars as pl

from features import build, registry, scratch
from features.frame import SNAPSHOTS, frame
from features.registry import Registry
from firmpulse import warehouse
from firmpulse.calendar import add_months, last_complete_month
from firmpulse.errors import NotReadyError
from firmpulse.scale import FloatArray
from firmpulse.settings import Settings
from firmpulse.stored_tables import FEATURE_HISTORY

# Months that lenders meet: a new grant, a bank's half year, one and two years.
MONTHS = (3, 6, 12, 24)
# Beyond these a feature depends on the length of the history.
MOST_SHIFT, MOST_SPREAD = 0.10, 1.25
# Fewer firms show nothing.
LEAST_FIRMS = 30
# Views of a firm's place among all firms; a window of one firm's rows hardly changes them.
OF_ALL_FIRMS = frozenset({"feat_graph_monthly", "feat_link_monthly"})


@dataclass(frozen=True)
class Shift:
    """A feature with a short history against the same firms' full history."""

    feature: str
    months: int
    # Share of the firms with a value in the full history that have none in the short one.
    lost_share: float
    # Firms with a value in both.
    firms: int
    # Probability that a value of the short history is the higher one, minus that of the opposite,
    # over all pairs of firms: 0 if the two are distributed alike, 1 if all short ones are higher.
    shift: float
    # Mean distance from the middle in ranks of the full history: 1 if alike, above 1 if values of
    # the short one are further apart.
    spread: float

    @property
    def depends(self) -> bool:
        """Whether the feature has other values because the history is short."""
        return self.firms >= LEAST_FIRMS and (
            abs(self.shift) > MOST_SHIFT or not 1 / MOST_SPREAD <= self.spread <= MOST_SPREAD
        )


@dataclass(frozen=True)
class HistoryReport:
    """Every number among the features at each length of history."""

    as_of: date
    firms: int
    shifts: tuple[Shift, ...]


def check(
    settings: Settings, as_of: date, firms: int, months: Sequence[int] = MONTHS
) -> HistoryReport:
    """Build the features of a sample of firms with their full and with shorter histories.

    Args:
        settings: home whose masked rows are copied; only the record of the comparison is written.
        as_of: date of the snapshots, and day up to which rows are known.
        firms: size of the sample, firms in the order of a hash of their tokens.
        months: lengths of history, in months up to `as_of`.

    Raises:
        NotReadyError: nothing is masked yet, or no firm of the sample has a snapshot.
        BuildFailed: a model or one of its tests failed on a copy.
    """
    known = registry.load(settings)
    names = [meta.name for meta in known.features if meta.kind == "number"]
    full = shortened(settings, as_of, firms, None, known, names)
    found = []
    for length in months:
        short = shortened(settings, as_of, firms, length, known, names)
        both = full.join(short, on="firm_id", how="left", suffix=" short")
        found += [compare(both, name, length) for name in names]
    with warehouse.connect(settings) as connection:
        _record(connection, as_of, found)
    return HistoryReport(as_of, full.height, tuple(found))


def _record(connection: duckdb.DuckDBPyConnection, as_of: date, shifts: Sequence[Shift]) -> None:
    """Keep the newest comparison at each of these lengths, for the catalogue."""
    connection.execute("begin")
    connection.execute(
        "delete from warehouse.ops.feature_history where list_contains($months, months)",
        {"months": sorted({shift.months for shift in shifts})},
    )
    for shift in shifts:
        row = {"as_of": as_of, **asdict(shift)}
        connection.execute(FEATURE_HISTORY.insert_sql(row), row)
    connection.execute("commit")


def recorded(connection: duckdb.DuckDBPyConnection) -> Mapping[str, tuple[Shift, ...]]:
    """Return feature → its shifts, by length of history; empty before the first comparison."""
    columns = ", ".join(field.name for field in fields(Shift))
    rows = connection.execute(
        f"select {columns} from warehouse.ops.feature_history order by feature, months"  # noqa: S608 - our own names
    ).fetchall()
    found: dict[str, list[Shift]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(Shift(*row))
    return {name: tuple(shifts) for name, shifts in found.items()}


def shortened(
    settings: Settings,
    as_of: date,
    firms: int,
    months: int | None,
    known: Registry,
    names: Sequence[str],
) -> pl.DataFrame:
    """Return firm_id and features of the sample at `as_of`, from at most so many months.

    Args:
        settings: home whose masked rows are copied; nothing in it changes.
        as_of: date of the snapshots, and day up to which rows are known.
        firms: size of the sample, firms in the order of a hash of their tokens.
        months: length of the history up to `as_of`, None for all of it.
        known: the feature registry.
        names: features to return.

    Raises:
        NotReadyError: nothing is masked yet, or no firm has a snapshot with all of its history.
        BuildFailed: a model or one of its tests failed on a copy.
    """
    since = None if months is None else window_start(as_of, months)
    with warehouse.connect(settings) as connection:
        sampled = connection.execute(
            f"select firm_id::varchar as firm_id from {SNAPSHOTS} "  # noqa: S608 - our own names
            "where as_of = $as_of order by md5(firm_id::varchar) limit $firms",
            {"as_of": as_of, "firms": firms},
        ).pl()
    windows = sampled.with_columns(pl.lit(since, dtype=pl.Date).alias("since"))
    found = windowed(settings, as_of, windows, known, names)
    if found.is_empty() and months is None:
        raise NotReadyError(f"no firm of the sample has a snapshot on {as_of}; choose a later day")
    return found


def window_start(as_of: date, months: int) -> date:
    """Return the first day of a window of so many whole months up to `as_of`."""
    return add_months(last_complete_month(as_of), 1 - months)


def windowed(
    settings: Settings,
    as_of: date,
    windows: pl.DataFrame,
    known: Registry,
    names: Sequence[str],
) -> pl.DataFrame:
    """Return firm_id and features at `as_of`, of each firm from its rows since a day of its own.

    The same dbt models as for every night build them, on copies of these firms' rows: those that a
    grant with this window admits. What depends on other firms' rows, the views `OF_ALL_FIRMS`, is
    of these firms alone.

    Args:
        settings: home whose masked rows are copied; nothing in it changes.
        as_of: date of the snapshots, and day up to which rows are known.
        windows: firm_id (String) and since (Date, null for all rows), one row per firm.
        known: the feature registry.
        names: features to return.

    Raises:
        NotReadyError: nothing is masked yet.
        BuildFailed: a model or one of its tests failed on a copy.
    """
    days = registry.window_days(settings)
    with scratch.home(settings, "history") as home:
        with scratch.beside(settings, home) as connection:
            connection.register("windows", windows)
            connection.execute(
                "create temp table sampled as "
                "select cast(firm_id as uuid) as firm_id, since from windows"
            )
            scratch.fill(connection, lambda table: _rows(table, days, as_of))
        build.build(home, as_of, "from_masked", only=(as_of, as_of))
        with warehouse.connect(home) as connection:
            spine = connection.execute(
                f"select firm_id::varchar as firm_id, as_of from {SNAPSHOTS} "  # noqa: S608 - our own names
                "where as_of = ? order by firm_id",
                [as_of],
            ).pl()
            found: pl.DataFrame = frame(connection, known, spine, names)
    return found.drop("as_of")


def _rows(table: str, days: Mapping[str, str], as_of: date) -> str:
    day = days.get(table.rpartition(".")[2].strip('"'))
    in_window = f"and (sampled.since is null or {day} >= sampled.since)" if day else ""
    return (
        f"select own.* from {table} as own inner join temp.sampled "  # noqa: S608 - our own names
        f"on own.firm_id = sampled.firm_id "
        f"where available_at <= date '{as_of}' {in_window}"
    )


def compare(both: pl.DataFrame, name: str, months: int) -> Shift:
    """Return how far a feature moves.

    Args:
        both: one row per firm: the feature with the full history, and `<name> short`, Float64.
        name: the feature.
        months: length of the short history.
    """
    known = both.filter(pl.col(name).is_not_null())
    compared = known.filter(pl.col(f"{name} short").is_not_null())
    lost = 1 - compared.height / known.height if known.height else 0.0
    if compared.is_empty():
        return Shift(name, months, lost, 0, 0.0, 1.0)
    full, short = (compared[column].to_numpy() for column in (name, f"{name} short"))
    place = _places(short, full)
    width = float(np.mean(np.abs(_places(full, full) - 0.5)))
    spread = float(np.mean(np.abs(place - 0.5))) / width if width else 1.0
    return Shift(name, months, lost, compared.height, float(2 * place.mean() - 1), spread)


def _places(values: FloatArray, among: FloatArray) -> FloatArray:
    """Return the share of `among` below each value, equal ones counted half, shape (values,)."""
    ordered = np.sort(among)
    below = np.searchsorted(ordered, values, side="left")
    through = np.searchsorted(ordered, values, side="right")
    return np.asarray((below + through) / (2 * len(among)), dtype=np.float64)
