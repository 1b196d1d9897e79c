"""`firmpulse models check-history`: the champion on firms that are watched for less time."""

from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from cli.dates import not_ahead
from cli.history import Firms, Months
from cli.progress import make_console
from features import build, history
from firmpulse.settings import Settings
from training.metrics import Interval
from training.validation import short_history
from training.validation.short_history import Look


def check_history(
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            callback=not_ahead,
            help="Date of the snapshots; a year ago for outcomes; by default the newest night.",
        ),
    ] = None,
    months: Months = None,
    source: Annotated[
        list[str] | None,
        typer.Option(help="Observe this source alone in the short histories; may be repeated."),
    ] = None,
    firms: Firms = 500,
) -> None:
    """Score a sample of firms, on a copy, as if they had been watched for less time."""
    console, settings = make_console(), Settings()
    day = as_of.date() if as_of else build.newest_night(settings)
    lengths = sorted(set(months or history.MONTHS))
    looks = short_history.check(settings, day, firms, lengths, source or ())
    table = Table(
        "history", "mean PD", "grade better", "worse", "AUC", "observed / expected", "coverage"
    )
    for look in looks:
        table.add_row(
            "all" if look.months is None else f"{look.months} months",
            f"{look.mean_prob:.2%}",
            f"{look.better:.0%}",
            f"{look.worse:.0%}",
            "–" if look.auc is None else f"{look.auc:.3f}",
            _level(look.observed_expected),
            _tiers(look),
        )
    console.print(table)
    first = looks[0]
    only = f"; short histories of {' and '.join(source)} alone" if source else ""
    outcomes = (
        "none has an outcome yet: choose a day a year back"
        if first.bads is None
        else f"{first.bads} of them defaulted"
    )
    console.print(f"{first.firms:,} firms on {day}, {outcomes}{only}", soft_wrap=True)


def _level(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    return f"{interval.value:.2f} ({interval.low:.2f} to {interval.high:.2f})"


def _tiers(look: Look) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(look.tiers.items()))
