"""`firmpulse override`: replace the model's grade; two people decide."""

from datetime import datetime
from typing import Annotated

import typer
from rich.table import Column, Table

from cli.dates import not_ahead
from cli.firms import Firm, token_of
from cli.progress import make_console
from erasure import withdrawals
from firmpulse import warehouse
from firmpulse.settings import Settings
from scoring import override_backtest, overrides, publish

app = typer.Typer(
    no_args_is_help=True, help="Give a firm another grade: one person proposes, another decides."
)
AsOf = Annotated[
    datetime, typer.Option(formats=["%Y-%m-%d"], callback=not_ahead, help="Date of the score.")
]


@app.command()
def propose(
    firm: Firm,
    as_of: AsOf,
    grade: Annotated[str, typer.Option(help="New grade, at most two notches away.")],
    reason: Annotated[str, typer.Option(help="Reason code; see: firmpulse override reasons.")],
    maker: Annotated[str, typer.Option(help="Who proposes it.")],
) -> None:
    """Propose another grade; it takes effect once someone else has approved it."""
    settings = Settings()
    made = overrides.propose(
        settings, token_of(settings, firm), as_of.date(), grade.upper(), reason.upper(), maker
    )
    make_console().print(
        f"override {made.override_id}: {made.model_grade} to {made.grade}; someone else decides: "
        f"firmpulse override decide {made.override_id} --approve --checker NAME",
        highlight=False,
    )


@app.command()
def decide(
    override_id: str,
    approve: Annotated[bool, typer.Option("--approve/--reject", help="The decision.")],
    checker: Annotated[str, typer.Option(help="Who decides; never the maker.")],
) -> None:
    """Approve or reject a proposal; the decision is published at once."""
    settings, console = Settings(), make_console()
    made = overrides.decide(settings, override_id, checker, approve=approve)
    _publish_again(settings)
    rate = overrides.rate(settings, made.as_of)
    console.print(f"override {made.override_id} is {made.status}", highlight=False)
    console.print(
        f"{rate.overridden} of {rate.scored} scored firms ({rate.share:.1%}) are overridden on "
        f"{made.as_of}; over {overrides.WARNING_RATE:.0%} review the model, over "
        f"{overrides.ALARM_RATE:.0%} replace it",
        style={"green": "", "yellow": "yellow", "red": "bold red"}[rate.light] or None,
        highlight=False,
    )


@app.command("list")
def show() -> None:
    """List all overrides, the newest first."""
    # `decide` takes the number, so it is never truncated.
    table = Table(
        Column("override", no_wrap=True), Column("firm", overflow="fold"), "as of", "model",
        "grade", Column("reason", overflow="fold"), "status", "by", "decided by",
    )  # fmt: skip
    for one in overrides.listed(Settings()):
        table.add_row(
            one.override_id, one.firm_id, str(one.as_of), one.model_grade, one.grade,
            one.reason_code, one.status, one.maker, one.checker or "",
        )  # fmt: skip
    make_console().print(table)


@app.command()
def reasons() -> None:
    """List the allowed reasons of an override."""
    table = Table("code", "reason", "原因")
    for code, (chinese, english) in overrides.REASONS.items():
        table.add_row(code, english, chinese)
    make_console().print(table)


@app.command()
def backtest(
    as_of: Annotated[
        datetime,
        typer.Option(formats=["%Y-%m-%d"], callback=not_ahead, help="Outcomes known by that day."),
    ],
) -> None:
    """Compare the known outcomes of approved overrides with what model and persons expected."""
    console = make_console()
    found = override_backtest.backtest(Settings(), as_of.date())
    console.print(f"{found.matured} overrides have an outcome, {found.defaulted} defaulted")
    if not found.is_telling:
        console.print(
            f"fewer than {override_backtest.LEAST_OUTCOMES}: too few to show who was right"
        )
    if found.expected_by_model is not None and found.expected_by_persons is not None:
        console.print(
            f"expected default rate: model {found.expected_by_model:.2%}, "
            f"persons {found.expected_by_persons:.2%}; "
            f"observed {found.defaulted / found.matured:.2%}"
        )


def _publish_again(settings: Settings) -> None:
    """Publish all nights again, without the firms that have withdrawn."""
    with warehouse.connect(settings) as connection:
        ((newest,),) = connection.execute(
            "select max(as_of) from warehouse.scoring.cleared_nights"
        ).fetchall()
    if newest is not None:
        publish.publish_again(settings, withdrawals.withheld(settings))
