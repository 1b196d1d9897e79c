"""Builds masked rows, facts and features for a date with dbt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from features import registry, slices
from features.frame import SNAPSHOTS
from firmpulse import dbt_runner, runlog, warehouse
from firmpulse.dbt_runner import NodeOutcome
from firmpulse.errors import BuildFailed, ConfigurationError, NotReadyError
from firmpulse.settings import Settings

Stage = Literal["mask", "facts", "features", "from_masked", "all"]

SELECTORS: dict[Stage, tuple[str, ...]] = {
    "mask": ("path:models/staging",),
    "facts": ("path:models/facts",),
    "features": ("path:models/features", "path:models/labels", "path:models/watch"),
    # Features and what they are made of, of rows that are masked already.
    "from_masked": ("path:models/facts", "path:models/features"),
    # A night: the first three in one go, for each start of dbt takes seconds.
    "all": ("path:models",),
}
# dbt's message when the columns of a model differ from those of its table.
_OTHER_COLUMNS = "out of sync"


@dataclass(frozen=True)
class BackfillReport:
    """What was rebuilt: view → rows of the dates, and total seconds."""

    rows: Mapping[str, int]
    seconds: float


def build(
    settings: Settings,
    as_of: date,
    stage: Stage,
    *,
    full_refresh: bool = False,
    only: tuple[date, date] | None = None,
) -> tuple[NodeOutcome, ...]:
    """Update one stage with what has landed; with `full_refresh`, from scratch.

    With `only`, features are built only at the dates from the first to the second.

    Features are kept for every month end and for every night that was built, so the night is
    recorded first: a full refresh then rebuilds the same snapshots.

    Raises:
        BuildFailed: a model or a data test failed.
    """
    with warehouse.connect(settings) as connection:
        if stage not in ("mask", "facts"):
            connection.execute(
                "insert into warehouse.ops.nights (as_of) values (?) on conflict do nothing",
                [as_of],
            )
    with runlog.step(settings, as_of, "build", stage) as step:
        variables = {"as_of": as_of.isoformat()} | only_dates(only)
        return _run(settings, SELECTORS[stage], variables, full_refresh, step)


def backfill(
    settings: Settings, views: Sequence[str], dates: tuple[date, date] | None = None
) -> BackfillReport:
    """Rebuild feature or watch tables from the existing facts: all history, or some dates.

    For a changed definition. Dates of knowledge do not change, so a view with an unchanged
    definition gets the same rows again.

    Args:
        settings: home folder.
        views: feature views of the registry, or tables of models/watch.
        dates: first and last as_of to build; all by default, which also adds new columns.

    Raises:
        ConfigurationError: there is no such view.
        NotReadyError: no night was built yet, or none of the views' snapshots is in the dates.
        BuildFailed: a model or a data test failed, or a view has new columns and got dates.
    """
    spines = _spines(settings)
    unknown = [view for view in views if view not in spines]
    if unknown:
        raise ConfigurationError(
            f"there is no feature view {', '.join(unknown)}; use one of {', '.join(spines)}"
        )
    newest = newest_night(settings)
    rows = {view: _snapshots(settings, spines[view], dates) for view in views}
    if dates and not all(rows.values()):
        raise NotReadyError(
            f"there are no snapshots from {dates[0]} to {dates[1]}; the newest night is {newest}"
        )
    variables = {"as_of": newest.isoformat()} | only_dates(dates)
    with runlog.step(settings, newest, "backfill", ", ".join(views)) as step:
        _run(settings, views, variables, dates is None, step)
        step.rows_out = sum(rows.values())
    return BackfillReport(rows, step.seconds)


def only_dates(dates: tuple[date, date] | None) -> dict[str, str]:
    """Return the project's variables that build features only at these dates."""
    if dates is None:
        return {}
    return {"rebuild_from": dates[0].isoformat(), "rebuild_to": dates[1].isoformat()}


def _run(
    settings: Settings,
    select: Sequence[str],
    variables: dict[str, str],
    full_refresh: bool,
    step: runlog.Step,
) -> tuple[NodeOutcome, ...]:
    variables = {**variables, "rows_at_once": str(slices.rows_at_once(settings))}
    try:
        return dbt_runner.build(settings, select, variables, full_refresh=full_refresh, step=step)
    except BuildFailed as error:
        if _OTHER_COLUMNS not in str(error):
            raise
        raise BuildFailed(
            f"{error}\nIts definition has other columns than its table; rebuild all its history "
            f"with: firmpulse features backfill --view NAME"
        ) from error


def newest_night(settings: Settings) -> date:
    """Return the newest date for which features were built.

    Raises:
        NotReadyError: no night was built yet.
    """
    with warehouse.connect(settings) as connection:
        newest: date | None
        (newest,) = connection.execute("select max(as_of) from warehouse.ops.nights").fetchall()[0]
    if newest is None:
        raise NotReadyError("no night was built yet; run one first: firmpulse night")
    return newest


def _spines(settings: Settings) -> dict[str, str]:
    """Return each table that a backfill can build → the table of its firms and dates."""
    manifest = registry.manifest(settings)
    watched = [node["name"] for node in manifest["nodes"].values() if node["schema"] == "watch"]
    spines = {
        feature.view: SNAPSHOTS
        if feature.valid_days is None
        else f"warehouse.features.{feature.view}"
        for feature in registry.from_manifest(manifest).features
    }
    return spines | dict.fromkeys(
        sorted(set(watched) - {"watch_snapshots"}), "warehouse.watch.watch_snapshots"
    )


def _snapshots(settings: Settings, spine: str, dates: tuple[date, date] | None) -> int:
    first, last = dates or (date.min, date.max)
    with warehouse.connect(settings) as connection:
        (rows,) = connection.execute(
            f"select count(*) from {spine} where as_of between ? and ?",  # noqa: S608 - our own names
            [first, last],
        ).fetchall()[0]
    return int(rows)
