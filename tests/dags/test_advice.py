"""The advice of `firmpulse status` works: each command is called as printed."""

import json
import os
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest

from firmpulse.airflow import advice, services
from firmpulse.settings import Settings
from tests.sizes import sized

pytestmark = pytest.mark.slow

FIRST = date(2026, 10, 29)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a home whose Airflow database has the DAGs, as after `firmpulse up`."""
    settings = Settings(home=tmp_path_factory.mktemp("advice") / "home")
    code = (
        "from firmpulse.airflow import environment; from firmpulse.settings import Settings\n"
        "with environment.activated(Settings()):\n"
        "    from firmpulse.airflow import database\n"
        "    database.ensure(); database.store_dags()"
    )
    subprocess.run([sys.executable, "-c", code], env=_env(settings), check=True)  # noqa: S603 - ours
    return settings


@contextmanager
def _scheduler(settings: Settings) -> Iterator[None]:
    """Run a process with the scheduler's name, so that the home has a scheduler."""
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    services.start(settings, "airflow-scheduler", command, {}, "http://127.0.0.1:0")
    try:
        yield
    finally:
        services.stop(settings, "airflow-scheduler")


def _env(settings: Settings) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"FIRMPULSE_HOME": str(settings.root), "PATH": path}


def _call(settings: Settings, command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S602 - as it is typed into a shell
        command, shell=True, env=_env(settings), capture_output=True, text=True, timeout=900,
        check=False,
    )  # fmt: skip


def _runs(settings: Settings, dag_id: str) -> list[str]:
    """Return the logical dates of a DAG's runs; null ones are of runs that were triggered."""
    with closing(sqlite3.connect(settings.root / "airflow" / "airflow.db")) as connection:
        found = connection.execute("select logical_date from dag_run where dag_id = ?", [dag_id])
        return [str(logical) for (logical,) in found.fetchall()]


def test_missing_nights_are_made_by_the_scheduler_that_runs(prepared: Settings) -> None:
    days = [FIRST + timedelta(days=n) for n in range(3)]
    with _scheduler(prepared):
        command = advice.nights(prepared, days)
        assert command == (
            "firmpulse airflow backfill create --dag-id run_nightly --from-date 2026-10-29 "
            "--to-date 2026-10-31 --reprocess-behavior completed"
        )
        told = _call(prepared, command)
    assert told.returncode == 0, told.stdout + told.stderr
    # Midnights at which the nights begin in China, in UTC.
    assert sorted(_runs(prepared, "run_nightly")) == [
        f"2026-10-{day} 16:00:00.000000" for day in (28, 29, 30)
    ]


@pytest.mark.parametrize(
    ("dag_id", "conf"),
    [
        ("train_model", {"as_of": "2026-10-30", "approver": "A. O'Name"}),
        ("honour_revocations", {"on": "2026-10-30"}),
        ("run_nightly", {"as_of": "2026-10-30"}),
        ("monitor_model", {"as_of": "2026-10-30"}),
    ][: sized(2, 4)],
)
def test_a_night_and_every_other_dag_is_triggered_where_a_scheduler_runs(
    prepared: Settings, dag_id: str, conf: dict[str, str]
) -> None:
    before = len(_runs(prepared, dag_id))
    with _scheduler(prepared):
        command = advice.run(prepared, dag_id, conf)
        assert command.startswith(f"firmpulse airflow dags trigger {dag_id} --conf ")
        assert json.loads(shlex.split(command)[-1]) == conf
        told = _call(prepared, command)
    assert told.returncode == 0, told.stdout + told.stderr
    assert len(_runs(prepared, dag_id)) == before + 1


@pytest.mark.parametrize(
    ("dag_id", "conf", "command", "says"),
    [
        ("assess_arrivals", {"as_of": "2026-10-30"}, "firmpulse arrivals --as-of 2026-10-30",
         "the inbox is empty"),
        ("honour_revocations", {"on": "2026-10-30"}, "firmpulse consent honour",
         ""),
    ],
)  # fmt: skip
def test_without_a_scheduler_the_command_runs_here(
    settings: Settings, dag_id: str, conf: dict[str, str], command: str, says: str
) -> None:
    """For `firmpulse night` see tests/cli/test_commands.py."""
    assert advice.run(settings, dag_id, conf) == command
    told = _call(settings, command)
    assert told.returncode == (1 if says else 0), told.stdout + told.stderr
    assert says in " ".join(told.stderr.split())


def test_nights_without_a_scheduler_are_called_one_by_one(settings: Settings) -> None:
    days = [FIRST, FIRST + timedelta(days=1)]
    assert advice.nights(settings, days[:1]) == "firmpulse night --as-of 2026-10-29"
    assert advice.nights(settings, days).startswith(
        "firmpulse night --as-of 2026-10-29 && firmpulse night --as-of 2026-10-30; or, "
    )
    many = [FIRST + timedelta(days=n) for n in range(20)]
    assert advice.nights(settings, many) == (
        "firmpulse up && firmpulse airflow backfill create --dag-id run_nightly --from-date "
        "2026-10-29 --to-date 2026-11-17 --reprocess-behavior completed"
    )
