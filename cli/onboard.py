"""`firmpulse onboard`: files of an unknown shape, from a first look to the inbox."""

import shlex
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.dates import not_ahead
from cli.progress import make_console
from extracts import contracts
from extracts.mappings import checks, delivering, entries, files, proposal, trial, yaml_text
from extracts.mappings.delivering import Delivered
from extracts.mappings.model import ExportMapping, json_schema
from extracts.mappings.proposal import Block, Proposal
from extracts.mappings.seen import TriedTable
from extracts.mappings.trial import Tried
from firmpulse import clock
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings

_LONGEST_CELL = 24
_HOW_TO_SAY = (
    "say them under constants; a firm or an account better in the path, as {uscc} in the pattern"
)


def onboard(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Folder with the files.")
    ],
    name: Annotated[
        str | None,
        typer.Option(help="Name of the mapping: a-z, 0-9 and _; by default the folder's."),
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="The table that all files are for, if it is known.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Read the files by the mapping; nothing lands.")
    ] = False,
    deliver: Annotated[
        bool, typer.Option("--deliver", help="Put the files into the inbox, if they can land.")
    ] = False,
    delivered_on: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            callback=not_ahead,
            help="Day of the hand-over; by default today.",
        ),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Deliver although a pattern takes no file.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Propose anew; the old mapping is kept as .old.")
    ] = False,
) -> None:
    """Propose a mapping for unknown files, check it, and deliver by it.

    Without an option it looks at the files and writes a mapping that you correct. With --check it
    reads them by the mapping and shows what would land and why other rows would not.
    """  # fmt: skip
    settings, console = Settings(), make_console()
    name = name or _name_of(folder)
    if not files.is_name(name):
        raise ConfigurationError(
            f"{name!r} is no name of a mapping, after which deliveries are named; use a-z, 0-9, - "
            f"and _, at most 14 letters or digits in a row and 6 digits: --name"
        )
    path = settings.mappings_dir / f"{name}.yml"
    if table is not None and table not in contracts.load():
        raise ConfigurationError(
            f"there is no table {table!r}; use one of {', '.join(contracts.load())}"
        )
    known = name in files.names(settings)
    if (check or deliver) and not known:
        raise ConfigurationError(
            f"there is no mapping {name!r}; make it first: {_command(folder)} --name {name}"
        )
    if not check and not deliver:
        if known and not again:
            raise ConfigurationError(
                f"the mapping {name} exists; read the files by it: {_command(folder)} "
                f"--name {name} --check, or propose it anew: --again"
            )
        _propose(settings, console, folder, path, table)
        return
    mapping = files.load(settings, name)
    tried = trial.run(settings, mapping, folder)
    _show_tried(console, tried)
    _show_constants(console, name, mapping)
    if deliver:
        day = delivered_on.date() if delivered_on else None
        delivered = delivering.deliver(
            settings, name, mapping, tried, delivered_on=day, partial=partial
        )
        _show_delivered(console, delivered, day or clock.today())
    elif tried.refused:
        raise typer.Exit(1)
    else:
        console.print(
            f"Next: {_command(folder)} --name {name} --deliver",
            soft_wrap=True,
        )


def _command(folder: Path) -> str:
    return f"firmpulse onboard {shlex.quote(str(folder))}"


def _name_of(folder: Path) -> str:
    """Return a mapping's name from a folder's; the file's name is a part of delivery ids."""
    letters = [c if c.isascii() and c.isalnum() else "_" for c in folder.resolve().name.lower()]
    words = [word[:12] for word in "".join(letters).split("_") if word]
    name = "_".join(words)[:24].strip("_")
    return name if name and files.is_name(name) else "files"


def _propose(
    settings: Settings, console: Console, folder: Path, path: Path, table: str | None
) -> None:
    with trial.scratch_of(settings) as scratch:
        found = proposal.propose(folder, scratch, table)
    for block in found.blocks:
        _show_block(console, block)
    for name, why in found.unreadable:
        console.print(f"[red]{escape(name)}[/]: {escape(why)}", soft_wrap=True)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists():
        path.replace(path.with_suffix(".yml.old"))
    path.write_text(yaml_text.write(found, path.stem), encoding="utf-8")
    (path.parent / "mapping.schema.json").write_text(json_schema(), encoding="utf-8")
    _show_next(console, folder, path, found)


def _show_delivered(console: Console, delivered: Sequence[Delivered], day: date) -> None:
    for delivery in delivered:
        told = "has landed before, nothing to do" if delivery.has_landed else "in the inbox"
        console.print(f"{delivery.delivery_id}: {told}", soft_wrap=True)
    if not all(delivery.has_landed for delivery in delivered):
        console.print(f"Next: firmpulse night --as-of {day}", soft_wrap=True)


def _show_next(console: Console, folder: Path, path: Path, found: Proposal) -> None:
    console.print(f"Written: {path}", soft_wrap=True)
    if not any(block.table for block in found.blocks):
        console.print(
            "No table fits. Name it: firmpulse onboard FOLDER --again --table TABLE; the tables: "
            "firmpulse contracts list",
            soft_wrap=True,
        )
        return
    console.print(
        f"Next: correct it, fill in every '?', then: {_command(folder)} --name {path.stem} --check",
        soft_wrap=True,
    )


def _show_block(console: Console, block: Block) -> None:
    first = block.sights[0]
    title = f"{block.pattern}: {len(block.sights)} files, {block.table or 'no table fits'}"
    if block.like is not None:
        title += f", header of the included mapping {block.like.name}"
    shown = Table("header", "example", "column", "sure", "why", title=escape(title))
    for place, guess in enumerate(block.guesses):
        cells = first.column(place)
        shown.add_row(
            escape(guess.header), escape(_example(block, guess.to, cells)), guess.to or "-",
            f"{guess.confidence:.0%}" if guess.to else "", escape(guess.reason),
        )  # fmt: skip
    console.print(shown)
    if block.missing:
        console.print(f"  no header for {', '.join(block.missing)}: {_HOW_TO_SAY}", soft_wrap=True)


def _example(block: Block, target: str | None, cells: list[str]) -> str:
    """Return a cell if its contract lets the column out, else how long it is."""
    if not cells:
        return "(empty)"
    if block.table is not None and target is not None:
        contract = contracts.load()[block.table]
        column = contract.column(entries.targets(contract)[target])
        if column.mask == "keep" and not column.personal:
            return cells[0][:_LONGEST_CELL]
    return f"({len(cells[0])} characters)"


def _show_tried(console: Console, tried: Tried) -> None:
    for table in tried.tables:
        _show_table(console, table)
    for pattern in tried.without_files:
        console.print(f"[yellow]no file for the pattern {escape(pattern)}[/]", soft_wrap=True)
    for name in tried.others[:10]:
        console.print(f"[yellow]in no pattern, not read: {escape(name)}[/]", soft_wrap=True)
    if len(tried.others) > 10:
        console.print(f"[yellow]and {len(tried.others) - 10} files more[/]")


def _show_constants(console: Console, name: str, mapping: ExportMapping) -> None:
    """Warn of constants that would stay in the mapping when their firm is erased."""
    for line, column in checks.identifying_constants(mapping):
        console.print(
            f"[yellow]{name}.yml, block at line {line}: the constant {column} identifies a firm, "
            f"and would stay there when the firm is erased. Name the folder or the file by it and "
            f"write {{{column}}} in the pattern, or read it from above the header: "
            f"above_header[/]",
            soft_wrap=True,
        )


def _show_table(console: Console, table: TriedTable) -> None:
    days = f", {table.first_day} to {table.last_day}" if table.first_day else ""
    console.print(
        f"[bold]{table.table}[/]: {table.files} files, {table.rows:,} rows, {table.good:,} would "
        f"land, of {table.firms:,} firms{days}"
        + (f"; {table.not_rows:,} lines are no rows" if table.not_rows else ""),
        soft_wrap=True,
    )
    for name, why in table.refused:
        console.print(f"  [red]{escape(name)} refused[/]: {escape(why)}", soft_wrap=True)
    if table.problems:
        shown = Table("column", "rule", "value is", "rows", "first", title="Quarantine")
        for problem in table.problems:
            texts = ", ".join(f"{text} {rows}" for text, rows in (problem.texts or {}).items())
            shown.add_row(
                escape(problem.column or "line"), problem.rule,
                escape(problem.value_class + (f": {texts}" if texts else "")),
                f"{problem.rows:,}", escape(f"{problem.file} line {problem.line}"),
            )  # fmt: skip
        console.print(shown)
        if any(problem.texts for problem in table.problems):
            console.print(
                "  Say what unknown texts mean under `values` of their header, in the block at "
                f"line {' or '.join(map(str, table.lines))} of the mapping; null for nothing.",
                soft_wrap=True,
            )
    if any(problem.value_class == "scientific" for problem in table.problems):
        console.print(
            "  A contract's, an account's or a firm's number that a workbook keeps as a number may "
            "have lost digits: say under `digits` of its header how many it has, or make the "
            "column text.",
            soft_wrap=True,
        )
    if table.preview:
        kept = {name: cells for name, cells in table.preview.items() if cells is not None}
        shown = Table(*kept, title="First rows, without what stays in the vault")
        for row in zip(*kept.values(), strict=True):
            shown.add_row(*(escape(cell[:_LONGEST_CELL]) for cell in row))
        console.print(shown)
    if table.dropped:
        console.print(f"  not read: {escape(', '.join(table.dropped))}", soft_wrap=True)
