"""The `firmpulse` command; sits on top of all packages."""

import sys

import typer
from rich.console import Console

from firmpulse.cli import catalogue, nightly, operations, query, real, run, simulate
from firmpulse.errors import FirmpulseError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Credit assessment of small firms from authorised extracts.",
)
for module in (run, simulate, nightly, query, real, catalogue, operations):
    module.register(app)


def main() -> None:
    """Run the command; an expected error is one sentence on standard error and exit code 1."""
    try:
        app()
    except FirmpulseError as error:
        Console(stderr=True, soft_wrap=True).print(f"[bold red]firmpulse:[/] {error}")
        sys.exit(1)
