"""`firmpulse checks …`: the rules of the nightly checks, and failures that a person accepts."""

from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from cli.dates import not_ahead
from cli.progress import make_console
from expectations import acceptance, suite
from expectations.acceptance import OF_DELIVERIES, OF_NIGHTS, Accepted
from firmpulse.settings import Settings

app = typer.Typer(
    no_args_is_help=True, help="The checks of a night; accept a failure that is right as it is."
)
_CONSEQUENCES = {
    "critical": "stops the night", "warning": "is a warning",
    "firm": "quarantines the firms; stops the night from {} firms and {:.0%} of them on",
}  # fmt: skip


@app.command("list")
def list_rules() -> None:
    """Show every rule with what a failure does, and the failures that were accepted."""
    console = make_console()
    table = Table("suite", Column("rule", no_wrap=True), "expected", "a failure")
    for name in (*OF_DELIVERIES, *OF_NIGHTS):
        for one in suite.load(name).expectations:
            bound = one.of_batch
            follows = _CONSEQUENCES[one.severity].format(
                *((bound.firms, bound.share) if bound else ())
            )
            table.add_row(name, one.rule, escape(one.says), follows)
    console.print(table)
    for made in acceptance.listed(Settings()):
        nights = f"{made.first_night} to {made.last_night}"
        console.print(
            f"accepted for {nights}: {made.suite} {made.rule}, by {made.accepted_by}: "
            f"{made.because}", markup=False, highlight=False,
        )  # fmt: skip


@app.command()
def accept(
    suite_name: Annotated[str, typer.Argument(metavar="SUITE", help="Suite that failed.")],
    rule: Annotated[str, typer.Argument(help="Its rule that failed.")],
    as_of: Annotated[
        datetime,
        typer.Option(formats=["%Y-%m-%d"], callback=not_ahead, help="Night that it stopped."),
    ],
    because: Annotated[str, typer.Option(help="Why it is right, without names and numbers.")],
    by: Annotated[str, typer.Option(help="Who decides.")],
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last night; by default only the one it stopped."),
    ] = None,
) -> None:
    """Accept that a rule failed: the night goes on when it is run again."""
    first = as_of.date()
    wanted = Accepted(suite_name, rule, first, until.date() if until else first, because, by)
    acceptance.accept(Settings(), wanted)
    make_console().print(
        f"accepted {suite_name} {rule} for {wanted.first_night} to {wanted.last_night}; "
        f"next: firmpulse night --as-of {first}", markup=False, highlight=False,
    )  # fmt: skip
