"""`firmpulse check-application`: what is wrong with applications, before anyone works on them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from cli import csv_out, dates
from cli.progress import make_console
from consent.codes import Codes
from extracts.applications.files import Checked, check_file
from firmpulse.settings import Settings

_COLUMNS = ("row", "field", "severity", "code", "zh", "en")
_MOST_SHOWN = 200


def check_application(
    file: Annotated[Path, typer.Argument(help="CSV (UTF-8, GB18030) or Excel, one row per firm.")],
    to: Annotated[
        Path | None,
        typer.Option(callback=csv_out.named, help="Write the messages into this CSV file."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    on: Annotated[
        str,
        typer.Option(
            callback=dates.text_not_ahead,
            help="Application date, such as 2026-10-31; default: today.",
        ),
    ] = "",
) -> None:
    """Check name, USCC, founding date, licence number and industry; exit code 1 on any error."""
    checked = check_file(file, dates.parsed(on), Codes(Settings()).is_accepted)
    if to:
        csv_out.write(to, _COLUMNS, [list(row.values()) for row in _rows(checked)])
    if as_json:
        typer.echo(_json(file, checked))
    else:
        _show(file, checked, to)
    raise typer.Exit(1 if checked.count("error") else 0)


def _rows(checked: Checked) -> Iterator[dict[str, str | int]]:
    for found in checked.messages:
        said = found.message
        values = (found.row, said.field, said.severity, said.code, said.zh, said.en)
        yield dict(zip(_COLUMNS, values, strict=True))


def _json(file: Path, checked: Checked) -> str:
    summary = {
        "file": file.name,
        "applications": checked.applications,
        "errors": checked.count("error"),
        "warnings": checked.count("warning"),
        "ignored_columns": checked.ignored_columns,
        "messages": list(_rows(checked)),
    }
    return json.dumps(summary, ensure_ascii=False, indent=2)


def _show(file: Path, checked: Checked, to: Path | None) -> None:
    console = make_console()
    if checked.messages and not to:
        table = Table("row", "field", "severity")
        table.add_column("message", overflow="fold")
        for found in checked.messages[:_MOST_SHOWN]:
            said = found.message
            colour = "red" if said.severity == "error" else "yellow"
            severity = Text(said.severity, colour)
            table.add_row(str(found.row), said.field, severity, Text(f"{said.zh}\n{said.en}"))
        console.print(table)
        if len(checked.messages) > _MOST_SHOWN:
            console.print(f"only the first {_MOST_SHOWN} messages are shown; write all with --to")
    told = [
        f"{checked.applications:,} applications",
        f"{checked.count('error'):,} errors",
        f"{checked.count('warning'):,} warnings",
    ]
    if checked.ignored_columns:
        told.append(f"{checked.ignored_columns} columns not read")
    console.print(f"{file.name}: {', '.join(told)}", markup=False)
    if to:
        console.print(f"messages are in {to}", markup=False)
