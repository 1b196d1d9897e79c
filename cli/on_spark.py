"""`firmpulse features spark`: facts, features and labels built on Spark."""

from importlib.util import find_spec
from typing import Annotated

import polars as pl
import typer
from rich.table import Column, Table

from cli.dates import month_not_ahead
from cli.feature_builds import dates_of
from cli.progress import make_console
from features.spark import build, comparison
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings


def spark(
    first: Annotated[
        str | None,
        typer.Option(
            "--from", callback=month_not_ahead, help="First month, such as 2025-01; all by default."
        ),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--to", callback=month_not_ahead, help="Last month, such as 2025-12."),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare every table with DuckDB's; 1 if one differs.")
    ] = False,
) -> None:
    """Build facts, features and labels on Spark, from the masked rows of this home."""
    dates = dates_of(first, last)
    if compare and dates:
        raise ConfigurationError("--compare covers all dates; leave out --from and --to")
    if find_spec("pyspark") is None:
        raise ConfigurationError(
            "Spark is not in this environment; make its environment with: make spark, "
            "then call: .venv-spark/bin/firmpulse features spark"
        )
    settings = Settings()
    console = make_console()
    exported = build.export_rows(settings)
    console.print(f"{exported:,} masked rows written for Spark")
    session = build.local_session(settings)
    try:
        built = build.build(settings, session, dates)
    finally:
        session.stop()
    console.print(
        f"{len(built.nodes)} models and tests in {built.seconds:.0f} s; tables in "
        f"{build.results_folder(settings)}",
        soft_wrap=True,
    )
    if compare:
        found = comparison.compare(settings)
        console.print(_table(found))
        if differing := found["differing"].sum():
            console.print(f"{differing:,} values differ by more than {comparison.TOLERANCE}")
            raise typer.Exit(1)
        console.print(f"{found['values'].sum():,} values, no differences")


def _table(found: "pl.DataFrame") -> Table:
    table = Table(
        Column("table", no_wrap=True),
        *(
            Column(name, justify="right", no_wrap=True)
            for name in ("rows", "on Spark", "values", "differing", "furthest")
        ),
    )
    for name, rows, on_spark, _, values, differing, largest in found.iter_rows():
        table.add_row(
            name, f"{rows:,}", f"{on_spark:,}", f"{values:,}", f"{differing:,}",
            f"{largest:.1e}" if largest else "0",
        )  # fmt: skip
    return table
