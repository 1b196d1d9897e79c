"""From matured outcomes to a registered model version.

**Reads** features and labels of the warehouse known at `as_of`. **Writes** the frozen training
frame of the warehouse, and three versions in MLflow: the candidate (alias `challenger`), the
scorecard on annual statements that it must beat, and a logistic regression on the candidate's
features; then the candidate's validation pack. It becomes `champion` only with green gates and a
named approver.

**Date.** A scheduled run is for the last day of the previous month. Give any other run its date:
trigger with `{"as_of": "2026-10-31", "approver": "name"}`; without an approver nothing is
promoted. `trials` is the number of hyper-parameter sets to try, `segment_by` a feature whose levels
get separate models, `labels` the outcomes to learn from: `monthly` or `loans`; without it monthly
ones if they suffice. `portfolio_default_rate` is the share of the portfolio that defaults within a
year, if the sample's is another.

**Re-run.** Clear the failed task. A repeated fit registers another version of the same model.

**Backfill.** `firmpulse airflow backfill create --dag-id train_model --from-date 2026-01-01
--to-date 2026-10-31`.
"""

from datetime import date
from typing import Any

from airflow.sdk import Param, task

from firmpulse.airflow.schedule import AS_OF, dated_dag, first_day
from firmpulse.settings import Settings


@task
def sample(as_of: str, params: dict[str, Any] | None = None) -> str:
    """Freeze the training frame; returns the kind of outcomes in it and its digest."""
    from training import pipeline
    from training.config import chosen

    config = chosen(labels=(params or {}).get("labels"))
    report = pipeline.sample(Settings(), date.fromisoformat(as_of), config)
    return f"{report}; digest {report.digest}"


@task
def fit_candidate(as_of: str, params: dict[str, Any] | None = None) -> str:
    """Search, fit, evaluate and register the candidate; returns its version."""
    from training import pipeline
    from training.config import chosen

    given = params or {}
    config = chosen(
        given.get("trials"),
        given.get("segment_by"),
        portfolio_rate=given.get("portfolio_default_rate"),
        without=given.get("without"),
    )
    return pipeline.fit_candidate(Settings(), date.fromisoformat(as_of), config).version


@task
def fit_statements(as_of: str) -> str:
    """Fit, evaluate and register the scorecard on statements; returns its version."""
    from training import pipeline

    return pipeline.fit_statements(Settings(), date.fromisoformat(as_of)).version


@task
def fit_logistic(as_of: str, params: dict[str, Any] | None = None) -> str:
    """Fit, evaluate and register the logistic regression; returns its version."""
    from training import pipeline
    from training.config import chosen

    config = chosen(without=(params or {}).get("without"))
    return pipeline.fit_logistic(Settings(), date.fromisoformat(as_of), config).version


@task
def validate(as_of: str, version: str) -> str:
    """Validate the candidate and write its validation pack; returns its version."""
    from training import pipeline

    return pipeline.validate(Settings(), date.fromisoformat(as_of), version).version


@task
def promote(as_of: str, version: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    """Make the candidate champion if its gates are green and a person approves."""
    from training import pipeline

    approver = (params or {}).get("approver")
    report = pipeline.promote(Settings(), date.fromisoformat(as_of), version, approver)
    return {"version": report.version, "gates_green": report.passed, "promoted": report.promoted}


@dated_dag(
    "0 3 1 * *",
    first_day(Settings()).replace(day=1),
    __doc__,
    {
        "approver": Param(None, type=["string", "null"]),
        "trials": Param(None, type=["integer", "null"], minimum=0),
        "segment_by": Param(None, type=["string", "null"]),
        "labels": Param(None, enum=[None, "monthly", "loans"]),
        "portfolio_default_rate": Param(
            None, type=["number", "null"], exclusiveMinimum=0, exclusiveMaximum=1
        ),
        "without": Param(None, type=["string", "null"]),
    },
)
def train_model() -> None:
    """Chain the tasks."""
    candidate, statements, logistic = (
        fit_candidate(AS_OF),
        fit_statements(AS_OF),
        fit_logistic(AS_OF),
    )
    validated = validate(AS_OF, candidate)
    sample(AS_OF) >> [candidate, statements, logistic]
    [statements, logistic] >> validated
    promote(AS_OF, validated)


train_model()
