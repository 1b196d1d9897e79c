"""`firmpulse features backfill|drift`: features rebuilt, and how far they have moved."""

import re
from datetime import date, datetime
from typing import Annotated, Any

import polars as pl
import typer
from rich.table import Column, Table

from cli.dates import month_not_ahead, not_ahead
from cli.progress import Progress, make_console
from features import build, registry
from features import drift as drifts
from features.registry import Registry
from firmpulse import warehouse
from firmpulse.calendar import month_end
from firmpulse.errors import ConfigurationError, NotReadyError
from firmpulse.settings import Settings
from scoring import restated as again
from training import recreation

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_SHOWN = 20


def backfill(
    feature: Annotated[
        list[str] | None, typer.Option(help="A feature; its whole view is rebuilt.")
    ] = None,
    view: Annotated[list[str] | None, typer.Option(help="A feature view.")] = None,
    first: Annotated[
        str | None,
        typer.Option(
            "--from", callback=month_not_ahead, help="First month, such as 2025-01; all by default."
        ),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--to", callback=month_not_ahead, help="Last month, such as 2025-12."),
    ] = None,
) -> None:
    """Rebuild features after their definition changed: all history, or some months."""
    settings = Settings()
    known = registry.load(settings)
    views = _views(known, feature or [], view or [])
    console = make_console()
    with Progress(console).following():
        report = build.backfill(settings, views, dates_of(first, last))
    for name, rows in report.rows.items():
        console.print(f"{name}: {rows:,} rows")
    console.print(
        f"Rebuilt in {report.seconds:.1f} s. Published scores stay as they are; "
        f"make a new training frame with: firmpulse train"
    )


def drift(
    name: Annotated[
        str | None, typer.Argument(metavar="[FEATURE]", help="One feature, month by month.")
    ] = None,
) -> None:
    """Show how far features moved from the champion's training data, or one by month."""
    settings = Settings()
    with warehouse.connect(settings) as connection:
        measured = drifts.recorded(connection)
    if measured.is_empty():
        raise NotReadyError(
            "no drift was measured yet; each night after a model is approved measures it"
        )
    console = make_console()
    newest: date = measured["as_of"].to_list()[-1]
    if name is None:
        rows = measured.filter(measured["as_of"] == newest).sort("psi", descending=True)
        console.print(f"{newest}: the {_SHOWN} of {rows.height} features that moved most")
        console.print(_table("feature", rows.head(_SHOWN).rows(named=True)))
        return
    rows = measured.filter(measured["feature"] == name).sort("as_of")
    if rows.is_empty() and name in registry.load(settings).names():
        version = measured["model_version"][-1]
        raise NotReadyError(
            f"version {version} does not read {name}, so its drift is not measured; "
            f"its values: firmpulse features show {name}"
        )
    if rows.is_empty():
        raise ConfigurationError(f"no feature {name!r}; list them with: firmpulse features list")
    console.print(_table("as_of", rows.rows(named=True)))


def restated(
    since: Annotated[
        datetime,
        typer.Option(
            formats=["%Y-%m-%d"], callback=not_ahead, help="Day of the night that was scored."
        ),
    ],
) -> None:
    """Show which scores of a night would change with what became known about it later."""
    report = again.restated(Settings(), since.date())
    console = make_console()
    rows = sum(report.later_rows.values())
    console.print(
        f"{report.night}, version {report.model_version}: {rows:,} rows about it became known "
        f"later; {report.moved.height:,} of {report.scored:,} firms have other features"
    )
    for table, count in report.later_rows.items():
        console.print(f"  {table} {count:,}", highlight=False)
    by_notches = report.moved["notches"].value_counts().sort("notches")
    for notches, firms in by_notches.iter_rows():
        kind = "worse" if notches > 0 else "better"
        console.print(
            f"  {abs(notches)} grades {kind}: {firms:,}" if notches else f"  same grade: {firms:,}"
        )
    changed = report.moved.filter(report.moved["notches"] != 0)
    if not changed.is_empty():
        console.print(_moves(changed.sort(pl.col("notches").abs(), descending=True)))


def recreate(
    as_of: Annotated[
        datetime,
        typer.Option(formats=["%Y-%m-%d"], callback=not_ahead, help="Date of the training frame."),
    ],
) -> None:
    """Recreate a frozen training frame and show whether its digest is the same."""
    made = recreation.recreate(Settings(), as_of.date())
    console = make_console()
    console.print(f"{made.as_of}: frozen {made.frozen_rows:,} rows, digest {made.digest}")
    if made.same:
        console.print("Recreated: the same digest.")
        return
    console.print(f"Recreated: digest {made.digest_now}")
    if made.erased_rows:
        console.print(f"  {made.erased_rows:,} frozen rows were erased since")
    console.print(f"  {made.only_frozen:,} rows are frozen only, {made.only_now:,} are new")
    for name, rows in sorted(made.changed.items(), key=lambda item: -item[1]):
        console.print(f"  {name}: {rows:,} rows have a different value", highlight=False)
    raise typer.Exit(1)


def _moves(changed: pl.DataFrame) -> Table:
    table = Table(Column("firm_id", no_wrap=True), "grade", "score", "PD", "features moved")
    for row in changed.rows(named=True):
        table.add_row(
            row["firm_id"], f"{row['grade_before']} → {row['grade_after']}",
            f"{row['score_before']} → {row['score_after']}",
            f"{row['prob_before']:.2%} → {row['prob_after']:.2%}", str(row["features_moved"]),
        )  # fmt: skip
    return table


def _table(key: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(
        Column(key, no_wrap=True), "PSI", "missing", "missing in training", "firms", "model version"
    )
    for row in rows:
        table.add_row(
            str(row[key]), f"{row['psi']:.3f}", f"{row['missing_share']:.1%}",
            f"{row['reference_missing_share']:.1%}", f"{row['row_count']:,}",
            str(row["model_version"]),
        )  # fmt: skip
    return table


def _views(known: Registry, features: list[str], views: list[str]) -> list[str]:
    unknown = [name for name in features if name not in known.names()]
    if unknown:
        raise ConfigurationError(
            f"there is no feature {', '.join(unknown)}; list them with: firmpulse features list"
        )
    wanted = dict.fromkeys([*views, *(known[name].view for name in features)])
    return list(wanted or known.views())


def dates_of(first: str | None, last: str | None) -> tuple[date, date] | None:
    """Return the first day of one month and the last of another, or None for all history."""
    if first is None and last is None:
        return None
    if first is None or last is None:
        raise ConfigurationError("give both --from and --to, or neither for all history")
    dates = _month(first), month_end(_month(last))
    if dates[0] > dates[1]:
        raise ConfigurationError(f"--from {first} is after --to {last}")
    return dates


def _month(text: str) -> date:
    """Return the first day of a month written as 2026-01."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise ConfigurationError(f"a month must look like 2026-01, not {text!r}")
    return date(int(found[1]), int(found[2]), 1)
