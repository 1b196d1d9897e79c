"""`firmpulse real`: a folder of real provider files through the whole pipeline."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from firmpulse.cli import nightly, summary
from firmpulse.cli.progress import Progress
from firmpulse.settings import Settings

Folder = Annotated[
    Path,
    typer.Option("--from", exists=True, file_okay=False, help="Folder with the provider's files."),
]
real_app = typer.Typer(no_args_is_help=True, help="Run on real provider files.")


def home_of(settings: Settings, shape: str) -> Settings:
    """Return settings whose home holds this data set alone, apart from everything else."""
    return settings.model_copy(update={"home": settings.root / "real" / shape})


def _prepare(shape: str, folder: Path, progress: Progress) -> tuple[Settings, date]:
    from extracts import shapes

    settings = home_of(Settings(), shape)
    as_of = shapes.delivered_on(shape)
    progress.heading(f"{shape}: taking the files as they came")
    deliveries = shapes.deliver(settings, shape, folder)
    progress.done("deliver into the inbox", progress.seconds, f"{len(deliveries)} deliveries")
    nightly.run_night(settings, as_of, progress)
    return settings, as_of


@real_app.command("cumcm2020c")
def cumcm2020c(folder: Folder) -> None:
    """VAT invoices of 425 firms, 123 of them with an outcome (contest CUMCM 2020 C)."""
    from training import undated

    console = Console()
    progress = Progress(console)
    settings, as_of = _prepare("cumcm2020c", folder, progress)
    progress.heading("Cross-validating on the firms whose outcome is known")
    started = progress.seconds
    report = undated.cross_validate(settings, as_of)
    progress.done("cross-validate and register", progress.seconds - started)
    nightly.run_night(settings, as_of, progress)
    summary.show_rows(settings, as_of, console)
    console.print(_comparison(report.rows))


@real_app.command("yangzhong-power")
def yangzhong_power(folder: Folder) -> None:
    """Daily power use of 1,454 enterprises, 2015-01 to 2016-09 (contest Tianchi 2017)."""
    console = Console()
    progress = Progress(console)
    settings, as_of = _prepare("yangzhong_power", folder, progress)
    summary.show_rows(settings, as_of, console)
