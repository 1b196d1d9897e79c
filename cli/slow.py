"""`firmpulse status --slow`: where the seconds of a night went."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from operations.slow import Slow, Timing

# Lines per table; --json has all.
_SHOWN = 10


def show(found: Slow, console: Console, *, as_json: bool) -> None:
    """Print the slowest steps and models of a night, or all of them as one JSON object."""
    if as_json:
        print(json.dumps(asdict(found), ensure_ascii=False, indent=2, default=str))
        return
    console.print(f"[bold]Night {found.as_of}[/]  {_usual(found.nights_before)}")
    if found.busy:
        console.print("A task holds the warehouse: shown as of the last publication.")
    console.print(_table("  step", found.steps))
    console.print()
    console.print(_table("  model or test", found.models))


def _usual(nights_before: int) -> str:
    if not nights_before:
        return "no night before it to compare with"
    nights = "night" if nights_before == 1 else f"{nights_before} nights"
    return f"usual: median of the {nights} before"


def _table(title: str, timings: Sequence[Timing]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(title, min_width=40)
    for name in ("seconds", "usual", "ratio"):
        table.add_column(name, justify="right")
    for one in timings[:_SHOWN]:
        table.add_row(
            f"  {one.name}",
            f"{one.seconds:.1f}",
            "" if one.usual_seconds is None else f"{one.usual_seconds:.1f}",
            "" if one.ratio is None else f"{one.ratio:.1f}",
        )
    return table
