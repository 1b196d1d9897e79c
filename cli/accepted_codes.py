"""`firmpulse firms …`: codes that a registry issued outside the standard, accepted by a person."""

from typing import Annotated

import typer
from rich.table import Column, Table

from cli.progress import make_console
from consent import audit, codes
from firmpulse.settings import Settings

app = typer.Typer(
    no_args_is_help=True, help="Accept codes that a registry issued outside the standard."
)
_Code = Annotated[str, typer.Argument(help="Unified social credit code, as on the licence.")]
_Because = Annotated[str, typer.Option(help="Why, in words, without names and numbers.")]
_By = Annotated[str | None, typer.Option(help="Who decides; default: the user of this computer.")]


@app.command("accept-code")
def accept_code(code: _Code, because: _Because, by: _By = None) -> None:
    """Accept a code that violates GB 32100 from now on, everywhere. 登记代码例外."""
    is_new = codes.accept(Settings(), code, because=because, actor=by or audit.actor())
    make_console().print(
        "accepted 已登记: rows, grants and applications with this code are accepted now; rows "
        "already in quarantine arrive with a new delivery"
        if is_new
        else "already accepted 此前已登记"
    )


@app.command("withdraw-code")
def withdraw_code(code: _Code, because: _Because, by: _By = None) -> None:
    """Withdraw an exception; rows and grants that were accepted stay. 撤销代码例外."""
    was_there = codes.withdraw(Settings(), code, because=because, actor=by or audit.actor())
    make_console().print("withdrawn 已撤销" if was_there else "there was none 没有登记")


@app.command("accepted-codes")
def accepted_codes() -> None:
    """List the firms whose code was accepted, by token, the newest first. 查询代码例外."""
    table = Table(
        Column("firm (token)", no_wrap=True), "since", "by", Column("because", overflow="fold")
    )
    for one in codes.listed(Settings()):
        table.add_row(one.firm_id, str(one.accepted_on), one.accepted_by, one.reason)
    make_console().print(table)
