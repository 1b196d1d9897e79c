"""`firmpulse status`: did last night work, what is late, what needs attention."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import slow as slow_view
from cli.dates import not_ahead
from cli.progress import make_console
from firmpulse import clock
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings
from operations import exporter, slow
from operations import status as statuses
from operations.status import Status, time_of

# Exit codes, for scripts and schedulers.
_CODES = {None: 0, "warning": 1, "problem": 2}
_COLOURS = {"problem": "red", "warning": "yellow"}


def status(
    on: Annotated[
        datetime | None,
        typer.Option(
            "--on",
            formats=["%Y-%m-%d"],
            callback=not_ahead,
            help="Today's date; default: today in China.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    slowest: Annotated[
        bool,
        typer.Option(
            "--slow", help="Show the slowest steps and models of a night and their usual seconds."
        ),
    ] = False,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            "--as-of",
            formats=["%Y-%m-%d"],
            callback=not_ahead,
            help="The night for --slow; default: the newest one.",
        ),
    ] = None,
    prometheus: Annotated[
        Path | None,
        typer.Option(help="Write a text file for node_exporter's textfile collector instead."),
    ] = None,
) -> None:
    """Show whether last night worked, what is late and what needs attention.

    Exit code 0 when all is well, 1 when something needs attention soon, 2 when now.
    """
    settings = Settings()
    if as_of is not None and not slowest:
        raise ConfigurationError("--as-of is the night of --slow; give today's date with --on")
    if slowest:
        found_slow = slow.look(settings, as_of.date() if as_of else None)
        slow_view.show(found_slow, make_console(), as_json=as_json)
        return
    day = on.date() if on else clock.today()
    found = statuses.look(settings, day)
    if prometheus is not None:
        exporter.write(found, prometheus)
        return
    if as_json:
        print(json.dumps(_plain(found), ensure_ascii=False, indent=2, default=str))
    else:
        _show(found, make_console())
    raise typer.Exit(_CODES[found.severity])


def _plain(found: Status) -> dict[str, object]:
    return {"severity": found.severity, **asdict(found)}


def _show(found: Status, console: Console) -> None:
    if found.night is not None:
        at = time_of(found.night.published_at)
        said = f"published {at}" if found.night.published_at else "[red]not published[/]"
        console.print(
            f"[bold]Night {found.night.as_of}[/]  {said}, {found.night.seconds:.0f} s of steps"
        )
        _steps(found, console)
    elif not found.busy:
        console.print("[bold]No night has run yet.[/]")
    if found.published is not None:
        levels = ", ".join(f"{count} {level}" for level, count in found.levels.items())
        console.print(
            f"[bold]Analysts see[/] {found.published}: {found.scored:,} scores; warnings: "
            f"{levels or 'none'}"
        )
    for age in found.ages:
        late = " [yellow]late[/]" if age.late else ""
        console.print(
            f"  {escape(age.provider):<24} {age.source:<14} {age.days:>4} days old, "
            f"{age.allowed} allowed{late}"
        )
    console.print(f"[bold]Disk[/] {found.free_bytes / 1e9:,.1f} GB free")
    if not found.findings:
        console.print("[green]All is well; nothing needs attention.[/]")
        return
    console.print("\n[bold]Needs attention[/]")
    for one in found.findings:
        console.print(f"[{_COLOURS[one.severity]}]{one.severity:<8}[/] {escape(one.text)}")
        console.print(f"         [dim]{escape(one.do)}[/]")


def _steps(found: Status, console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("  step", "rows", "seconds", "MB"):
        table.add_column(name, justify="left" if name == "  step" else "right")
    for step in found.night.steps if found.night else ():
        failed = " [red]failed[/]" if step.state == "failed" else ""
        table.add_row(
            f"  {step.label}{failed}",
            "" if step.rows_out is None else f"{step.rows_out:,}",
            f"{step.seconds:.1f}",
            "" if step.peak_mb is None else f"{step.peak_mb:,.0f}",
        )
    console.print(table)
