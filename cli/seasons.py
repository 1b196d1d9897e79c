"""`firmpulse features check-seasons`: which features move with the calendar."""

from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from cli.dates import not_ahead
from cli.progress import make_console
from features import build, seasons
from firmpulse.settings import Settings


def check_seasons(
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            callback=not_ahead,
            help="The year ends here; by default with the newest night.",
        ),
    ] = None,
    firms: Annotated[int, typer.Option(min=30, help="Firms in the sample.")] = 2_000,
) -> None:
    """List the features that move with the calendar, and whether they are declared seasonal."""
    console = make_console()
    settings = Settings()
    report = seasons.check(settings, as_of.date() if as_of else build.newest_night(settings), firms)
    moved = sorted(
        (season for season in report.seasons if season.is_seasonal or season.is_declared),
        key=lambda season: -season.swing,
    )
    table = Table("feature", "swing", "declared", "highest", "lowest")
    for season in moved:
        highest, lowest = (
            report.month_ends[season.shifts.index(most(season.shifts))] for most in (max, min)
        )
        declared = "seasonal" if season.is_declared else "[bold]no[/bold]"
        table.add_row(
            season.feature, f"{season.swing:.2f}", declared, f"{highest:%Y-%m}", f"{lowest:%Y-%m}"
        )
    console.print(table)
    undeclared = [season.feature for season in moved if not season.is_declared]
    console.print(
        f"{len(report.seasons)} features of {report.firms:,} firms, {report.month_ends[0]} to "
        f"{report.month_ends[-1]}: {sum(season.is_seasonal for season in moved)} move with the "
        f"calendar by more than {seasons.MOST_SWING}"
    )
    if undeclared:
        console.print(
            "Declare them with `seasonal: true` in the view's YAML file; a model then learns them "
            "only from dates of all four quarters"
        )
        raise typer.Exit(1)
