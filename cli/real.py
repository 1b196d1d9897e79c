"""`firmpulse real`: a folder of real provider files through the whole pipeline."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from sklearn.metrics import roc_auc_score

from cli import nightly, summary, undated_training
from cli.progress import Progress, make_console
from consent import audit
from extracts.mappings import data_sets
from features import registry
from firmpulse import warehouse
from firmpulse.known_at import known_by
from firmpulse.settings import Settings
from scoring.pages import write
from training import undated

Folder = Annotated[
    Path,
    typer.Option("--from", exists=True, file_okay=False, help="Folder with the provider's files."),
]
_APPROVER = "firmpulse real (public data)"
app = typer.Typer(no_args_is_help=True, help="Run on real provider files.")


def home_of(settings: Settings, name: str) -> Settings:
    """Return settings with a separate home for this data set."""
    return settings.model_copy(update={"home": settings.root / "real" / name})


def _prepare(name: str, folder: Path, progress: Progress) -> tuple[Settings, date]:
    settings = home_of(Settings(), name)
    as_of = data_sets.delivered_on(settings, name)
    progress.heading(f"{name}: reading the files as provided")
    deliveries = data_sets.deliver(settings, name, folder)
    progress.done("deliver into the inbox", progress.seconds, f"{len(deliveries)} deliveries")
    nightly.run_night(settings, as_of, progress)
    return settings, as_of


@app.command("cumcm2020c")
def cumcm2020c(
    folder: Folder,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of the cross-validation.")] = 10,
    reports: Annotated[
        int | None, typer.Option(min=1, help="Reports of this many firms only; default: all.")
    ] = None,
) -> None:
    """VAT invoices of 425 firms, 123 of them with an outcome (contest CUMCM 2020 C)."""
    console = make_console()
    progress = Progress(console)
    settings, as_of = _prepare("cumcm2020c", folder, progress)
    progress.heading("Cross-validating on the firms with a known outcome")
    started = progress.seconds
    report = undated.cross_validate(settings, as_of, repeats=repeats)
    progress.done("cross-validate and register", progress.seconds - started)
    is_scored = undated_training.promote(settings, report, _APPROVER, progress)
    if is_scored:
        nightly.run_night(settings, as_of, progress)
        _write_pages(settings, as_of, reports, progress)
    summary.show_rows(settings, as_of, console)
    _show_invoices(settings, as_of, console)
    undated_training.show(report, console)
    _show_single_features(settings, as_of, console)
    if is_scored:
        summary.show_scores(settings, as_of, console)
    summary.show_next(settings, console, home=f"FIRMPULSE_HOME={settings.root} ")


def _write_pages(settings: Settings, as_of: date, reports: int | None, progress: Progress) -> None:
    """Write reports of firms, and the ranking of those without a credit record."""
    started = progress.seconds
    reader = write.Reader(audit.actor(), write.now())
    with warehouse.connect_published(settings) as connection:
        rows = connection.execute(
            "select firm_id from scores where as_of = ? order by firm_id limit ?", [as_of, reports]
        ).fetchall()
    chosen = [firm_id for (firm_id,) in rows]
    pages = write.firms(settings, as_of, reader, firm_ids=chosen, languages=("zh",))
    files = sum(1 for _ in pages)
    progress.done("reports of firms", progress.seconds - started, f"{files} pages")
    for language in ("zh", "en"):
        path = write.ranking(settings, as_of, language)
    progress.done("ranking of firms without a credit record", 0.0, path.name)


@app.command("yangzhong-power")
def yangzhong_power(folder: Folder) -> None:
    """Daily power use of 1,454 enterprises, 2015-01 to 2016-09 (contest Tianchi 2017)."""
    console = make_console()
    progress = Progress(console)
    settings, as_of = _prepare("yangzhong_power", folder, progress)
    summary.show_rows(settings, as_of, console)
    _show_features(settings, as_of, "power", console)
    summary.show_next(settings, console, home=f"FIRMPULSE_HOME={settings.root} ")


_INVOICES = f"""
    select
        direction,
        count(distinct firm_id),
        count(*),
        count(*) filter (where status = 'VOID'),
        count(*) filter (where status <> 'VOID' and net_cny < 0),
        count(*) filter (where status <> 'VOID' and net_cny > 0)
    from warehouse.staging.stg_tax__invoice
    where {known_by("?")}
    group by direction
    order by direction desc
"""  # noqa: S608 - our own names


def _show_invoices(settings: Settings, as_of: date, console: Console) -> None:
    """Print the kinds of landed invoices: void ones are in no sum, red ones are netted."""
    columns = ("direction", "firms", "landed", "void", "red", "blue")
    table = Table(*columns, title="Invoices kept (OUT: issued by the firm, IN: received)")
    with warehouse.connect(settings) as connection:
        for direction, *counts in connection.execute(_INVOICES, [as_of]).fetchall():
            table.add_row(direction, *(f"{count:,}" for count in counts))
    console.print(table)


def _show_single_features(settings: Settings, as_of: date, console: Console) -> None:
    """Print how well each feature alone ranks the firms with a known outcome."""
    found = []
    with warehouse.connect(settings) as connection:
        for meta in registry.load(settings).features:
            if meta.kind != "number":
                continue
            known = connection.execute(
                f"""select outcome.defaulted, feature."{meta.name}"
                from warehouse.labels.undated_outcome as outcome
                inner join warehouse.features.{meta.view} as feature using (firm_id)
                where feature.as_of = ? and feature."{meta.name}" is not null""",  # noqa: S608 - own names
                [as_of],
            ).pl()
            if known["defaulted"].n_unique() == known[meta.name].unique().head(2).len() == 2:
                auc = roc_auc_score(known["defaulted"], known[meta.name])
                found.append((auc, meta, known.height))
    table = Table(
        Column("feature", no_wrap=True), "expected sign", "firms", "AUC",
        title="Each feature alone; above 0.5, a higher value means more defaults",
    )  # fmt: skip
    for auc, meta, firms in sorted(found, key=lambda item: -abs(item[0] - 0.5)):
        table.add_row(meta.name, meta.expected_sign, str(firms), f"{auc:.3f}")
    console.print(table)


def _show_features(settings: Settings, as_of: date, source: str, console: Console) -> None:
    metas = [f for f in registry.load(settings).features if f.source == source]
    table = Table("feature", "unit", "firms", "5 %", "median", "95 %", title=f"Features, {as_of}")
    with warehouse.connect(settings) as connection:
        for meta in metas:
            count, *quantiles = connection.execute(
                f'''select count("{meta.name}"), quantile_cont("{meta.name}", 0.05),
                    median("{meta.name}"), quantile_cont("{meta.name}", 0.95)
                from warehouse.features.{meta.view} where as_of = ?''',  # noqa: S608 - own names
                [as_of],
            ).fetchall()[0]
            shown = ("-" if value is None else f"{value:,.3g}" for value in quantiles)
            table.add_row(meta.name, meta.unit, f"{count:,}", *shown)
    console.print(table)
