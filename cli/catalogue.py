"""`firmpulse features list|show|catalogue`: the definitions, and what is known about them."""

from collections.abc import Iterator
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from cli.dates import not_ahead
from cli.feature_builds import backfill, drift, recreate, restated
from cli.history import check_history
from cli.leakage import check_leakage
from cli.on_spark import spark
from cli.progress import make_console
from cli.seasons import check_seasons
from extracts import contracts
from features import catalogue, catalogue_page, feast_export, registry
from features.catalogue import Catalogue
from features.catalogue_page import figure, shift_text
from firmpulse import dbt_runner
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The features and their definitions.")


@app.command("list")
def list_features(
    source: Annotated[str | None, typer.Option(help="Only features of this source.")] = None,
) -> None:
    """List the features with dimension, window and expected sign."""
    # A truncated name cannot be copied into `show`.
    names = Column("feature", no_wrap=True)
    table = Table(names, "source", "dimension", "window", "sign", "名称")
    features = registry.load(Settings()).features
    sources = sorted({feature.source for feature in features})
    if source is not None and source not in sources:
        raise ConfigurationError(f"no source {source!r}; use one of {', '.join(sources)}")
    for feature in features:
        if source in (None, feature.source):
            table.add_row(
                feature.name, feature.source, feature.dimension, feature.window,
                feature.expected_sign, feature.name_zh,
            )  # fmt: skip
    make_console().print(table)


@app.command("show")
def show_feature(name: str) -> None:
    """Show one feature: definition, origin, values, drift, strength and readers."""
    settings = Settings()
    _require_feature(settings, name)
    found = catalogue.collect(settings, _contract_columns(), only=name)
    table = Table(show_header=False)
    for field, text in _facts_of(found):
        table.add_row(field, escape(text))
    make_console().print(table)


@app.command("catalogue")
def write_catalogue(
    to: Annotated[Path | None, typer.Option(help="Folder; HOME/catalogue by default.")] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], callback=not_ahead, help="Date of the values."),
    ] = None,
) -> None:
    """Write the catalogue of features and dbt's documentation as static pages."""
    settings = Settings()
    folder = to or settings.root / "catalogue"
    found = catalogue.collect(settings, _contract_columns(), as_of.date() if as_of else None)
    try:
        pages = catalogue_page.write(found, folder)
        (folder / "dbt_docs.html").write_text(dbt_runner.document(settings), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{folder}: {error.strerror}; set --to to a folder") from None
    make_console().print(
        f"{pages[0]}: {len(found.entries)} features at {found.as_of}, {found.whose}", markup=False
    )


@app.command("export-feast")
def export_feast(folder: Annotated[Path, typer.Argument(help="Folder of the repository.")]) -> None:
    """Write a Feast repository: feature views, and Parquet files with tokens and features."""
    try:
        report = feast_export.export(Settings(), folder)
    except OSError as error:
        raise ConfigurationError(f"{folder}: {error.strerror}; name a folder to write to") from None
    make_console().print(
        f"{folder}: {len(report.rows)} feature views, {report.firms:,} firms, "
        f"{sum(report.rows.values()):,} rows up to {report.as_of}. "
        f"Next: cd {folder} && feast apply",
        markup=False,
    )


def _contract_columns() -> dict[str, tuple[str, ...]]:
    return {
        table: tuple(column.name for column in contract.columns)
        for table, contract in contracts.load().items()
    }


def _require_feature(settings: Settings, name: str) -> None:
    names = registry.load(settings).names()
    if name not in names:
        near = get_close_matches(name, names, n=3)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise ConfigurationError(
            f"no feature {name!r}; {hint}List them with: firmpulse features list"
        )


def _facts_of(found: Catalogue) -> Iterator[tuple[str, str]]:
    (entry,) = found.entries
    meta = entry.meta
    yield "名称", meta.name_zh
    yield "name", meta.name_en
    yield "view", meta.view
    yield "dimension", f"{meta.dimension}; window {meta.window}; unit {meta.unit}"
    yield "bounds", " to ".join("none" if end is None else f"{end:,g}" for end in meta.bounds)
    yield "expected sign", meta.expected_sign
    yield "missing means", meta.null_means
    if meta.seasonal:
        yield "seasonal", "moves with the calendar; learnt only from dates of all four quarters"
    if meta.with_history:
        yield "with history", "follows how long the firm has been watched; not counted as drift"
    if meta.comparable_from:
        yield (
            "comparable",
            f"from {meta.comparable_from}; learnt only from windows that begin later",
        )
    yield "sources", ", ".join(meta.sources) or "–"
    for title, columns in (
        ("facts", entry.origin.facts),
        ("masked columns", entry.origin.masked),
        ("contract columns", entry.origin.delivered),
    ):
        yield title, ", ".join(f"{table}.{column}" for table, column in columns) or "–"
    if entry.values:
        spread = ", ".join(
            f"{share:.0%} {figure(value)}" for share, value in entry.values.quantiles.items()
        )
        yield (
            f"values {found.as_of}",
            (
                f"{spread or '–'}; missing {entry.values.missing_share:.1%} of "
                f"{entry.values.firms:,} firms; {found.whose}"
            ),
        )
    if entry.drift:
        day, psi, _ = entry.drift[-1]
        yield "PSI against training", f"{psi:.3f} at {day}"
    if entry.history:
        moved = (f"{shift.months} months {shift_text(shift)}" for shift in entry.history)
        yield "shift, spread with a short history", "; ".join(moved)
    if entry.strength:
        alone = entry.strength
        yield (
            "alone",
            (
                f"AUC {figure(alone.auc)}, KS {figure(alone.ks)}, "
                f"IV {figure(alone.information_value)}; {alone.rows:,} outcomes, {alone.bads:,} bad"
            ),
        )
    yield "model versions", "; ".join(entry.versions) or "–"
    yield "SQL", f"dbt_project/models/features/{meta.view}.sql"


app.command("check-leakage")(check_leakage)
app.command("check-history")(check_history)
app.command("check-seasons")(check_seasons)
app.command()(backfill)
app.command()(drift)
app.command()(recreate)
app.command()(restated)
app.command()(spark)
