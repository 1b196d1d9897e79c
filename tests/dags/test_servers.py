import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import psutil
import pytest

from firmpulse.airflow import dagrun, servers, services
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings
from simulator import Economy, deliver
from tests.sizes import exhaustive

pytestmark = pytest.mark.slow

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(address: str, body: object = None, token: str = "") -> Any:
    request = urllib.request.Request(  # noqa: S310 - our own server
        address,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
    )
    with _DIRECT.open(request, timeout=20) as response:
        return json.loads(response.read())


def firmpulse(settings: Settings, *arguments: str) -> str:
    """Run the command in a separate process, as an operator does."""
    code = "import sys; from cli import main; sys.argv[0] = 'firmpulse'; main()"
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", code, *arguments],
        env={**_environment(), "FIRMPULSE_HOME": str(settings.root), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _environment() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}


def finished(address: str, token: str) -> str:
    for _ in range(600):
        state = str(call(address, token=token)["state"])
        if state in ("success", "failed"):
            return state
        time.sleep(2)
    return "still running"


@pytest.fixture
def served(tmp_path_factory: Any) -> Iterator[tuple[Settings, date]]:
    """Start the servers on a home with two waiting nights; stop them afterwards."""
    settings = Settings(home=tmp_path_factory.mktemp("up"))
    economy = Economy(firms=40, months=14)
    deliver(economy, settings.inbox, through=economy.last_day)
    next_day = economy.last_day + timedelta(days=1)
    deliver(economy, settings.inbox, through=next_day, since=economy.last_day)
    try:
        _up(settings)
        yield settings, economy.last_day
    finally:
        _go_down(settings)


def test_up_serves_this_machine_alone_and_down_leaves_nothing(
    served: tuple[Settings, date],
) -> None:
    settings, night = served
    with pytest.raises(ConfigurationError, match="stop it with: firmpulse down"):
        dagrun.run_dag(settings, "run_nightly", {"as_of": night.isoformat()})
    runs, token = _api(settings)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        call(runs)
    assert call(runs, token=token)["dag_runs"] == []  # the schedule starts nothing unexpectedly
    _listens_on_this_machine_only(settings)
    known = servers.running(settings)
    assert known is not None
    _serves_models_alone(known.mlflow)


@exhaustive("test_up_serves_this_machine_alone, tests/dags/test_runs.py, tests/integration")
def test_nights_go_on_after_the_scheduler_was_killed(served: tuple[Settings, date]) -> None:
    settings, night = served
    runs, token = _api(settings)
    days = ["--from-date", night.isoformat(), "--to-date", (night + timedelta(days=1)).isoformat()]
    firmpulse(settings, "airflow", "backfill", "create", "--dag-id", "run_nightly", *days)
    _kill_the_scheduler(settings, runs, token)
    firmpulse(settings, "up", "--airflow-port", "18080", "--mlflow-port", "15000")
    runs, token = _api(settings)

    first, second = (run["dag_run_id"] for run in _nights(runs, token))
    assert [finished(f"{runs}/{run_id}", token) for run_id in (first, second)] == ["success"] * 2
    told = call(f"{runs}/{first}", token=token)["note"]
    assert told.startswith("**What the run did**")
    assert re.search(r"^- land: 7 deliveries, [\d,]+ rows read, [\d,]+ rows landed", told, re.M)
    assert "- publish: scores.duckdb" in told
    # One night after the other, though a backfill starts them in parallel.
    before, after = _nights(runs, token)
    (begun,) = [
        task["start_date"]
        for task in call(f"{runs}/{second}/taskInstances", token=token)["task_instances"]
        if task["task_id"] == "import_grants"
    ]
    assert after["start_date"] < before["end_date"] < begun
    assert settings.scores_path.exists()
    _listens_on_this_machine_only(settings)


def _up(settings: Settings) -> None:
    told = firmpulse(settings, "up", "--airflow-port", "18080", "--mlflow-port", "15000")
    known = servers.running(settings)
    assert known is not None
    assert f"{known.airflow}  user admin, password {known.password}" in told
    assert known.mlflow in told
    assert "running already" in firmpulse(settings, "up")


def _go_down(settings: Settings) -> None:
    sessions = [found.session for name in servers.NAMES if (found := services.find(settings, name))]
    told = firmpulse(settings, "down")
    parts = ("api-server", "scheduler", "dag-processor", "triggerer")
    stopped = f"Stopped: {', '.join(f'airflow-{part}' for part in parts)}, mlflow."
    assert told.split() == stopped.split()
    assert [p for p in psutil.process_iter() if services._is_in(p, sessions[0])] == []
    assert list(settings.run_dir.iterdir()) == []
    assert firmpulse(settings, "down") == "Nothing was running.\n"


def _api(settings: Settings) -> tuple[str, str]:
    """Return the address of the nights' runs, and a token for it."""
    known = servers.running(settings)
    assert known is not None
    login = {"username": known.user, "password": known.password}
    token = call(f"{known.airflow}/auth/token", login)["access_token"]
    return f"{known.airflow}/api/v2/dags/run_nightly/dagRuns", token


def _serves_models_alone(mlflow: str) -> None:
    """Assert that MLflow's page has no assistant, which would run commands on this machine."""
    assert call(f"{mlflow}/ajax-api/3.0/mlflow/server-info")
    versions = call(f"{mlflow}/api/2.0/mlflow/registered-models/search?max_results=5")
    assert versions == {}
    for path in (
        "ajax-api/3.0/mlflow/assistant/config",
        "ajax-api/3.0/mlflow/assistant/providers",
        "ajax-api/3.0/mlflow/mcp-servers",
        "ajax-api/3.0/jobs/search",
        "gateway/mlflow/v1/models",
    ):
        with pytest.raises(urllib.error.HTTPError, match=r"404|405"):
            call(f"{mlflow}/{path}")
    for path in ("assistant/config", "assistant/message", "mcp-servers"):
        with pytest.raises(urllib.error.HTTPError, match=r"404|405"):
            call(f"{mlflow}/ajax-api/3.0/mlflow/{path}", {"message": "ls"})


def _nights(runs: str, token: str) -> list[dict[str, Any]]:
    """Return the runs, the earliest night first."""
    found: list[dict[str, Any]] = call(runs, token=token)["dag_runs"]
    return sorted(found, key=lambda run: str(run["logical_date"]))


def _kill_the_scheduler(settings: Settings, runs: str, token: str) -> None:
    """Kill the scheduler and its tasks while a task of the first night is running."""
    for _ in range(300):
        for run in _nights(runs, token)[:1]:
            tasks = call(f"{runs}/{run['dag_run_id']}/taskInstances", token=token)
            states = {(task["task_id"], task["state"]) for task in tasks["task_instances"]}
            if ("build", "running") in states:
                service = services.find(settings, "airflow-scheduler")
                assert service is not None
                for process in psutil.process_iter():
                    if services._is_in(process, service.session):
                        process.kill()
                return
        time.sleep(1)
    raise AssertionError("the build has not begun")


def _listens_on_this_machine_only(settings: Settings) -> None:
    for name in servers.NAMES:
        service = services.find(settings, name)
        assert service is not None
        for process in psutil.process_iter():
            if services._is_in(process, service.session):
                listening = [c for c in process.net_connections() if c.status == "LISTEN"]
                assert {c.laddr.ip for c in listening} <= {"127.0.0.1"}
