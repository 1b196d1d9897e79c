"""`firmpulse models claims`: the value of a version to a lender, as a table."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from cli import simulate
from cli.progress import make_console
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from simulator.truth import truth
from training import versions
from training.claims.measure import ClaimsConfig
from training.claims.table import TableRow, table
from training.config import DEFAULT
from training.split import OOT
from training.validation import subject, worth
from training.validation.pack import shown


def show_claims(
    version: Annotated[str, typer.Argument(help="Number of the version, or an alias.")],
    approval_share: Annotated[
        float, typer.Option(min=0.01, max=0.84, help="Share of rows that the baseline approves.")
    ] = 0.6,
    alert_rate: Annotated[
        float, typer.Option(min=0.001, max=0.5, help="Share of rows alerted on each date.")
    ] = 0.05,
) -> None:
    """Compare a version with the scorecard on annual statements: approvals, losses, warnings."""
    settings, console = Settings(), make_console()
    found = versions.get(settings, version)
    as_of = versions.trained_as_of(found)
    terms = ClaimsConfig(approval_share=approval_share, alert_rate=alert_rate)
    read = subject.read(settings, as_of, found.version, DEFAULT)
    champions = simulated_champions(settings, read.frame.part(OOT)["firm_id"].unique().to_list())
    measured = worth.measure(settings, read, terms, champions or None)
    _show(table(measured), found.version, found.data_origin, console)
    if champions:
        console.print(
            "Firms of interest: the simulator's hidden champions, which no model is "
            "told.\n[dim]Simulated firms: the numbers prove the machinery, not the market.[/]"
        )


def simulated_champions(settings: Settings, firm_ids: Sequence[str]) -> frozenset[str]:
    """Return the firms that the simulator made hidden champions; none among real firms."""
    simulation = simulate.load(settings)
    if simulation is None or simulation.completed_through is None:
        return frozenset()
    key = keyring.load(settings, "token_key")
    known = truth(simulation.economy(), simulation.completed_through)
    made = {
        str(tokens.firm_token(key, f"uscc:{code}"))
        for code in known.filter("champion")["uscc"].to_list()
    }
    return frozenset(made.intersection(firm_ids))


def _show(rows: "tuple[TableRow, ...]", version: str, data: str, console: Console) -> None:
    table = Table(
        "measure", Column("statements", justify="right"),
        Column(f"version {version}", justify="right"), Column("difference", justify="right"),
        Column("uplift", justify="right"), title=f"Version {version} against the scorecard on "
        f"annual statements, out of time, {data} (95 %)",
    )  # fmt: skip
    for row in rows:
        table.add_row(
            row.label, shown(row.baseline, row.unit), shown(row.candidate, row.unit),
            shown(row.difference, row.unit), shown(row.uplift, "share"),
        )  # fmt: skip
    console.print(table)
