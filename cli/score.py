"""`firmpulse score replay`: recompute a published score."""

from datetime import datetime
from typing import Annotated

import typer

from cli.dates import not_ahead
from cli.firms import Firm, token_of
from cli.progress import make_console
from firmpulse.settings import Settings
from scoring import replay as replaying

app = typer.Typer(no_args_is_help=True, help="Examine single scores.")


@app.callback()
def _group() -> None:
    """Keep `replay` a subcommand while it is the only one."""


@app.command()
def replay(
    firm: Firm,
    as_of: Annotated[
        datetime,
        typer.Argument(formats=["%Y-%m-%d"], callback=not_ahead, help="Date of the score."),
    ],
) -> None:
    """Recompute a published score: the same bits, or what differs and why."""
    settings, console = Settings(), make_console()
    done = replaying.replay(settings, token_of(settings, firm), as_of.date())
    title = f"firm {done.firm_id}, {done.as_of}, model version {done.model_version}"
    if done.is_same:
        console.print(f"[green]the same bits[/]: {title}", highlight=False)
    else:
        console.print(f"[bold red]not the same[/]: {title}", highlight=False)
    for found in done.differences:
        console.print(
            f"  {found.part}: published {found.published}, now {found.replayed}", highlight=False
        )
    if done.moved_features:
        console.print(f"  features that moved: {', '.join(done.moved_features)}")
    if not done.is_same:
        raise typer.Exit(1)
