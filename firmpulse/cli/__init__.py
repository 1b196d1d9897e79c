"""The `firmpulse` command; sits on top of all packages."""

import typer

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
