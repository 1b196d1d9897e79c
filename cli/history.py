"""`firmpulse features check-history`: a short history must not move a feature."""

from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from cli.dates import not_ahead
from cli.progress import make_console
from features import build, history
from features.catalogue_page import shift_text
from firmpulse.settings import Settings

Months = Annotated[
    list[int] | None,
    typer.Option(min=1, help="Length of history; may be repeated; by default 3, 6, 12 and 24."),
]
Firms = Annotated[int, typer.Option(min=30, help="Firms in the sample.")]


def check_history(
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            callback=not_ahead,
            help="Date of the snapshots; by default the newest night.",
        ),
    ] = None,
    months: Months = None,
    firms: Firms = 500,
) -> None:
    """Cut the history of a sample of firms, on a copy, and list every feature that moves."""
    console = make_console()
    settings = Settings()
    day = as_of.date() if as_of else build.newest_night(settings)
    lengths = sorted(set(months or history.MONTHS))
    report = history.check(settings, day, firms, lengths)
    moved = dict.fromkeys(shift.feature for shift in report.shifts if shift.depends)
    if moved:
        table = Table("feature", *(f"{length} months" for length in lengths))
        cells = {(shift.feature, shift.months): _cell(shift) for shift in report.shifts}
        for name in moved:
            table.add_row(name, *(cells[name, length] for length in lengths))
        console.print(table)
        console.print("shift of ranks, spread, and share of the firms that have no value any more")
    compared = len({shift.feature for shift in report.shifts})
    console.print(
        f"{compared} features of {report.firms:,} firms on {report.as_of}: "
        f"{len(moved) or 'none'} moved with the length of the history"
    )
    if moved:
        raise typer.Exit(1)


def _cell(shift: history.Shift) -> str:
    text = shift_text(shift)
    return f"[bold]{text}[/bold]" if shift.depends else text
