import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from firmpulse import errors
from firmpulse.airflow import environment
from firmpulse.settings import Settings
from firmpulse.sources import SOURCES

HEAVY = ["catboost", "dbt", "duckdb", "great_expectations", "mlflow", "optbinning", "polars"]


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with environment.activated(Settings(home=tmp_path_factory.mktemp("definitions"))):
        from airflow.dag_processing.dagbag import DagBag

        bag = DagBag(environment.DAGS_FOLDER)
        assert bag.import_errors == {}
        yield dict(bag.dags)


def test_there_are_exactly_these_dags(dags: dict[str, Any]) -> None:
    assert set(dags) == {
        "assess_arrivals", "honour_revocations", "monitor_model", "rebuild_features", "run_nightly",
        "train_model",
    }  # fmt: skip


@pytest.mark.parametrize(
    "dag_id", ["run_nightly", "train_model", "rebuild_features", "monitor_model"]
)
def test_every_task_is_repeated_waits_for_the_writer_and_is_explained(
    dags: dict[str, Any], dag_id: str
) -> None:
    dag = dags[dag_id]

    assert dag.max_active_runs == 1
    assert dag.catchup is False
    for word in ("Reads", "Writes", "Date", "Re-run", "backfill create --dag-id " + dag_id):
        assert word in dag.doc_md
    for task in dag.tasks:
        assert task.retries == 3
        assert task.pool == "duckdb_writer"
        assert task.retry_exponential_backoff
        assert task.retry_policy is not None


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (errors.FileHeldError("held"), "retry"),
        (errors.ConfigurationError("threads"), "fail"),
        (errors.WrongKeyError("key"), "fail"),
        (errors.ExpectationFailed("broken"), "fail"),
    ],
)
def test_only_a_file_that_is_held_is_worth_another_try(
    dags: dict[str, Any], error: Exception, action: str
) -> None:
    policy = dags["run_nightly"].get_task("build").retry_policy

    assert policy.evaluate(error, try_number=1, max_tries=3).action.value == action


def test_the_nightly_run_has_these_edges(dags: dict[str, Any]) -> None:
    edges = {task.task_id: task.downstream_task_ids for task in dags["run_nightly"].tasks}

    assert edges == {
        "import_grants": {"pull"},
        "pull": {"land"},
        "land": {"validate_deliveries", "summarise"},
        "validate_deliveries": {"build"},
        "build": {"validate_features"},
        "validate_features": {"score"},
        "score": {"warn", "validate_scores", "publish"},
        "warn": {"find_champions"},
        "find_champions": {"validate_scores"},
        "validate_scores": {"publish"},
        "publish": {"report", "summarise"},
        "report": {"purge_raw"},
        "purge_raw": {"erase"},
        "erase": set(),
        "summarise": set(),
    }


def test_the_erasure_has_these_edges(dags: dict[str, Any]) -> None:
    edges = {task.task_id: task.downstream_task_ids for task in dags["honour_revocations"].tasks}

    assert edges == {
        "is_anything_due": {"land"},
        "land": {"erase"},
        "erase": set(),
    }


def test_what_is_withdrawn_is_erased_also_when_the_night_fails(dags: dict[str, Any]) -> None:
    assert dags["run_nightly"].get_task("erase").trigger_rule == "all_done"


def test_the_training_has_these_edges(dags: dict[str, Any]) -> None:
    edges = {task.task_id: task.downstream_task_ids for task in dags["train_model"].tasks}

    assert edges == {
        "sample": {"fit_candidate", "fit_statements", "fit_logistic"},
        "fit_candidate": {"validate"},
        "fit_statements": {"validate"},
        "fit_logistic": {"validate"},
        "validate": {"promote"},
        "promote": set(),
    }


def test_a_source_that_crashes_does_not_stop_the_others(dags: dict[str, Any]) -> None:
    nightly = dags["run_nightly"]

    assert nightly.get_task("validate_deliveries").trigger_rule == "all_done_min_one_success"
    assert nightly.get_task("summarise").trigger_rule == "all_success"


def test_the_outlets_are_these_assets(dags: dict[str, Any]) -> None:
    outlets = {
        task.task_id: [asset.name for asset in task.outlets]
        for task in dags["run_nightly"].tasks
        if task.outlets
    }

    assert outlets == {
        "build": ["masked_rows", "features"],
        "publish": ["scores"],
    }


def test_the_dag_lands_every_source_that_extracts_knows(dags: dict[str, Any]) -> None:

    for dag_id in ("run_nightly", "honour_revocations"):
        expanded = dags[dag_id].get_task("land").op_kwargs_expand_input.value
        assert expanded == {"source": list(SOURCES)}


@pytest.mark.parametrize(
    "dag_id", ["run_nightly", "train_model", "rebuild_features", "monitor_model"]
)
def test_parsing_a_dag_loads_nothing_heavy(dag_id: str) -> None:
    code = (
        "import sys, airflow.sdk; before = set(sys.modules); "
        f"import dags.{dag_id}; print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603

    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "firmpulse" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_a_backfill_runs_for_every_day_that_its_dates_name(dags: dict[str, Any]) -> None:
    """Dates without a zone, as people type them, are days in China."""
    from airflow.cli.cli_config import parsedate
    from airflow.serialization.serialized_objects import DagSerialization

    from firmpulse.airflow.asof import resolve

    def days(dag_id: str, first: str, last: str) -> list[str]:
        # The scheduler works with what was stored.
        stored = DagSerialization.from_dict(DagSerialization.to_dict(dags[dag_id]))
        runs = stored.iter_dagrun_infos_between(parsedate(first), parsedate(last))
        return [resolve(None, run.data_interval.end) for run in runs]

    nights = days("run_nightly", "2026-10-01", "2026-10-31")
    assert nights == [f"2026-10-{day:02}" for day in range(1, 32)]
    for dag_id in ("train_model", "rebuild_features"):
        assert days(dag_id, "2026-01-01", "2026-03-31") == [
            "2026-01-31",
            "2026-02-28",
            "2026-03-31",
        ]
