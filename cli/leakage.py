"""`firmpulse features check-leakage`: what became known later must move no feature."""

from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table

from cli.dates import not_ahead
from cli.progress import make_console
from features import build, leakage
from firmpulse.settings import Settings


def check_leakage(
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            callback=not_ahead,
            help="Day up to which values must not move; by "
            "default 60 days before the newest night.",
        ),
    ] = None,
    firms: Annotated[int, typer.Option(min=1, help="Firms in the sample.")] = 100,
) -> None:
    """Perturb what became known later, on a copy, and list every feature that moves."""
    console = make_console()
    settings = Settings()
    known_on = as_of.date() if as_of else build.newest_night(settings) - timedelta(days=60)
    report = leakage.check(settings, known_on, firms)
    if report.moved:
        table = Table("feature", "snapshots that moved")
        for name, count in sorted(report.moved.items(), key=lambda item: -item[1]):
            table.add_row(name, f"{count:,}")
        console.print(table)
    verdict = f"{len(report.moved)} moved" if report.moved else "none moved"
    console.print(
        f"{report.features} features, {report.snapshots:,} snapshots of {report.firms:,} firms up "
        f"to {report.known_on}, {report.later_rows:,} rows that became known later: {verdict}"
    )
    if report.moved:
        raise typer.Exit(1)
