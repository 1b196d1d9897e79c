"""`firmpulse deliveries`: the outcome of each delivery, why, and the answer to its provider."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.dates import not_ahead
from cli.progress import make_console
from consent import audit, codes
from firmpulse.errors import ConfigurationError, FileHeldError, NotReadyError
from firmpulse.settings import Settings
from operations import answer, quarantine, texts
from operations import deliveries as record
from operations.deliveries import Known
from operations.delivery import VERDICTS, Delivery

_COLOURS = {"landed": "green", "refused": "red", "broke its checks": "red"}
_LANGUAGES = ("zh", "en")
# Lines that the page of a delivery shows per rule, column and file.
_SHOWN = 20


def deliveries(
    delivery_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One delivery, with all its problems.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    verdict: Annotated[
        str | None,
        typer.Option(
            "--status",
            help="landed, landed in part, refused, broke its checks, waiting or incomplete.",
        ),
    ] = None,
    night: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], callback=not_ahead, help="Only those of this night."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 50,
    answer: Annotated[
        Path | None,
        typer.Option(help="Write what the provider must fix: .md or .txt, or the lines as .csv."),
    ] = None,
    language: Annotated[str, typer.Option(help="Language of the answer: zh or en.")] = "zh",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the outcome of deliveries, newest first, or of one: verdict, counts, lines, rules.

    Exit code 0 for any verdict, 1 when there is no such delivery.
    """  # fmt: skip
    settings = Settings()
    known = record.known(settings)
    if delivery_id is not None:
        _one(settings, known, delivery_id, source, answer, language, as_json=as_json)
        return
    if answer is not None:
        raise ConfigurationError(
            "an answer is about one delivery; name it: firmpulse deliveries ID"
        )
    if verdict is not None and verdict not in VERDICTS:
        raise ConfigurationError(f"unknown status {verdict!r}; use one of {', '.join(VERDICTS)}")
    found = [
        one
        for one in known.deliveries
        if source in (None, one.source)
        and provider in (None, one.provider)
        and verdict in (None, one.verdict)
        and (night is None or one.as_of == night.date())
    ]
    if as_json:
        _print_json([asdict(one) for one in found[:limit]])
        return
    _list(found, limit, make_console())
    _say_published(known, make_console())


def _one(
    settings: Settings,
    known: Known,
    delivery_id: str,
    source: str | None,
    answer: Path | None,
    language: str,
    *,
    as_json: bool,
) -> None:
    console, held = make_console(), False
    try:
        found = record.find(known.deliveries, delivery_id, source)
    except NotReadyError:
        if not known.is_published and (
            sources := quarantine.landed_without_files(settings, delivery_id)
        ):
            console.print(f"{delivery_id} ({', '.join(sources)}) has landed; it contained no file.")
            return
        raise
    try:
        found = quarantine.located(settings, found)
    except FileHeldError as error:
        if answer is not None:
            raise FileHeldError(f"an answer needs lines from the vault: {error}") from None
        held = True
    if answer is not None:
        _write(settings, found, answer, language)
        console.print(f"Wrote {answer} for {found.provider or 'the provider'}.", markup=False)
        return
    said = texts.of_delivery(settings, delivery_id) if found.source == "bank" else None
    if as_json:
        _print_json(asdict(found) | {"texts": asdict(said) if said else None})
        return
    _show(found, console)
    if said:
        console.print(f"  {said.sentence}", markup=False, soft_wrap=True)
    if held:
        console.print(
            "[yellow]A task holds the vault: names of files and lines are not shown; call again "
            "when it has ended.[/]"
        )
    _say_published(known, console)


def _write(settings: Settings, found: Delivery, path: Path, language: str) -> None:
    if language not in _LANGUAGES:
        raise ConfigurationError(f"there is no language {language!r}; use zh or en")
    if path.suffix not in (".md", ".txt", ".csv"):
        raise ConfigurationError(f"{path.name}: an answer must be .md, .txt or .csv")
    written = answer.table(found) if path.suffix == ".csv" else answer.text(found, language)
    # With a byte order mark, so that Excel shows the Chinese of a CSV.
    path.write_text(written, encoding="utf-8-sig" if path.suffix == ".csv" else "utf-8")
    audit.append(
        settings, "ANSWER", actor=audit.actor(), source=found.source,
        delivery_id=found.delivery_id, provider=found.provider,
    )  # fmt: skip


def _list(found: "list[Delivery]", limit: int, console: Console) -> None:
    if not found:
        console.print("No such delivery.")
        return
    table = Table(box=None, pad_edge=False)
    counts = ("rows", "stored", "bad")
    for name in ("night", "source", "delivery", "provider", "status", *counts):
        # A truncated id cannot be used in a call.
        whole = name in ("night", "delivery", *counts)
        table.add_column(name, justify="right" if name in counts else "left", no_wrap=whole,
                         overflow="fold")  # fmt: skip
    for one in found[:limit]:
        colour = _COLOURS.get(one.verdict, "yellow")
        sums = [sum(getattr(t, name) for t in one.tables)
                for name in ("delivered", "landed", "quarantined")]  # fmt: skip
        table.add_row(
            str(one.as_of or "—"), one.source, one.delivery_id, escape(one.provider or "—"),
            f"[{colour}]{one.verdict}[/]",
            *(f"{count:,}" if one.tables else "—" for count in sums),
        )  # fmt: skip
    console.print(table)
    if len(found) > limit:
        console.print(f"{len(found) - limit:,} older ones: --limit, --source, --provider, --night")
    console.print("Reasons, and what to fix: firmpulse deliveries ID", markup=False)


def _show(one: Delivery, console: Console) -> None:
    colour = _COLOURS.get(one.verdict, "yellow")
    console.print(
        f"[bold]{one.source}/{one.delivery_id}[/]  {escape(one.provider or '')}  "
        f"[{colour}]{one.verdict}[/]"
    )
    console.print(escape(one.sentence), soft_wrap=True)
    for table in one.tables:
        console.print(
            f"  {table.table:<24} announced {table.delivered:,}: stored {table.landed:,} "
            f"(restated {table.restated:,}), duplicate {table.duplicate:,}, "
            f"no grant {table.refused_by_gate:,}, quarantined {table.quarantined:,}, "
            f"in refused files {table.in_refused_files:,}"
        )
        if table.notes:
            console.print(f"    no rows: {escape(table.notes)}", soft_wrap=True)
    for fault in one.problems:
        number = f"file {fault.file_no}" if fault.file_no else ""
        file = f"{number} ({fault.file})" if fault.file else number
        what = (
            fault.reason
            if fault.reason
            else ", ".join(filter(None, (fault.column, fault.rule, fault.value_class)))
        )
        place = ", ".join(filter(None, (fault.table, file)))
        console.print(
            f"  {fault.problem}: {place}{': ' if place else ''}{what}: {fault.rows:,} rows",
            markup=False, soft_wrap=True,
        )  # fmt: skip
        if fault.lines:
            more = fault.rows - len(fault.lines[:_SHOWN])
            shown = ", ".join(map(str, fault.lines[:_SHOWN]))
            console.print(f"    lines {shown}{f' and {more:,} more' if more > 0 else ''}")
    if any(fault.rule == "uscc" for fault in one.problems):
        console.print(f"  a code is refused: {codes.NEXT_STEP}", markup=False, soft_wrap=True)
    if one.problems and one.verdict != "waiting":
        console.print(
            f"For the provider: firmpulse deliveries {one.delivery_id} --source {one.source} "
            f"--answer {one.delivery_id}.md", markup=False, soft_wrap=True,
        )  # fmt: skip


def _say_published(known: Known, console: Console) -> None:
    if known.is_published:
        console.print(
            "[yellow]A task holds the warehouse: this is what was published last, and what is "
            "in the inbox.[/]"
        )


def _print_json(content: object) -> None:
    print(json.dumps(content, ensure_ascii=False, indent=2, default=str))
