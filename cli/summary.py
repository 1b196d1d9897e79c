"""What happened and where to look next, after a run."""

from datetime import date
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.progress import Progress
from consent import champion
from firmpulse import tracking, warehouse
from firmpulse.settings import Settings

_ROWS = """
    select
        source,
        sum(rows_read), sum(rows_landed), sum(rows_restated), sum(rows_duplicate),
        sum(rows_refused_by_gate), sum(rows_quarantined),
        count(*) filter (where status = 'refused')
    from warehouse.ops.deliveries
    where as_of = ?
    group by source
    order by source
"""
_COLUMNS = (
    "source", "read", "landed", "restated", "duplicate", "no grant", "quarantined", "refused",
)  # fmt: skip
_REFUSALS = """
    select source, delivery_id, refusal
    from warehouse.ops.deliveries
    where as_of = ? and status = 'refused'
    order by source
"""
_NOTES = """
    select source, delivery_id, table_name, notes
    from warehouse.ops.deliveries
    where as_of = ? and notes is not null
    order by source, delivery_id, table_name
"""
_WARNINGS = """
    select source, delivery_id, table_name, warning
    from warehouse.ops.deliveries
    where as_of = ? and warning is not null
    order by all
"""
_SCORES = """
    select count(*), count(distinct grade), min(score), median(score), max(score)
    from warehouse.scoring.scores
    where as_of = ?
"""
_UNSCORED = "select count(*) from warehouse.scoring.unscored where as_of = ?"


def show(settings: Settings, as_of: date, progress: Progress, console: Console) -> None:
    """Print rows by source, refusals, scores, model metrics, step times and next commands."""
    console.print()
    show_rows(settings, as_of, console)
    show_scores(settings, as_of, console)
    show_models(settings, console)
    _show_steps(progress, console)
    show_next(settings, console)


def show_rows(settings: Settings, as_of: date, console: Console) -> None:
    """Print what was read, landed, refused and quarantined, by source."""
    with warehouse.connect(settings) as connection:
        rows = connection.execute(_ROWS, [as_of]).fetchall()
        refusals = connection.execute(_REFUSALS, [as_of]).fetchall()
        notes = connection.execute(_NOTES, [as_of]).fetchall()
        warnings = connection.execute(_WARNINGS, [as_of]).fetchall()
    table = Table(title=f"Rows delivered for {as_of}")
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column == "source" else "right")
    for source, *counts in rows:
        table.add_row(source, *(f"{count or 0:,}" for count in counts))
    console.print(table)
    for source, delivery, reason in refusals:
        console.print(f"[yellow]refused[/] {escape(f'{source} {delivery}: {reason}')}")
    for source, delivery, name, note in notes:
        console.print(f"no rows: {escape(f'{source} {delivery} {name}: {note}')}")
    for source, delivery, name, reason in warnings:
        console.print(f"[yellow]warning[/] {escape(f'{source} {delivery}, {name}: {reason}')}")


def show_scores(settings: Settings, as_of: date, console: Console) -> None:
    """Print how many firms were scored and the range of the scores."""
    with warehouse.connect(settings) as connection:
        scored = connection.execute(_SCORES, [as_of]).fetchone()
        unscored = connection.execute(_UNSCORED, [as_of]).fetchone()
    if scored and unscored and not scored[0]:
        console.print(f"No firm is scored for {as_of}; {unscored[0]:,} unscored with a reason")
    elif scored and unscored:
        firms, grades, low, middle, high = scored
        console.print(
            f"Scored [bold]{firms:,}[/] firms ({unscored[0]:,} unscored, each with its reason): "
            f"{grades} grades, scores {low} to {high}, median {middle:.0f}"
        )


def show_models(settings: Settings, console: Console) -> None:
    """Print AUC and KS of the newest model, logistic and baseline runs, with intervals."""
    client = tracking.client(settings)
    table = Table("model", "AUC out of time (95 %)", "KS out of time (95 %)", title="Models")
    for name, alias in (
        (tracking.CREDIT_MODEL, tracking.CHAMPION),
        (tracking.LOGISTIC_MODEL, tracking.CHALLENGER),
        (tracking.STATEMENTS_MODEL, tracking.CHALLENGER),
    ):
        version = (
            champion.champion(settings)
            if name == tracking.CREDIT_MODEL
            else tracking.find_version(settings, name, alias)
        )
        if version is None:
            continue
        metrics = client.get_run(version.run_id).data.metrics
        table.add_row(
            f"{name} v{version.version}",
            _logged(metrics, "oot/auc"),
            _logged(metrics, "oot/ks"),
        )
    console.print(table)
    console.print("[dim]Simulated firms: the numbers prove the machinery, not the market.[/]")


def interval(value: float, low: float, high: float) -> str:
    """Return a metric with its 95 % interval."""
    return f"{value:.3f}  ({low:.3f} to {high:.3f})"


def _logged(metrics: dict[str, float], name: str) -> str:
    low, high = tracking.bounds_of(name)
    return interval(metrics[name], metrics[low], metrics[high])


def _show_steps(progress: Progress, console: Console) -> None:
    table = Table("step", "seconds", title=f"{progress.seconds:.0f} s in all")
    for step, seconds in sorted(progress.steps, key=lambda item: -item[1])[:8]:
        table.add_row(step, f"{seconds:.1f}")
    console.print(table)


def _packs(settings: Settings) -> list[Path]:
    """Return the newest validation pack, if any was written."""
    written = settings.validation_dir.glob("*.html")
    return sorted(written, key=lambda page: page.stat().st_mtime)[-1:]


def show_next(settings: Settings, console: Console, home: str = "") -> None:
    """Print where to look and with which command."""
    console.print("[bold]Where to look next[/]")
    for what, command in (
        ("scores, any SQL", f'{home}.venv/bin/firmpulse query "from latest_scores limit 5"'),
        ("tables and columns", f"{home}.venv/bin/firmpulse query --tables"),
        *(("validation of the model", str(page)) for page in _packs(settings)),
        ("checks of each hand-over", str(settings.data_docs / "index.html")),
        ("Airflow and MLflow pages", f"{home}make up"),
    ):
        console.print(f"  {what:<26} {escape(command)}", highlight=False, soft_wrap=True)
