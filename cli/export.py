"""`firmpulse export`: files for analysts in which no firm can be identified."""

import hashlib
import uuid
from datetime import date
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console

from cli.dates import text_not_ahead
from cli.progress import make_console
from consent import audit
from firmpulse.bounds import LEAST_FIRMS
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings
from scoring import exports
from scoring.exports import ScoredFirms

app = typer.Typer(no_args_is_help=True, help="Files for analysts that identify no single firm.")
To = Annotated[Path, typer.Option(help="File to write, .csv or .parquet.")]
AsOf = Annotated[
    str,
    typer.Option(callback=text_not_ahead, help="Night, such as 2026-10-31; default: the newest."),
]


@app.command()
def firms(
    to: To,
    as_of: AsOf = "",
    ids: Annotated[bool, typer.Option("--ids", help="Add a random id, new in each file.")] = False,
) -> None:
    """Write one row per firm: at least 5 share all traits known to others, with 2 grades."""
    settings, console = Settings(), make_console()
    _check_name(to)
    scored = exports.read(settings, _night(as_of))
    done = exports.firms(scored, with_ids=ids)
    _write(settings, done.rows, to, "firms", scored.as_of, sorted(done.levels.items()))
    _tell(console, to, scored, len(done.rows), "rows")
    for column, level in done.levels.items():
        console.print(f"  {column:<14} written as: {level}")
    console.print(
        f"  {done.rows_left_out:,} firms left out because too few are similar; {done.classes:,} "
        f"groups remain, the smallest of {done.smallest_class} firms"
    )


@app.command()
def grades(
    to: To,
    by: Annotated[str, typer.Option(help="Groups, separated by commas.")] = "industry",
    as_of: AsOf = "",
) -> None:
    """Write counts of firms by group and grade; a count below 5 stays empty and hidden."""
    settings, console = Settings(), make_console()
    _check_name(to)
    groups = list(dict.fromkeys(part.strip() for part in by.split(",")))
    if unknown := [group for group in groups if group not in exports.GROUPS]:
        raise ConfigurationError(
            f"unknown --by {', '.join(unknown)}; use {', '.join(exports.GROUPS)}"
        )
    scored = exports.read(settings, _night(as_of))
    table = exports.grades(scored, groups)
    _write(settings, table, to, "grades", scored.as_of, [("by", group) for group in groups])
    _tell(console, to, scored, len(table), "cells")
    pooled = table.filter(pl.col(groups[0]) == "(other)").is_empty()
    other = "" if pooled else f"; groups of fewer than {LEAST_FIRMS} are in (other)"
    console.print(
        f"  {int(table['suppressed'].sum()):,} cells left empty: counts below {LEAST_FIRMS}, "
        f"and those that would reveal them{other}"
    )


def _tell(console: Console, to: Path, scored: ScoredFirms, count: int, what: str) -> None:
    withdrawn = f"; {scored.withdrawn:,} firms withdrew" if scored.withdrawn else ""
    console.print(f"{to}: {count:,} {what} as of {scored.as_of}{withdrawn}", markup=False)


def _night(as_of: str) -> date | None:
    return date.fromisoformat(as_of) if as_of else None


def _check_name(to: Path) -> None:
    if to.suffix.lower() not in (".csv", ".parquet"):
        raise ConfigurationError(f"--to {to} must end in .csv or .parquet")
    if not to.absolute().parent.is_dir():
        raise ConfigurationError(f"--to {to}: {to.parent} is not a folder; create it first")


def _write(
    settings: Settings,
    rows: pl.DataFrame,
    to: Path,
    kind: str,
    as_of: date,
    told: list[tuple[str, str]],
) -> None:
    """Write the file once the audit chain records it."""
    # A name that no other file has.
    beside = to.with_name(f".{to.name}-{uuid.uuid4().hex}")
    try:
        if to.suffix.lower() == ".csv":
            rows.write_csv(beside, include_bom=True)
        else:
            rows.write_parquet(beside)
        audit.append(
            settings,
            "EXPORT",
            actor=audit.actor(),
            kind=kind,
            as_of=as_of.isoformat(),
            rows=len(rows),
            columns=" ".join(f"{name}={value}" for name, value in told),
            sha256=hashlib.sha256(beside.read_bytes()).hexdigest(),
        )
        beside.replace(to)
    except OSError as error:
        raise ConfigurationError(f"--to {to}: {error.strerror}; name a file to write") from None
    finally:
        beside.unlink(missing_ok=True)
