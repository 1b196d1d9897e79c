"""`firmpulse audit …`: the chain of what was done with firms' data."""

import json
from datetime import datetime
from typing import Annotated

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from cli.dates import not_ahead
from cli.firms import identifier_of
from cli.progress import make_console
from consent import audit, retoken, today
from consent.reasons import checked_reason
from firmpulse.errors import AuditError
from firmpulse.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The hash-chained record of what was done.")


@app.command()
def verify(
    head: Annotated[
        str | None,
        typer.Option(metavar="NUMBER:HASH", help="An entry noted earlier that must be present."),
    ] = None,
) -> None:
    """Check every entry and the sealed end; exit code 1 and the entries if anything is wrong."""
    result = audit.verify(Settings(), noted=_noted(head))
    console = make_console()
    for finding in result.findings:
        console.print(f"[red]entry {finding.seq}[/] {escape(finding.problem)}")
    newest = f"{result.newest.seq}:{result.newest.hash}"
    if not result.ok:
        console.print(
            f"[bold red]The audit chain is broken[/] ({result.entries:,} entries). Keep the "
            f"control store as it is and compare it with a backup."
        )
        raise typer.Exit(1)
    console.print(f"[green]The audit chain is whole[/]: {result.entries:,} entries.")
    if result.unsealed:
        console.print(f"{result.unsealed:,} of them are newer than the sealed head: intact; "
                      f"the next entry seals them.")  # fmt: skip
    console.print(f"Note the newest entry elsewhere, and check it next time: --head {newest}")


@app.command("list")
def list_entries(
    subject: Annotated[
        str | None, typer.Option(metavar="FIRM", help="Only entries about this firm.")
    ] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, such as GRANT.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 50,
) -> None:
    """Show the newest entries, oldest first."""
    if action is not None and action.upper() not in audit.ACTIONS:
        raise AuditError(
            f"there is no audit action {action}; use one of {', '.join(audit.ACTIONS)}"
        )
    settings = Settings()
    found = audit.entries(
        settings,
        subjects=retoken.firm_tokens(settings, identifier_of(settings, subject))
        if subject
        else None,
        action=action.upper() if action else None,
        limit=limit,
    )
    table = Table("entry", "time (UTC)", "by", "action", "firm (token)", "details",
                  box=box.SIMPLE_HEAD)  # fmt: skip
    for entry in found:
        table.add_row(
            f"{entry.seq}", entry.at[:19].replace("T", " "), escape(entry.actor), entry.action,
            (entry.subject or "")[:8], escape(_readable(entry.details)),
        )  # fmt: skip
    make_console().print(table)


@app.command()
def seal(
    reason: Annotated[str, typer.Option(help="Why, in words; kept in the chain.")],
) -> None:
    """Accept the end of the chain after a restored backup or on another machine."""
    checked_reason(reason)
    audit.seal(Settings(), actor=audit.actor(), reason=reason)
    make_console().print("Sealed; check the chain with: firmpulse audit verify")


@app.command("confirm-clock")
def confirm_clock(
    day: Annotated[
        datetime,
        typer.Argument(formats=["%Y-%m-%d"], callback=not_ahead, help="Today's date."),
    ],
    because: Annotated[
        str, typer.Option(help="Why the clock moved so far, in words; kept in the chain.")
    ],
) -> None:
    """Confirm today's date after the clock has moved by more days than FIRMPULSE_CLOCK_DAYS."""
    today.confirm(Settings(), day.date(), because=because, actor=audit.actor())
    make_console().print("Confirmed; erase what is due with: firmpulse consent honour")


def _readable(details: str) -> str:
    return "; ".join(f"{name} {value}" for name, value in json.loads(details).items())


def _noted(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    seq, _, digest = text.partition(":")
    if not seq.isdigit() or not digest:
        raise AuditError("--head takes NUMBER:HASH as an earlier verify printed it")
    return int(seq), digest
