"""`firmpulse night`, `arrivals` and `train`: the DAGs in this process."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Literal

import typer

from cli.dates import not_ahead
from cli.progress import Progress, make_console
from expectations import verdicts
from firmpulse.airflow import dagrun
from firmpulse.airflow.taskwatch import TaskEvent
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings

AsOf = Annotated[
    datetime,
    typer.Option("--as-of", formats=["%Y-%m-%d"], callback=not_ahead, help="The date to run for."),
]


def run_night(settings: Settings, as_of: date, progress: Progress) -> None:
    """Run the DAG `run_nightly` for a date in this process, showing its tasks."""
    run_dag(settings, "run_nightly", {"as_of": as_of.isoformat()}, progress)


def run_training(
    settings: Settings,
    as_of: date,
    approver: str | None,
    progress: Progress,
    trials: int | None = None,
    segment_by: str | None = None,
    labels: str | None = None,
    portfolio_rate: float | None = None,
    without: str | None = None,
) -> None:
    """Run the DAG `train_model` for a date in this process, showing its tasks."""
    conf = {
        "as_of": as_of.isoformat(), "approver": approver, "trials": trials,
        "segment_by": segment_by, "labels": labels, "portfolio_default_rate": portfolio_rate,
        "without": without,
    }  # fmt: skip
    run_dag(settings, "train_model", conf, progress)


def run_dag(
    settings: Settings, dag_id: str, conf: Mapping[str, str | float | None], progress: Progress
) -> None:
    """Run a DAG in this process, showing its start-up and its tasks."""
    progress.heading(f"DAG {dag_id}, as of {conf.get('as_of') or conf.get('on')}")
    begun: float | None = progress.seconds

    def show(event: TaskEvent) -> None:
        nonlocal begun
        if begun is not None:
            start_up = progress.seconds - event.seconds - begun
            progress.task("start-up", start_up, "Airflow, the DAG", succeeded=True)
            begun = None
        progress.task(event.label, event.seconds, event.note, succeeded=event.succeeded)

    with progress.following():
        dagrun.run_dag(settings, dag_id, conf, on_task=show)


def night(as_of: AsOf) -> None:
    """Run the nightly DAG in this process; safe to repeat."""
    run_night(Settings(), as_of.date(), Progress(make_console()))


def arrivals(as_of: AsOf) -> None:
    """Assess the firms that waiting deliveries touch, in this process; safe to repeat."""
    progress = Progress(make_console())
    run_dag(Settings(), "assess_arrivals", {"as_of": as_of.date().isoformat()}, progress)


def train(
    as_of: AsOf,
    approver: Annotated[
        str | None,
        typer.Option(help="Who is responsible for promoting the model if its gates are green."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=0, help="How many hyper-parameter sets to try; 0 for none.")
    ] = None,
    segment_by: Annotated[
        str | None, typer.Option(help="A feature whose levels get separate models.")
    ] = None,
    labels: Annotated[
        Literal["monthly", "loans", "undated"] | None,
        typer.Option(help="Outcomes to learn from; by default monthly ones if they suffice."),
    ] = None,
    portfolio_default_rate: Annotated[
        str | None,
        typer.Option(
            help="Share of the portfolio that defaults within a year, such as 0.02, if the sample's"
            " is another; or 'monthly', from the bank's own monthly figures."
        ),
    ] = None,
    without: Annotated[
        str | None, typer.Option(help="A feature view that is not learnt, such as loan_terms.")
    ] = None,
) -> None:
    """Train, evaluate, validate and register a model version in this process."""
    # Heavy imports, which a night does without.
    from cli import undated_training

    settings, day = Settings(), as_of.date()
    rate = undated_training.portfolio_rate(settings, day, portfolio_default_rate)
    if labels == "undated" or (labels is None and undated_training.is_all_there_is(settings, day)):
        if any(option is not None for option in (trials, segment_by, without)):
            raise ConfigurationError(
                "outcomes without dates are learnt by one logistic regression: leave out --trials, "
                "--segment-by and --without"
            )
        undated_training.run(settings, day, approver, rate)
        return
    progress = Progress(make_console())
    run_training(settings, day, approver, progress, trials, segment_by, labels, rate, without)


def accept(
    delivery_id: str,
    because: Annotated[str, typer.Option(help="Why it is right to accept it.")],
) -> None:
    """Accept a delivery that failed its checks; the next night continues with it."""
    suites = verdicts.accept(Settings(), delivery_id, because)
    text = f"Accepted {delivery_id}, which had failed: {', '.join(suites)}"
    make_console().print(text, markup=False)
