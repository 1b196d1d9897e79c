import json
import re
import subprocess
import sys
import time
import urllib.request
from datetime import date
from typing import Any

import psutil
import pytest

from firmpulse import dagrun, servers, services
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings
from simulator import Economy, deliver

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
    """Run the command in a process of its own, as an operator does."""
    code = "import sys; from firmpulse.cli import main; sys.argv[0] = 'firmpulse'; main()"
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


def test_up_runs_a_triggered_night_and_down_leaves_nothing(tmp_path_factory: Any) -> None:
    settings = Settings(home=tmp_path_factory.mktemp("up"))
    economy = Economy(firms=40, months=14)
    deliver(economy, settings.inbox, through=economy.last_day)
    try:
        _check_up(settings, economy.last_day)
    finally:
        sessions = [
            found.session for name in servers.NAMES if (found := services.find(settings, name))
        ]
        told = firmpulse(settings, "down")

    parts = ("api-server", "scheduler", "dag-processor", "triggerer")
    assert (
        told.split()
        == f"Stopped: {', '.join(f'airflow-{part}' for part in parts)}, mlflow.".split()
    )
    assert [p for p in psutil.process_iter() if services._is_in(p, sessions[0])] == []
    assert list(settings.run_dir.iterdir()) == []
    assert firmpulse(settings, "down") == "Nothing was running.\n"


def _check_up(settings: Settings, night: date) -> None:
    told = firmpulse(settings, "up", "--airflow-port", "18080", "--mlflow-port", "15000")
    known = servers.running(settings)
    assert known is not None
    assert f"{known.airflow}  user admin, password {known.password}" in told
    assert known.mlflow in told
    assert "running already" in firmpulse(settings, "up")
    with pytest.raises(ConfigurationError, match="stop it with: firmpulse down"):
        dagrun.run_dag(settings, "run_nightly", {"as_of": night.isoformat()})

    login = {"username": known.user, "password": known.password}
    token = call(f"{known.airflow}/auth/token", login)["access_token"]
    runs = f"{known.airflow}/api/v2/dags/run_nightly/dagRuns"
    assert call(runs, token=token)["dag_runs"] == []  # the schedule starts nothing by surprise
    run = {"logical_date": None, "conf": {"as_of": night.isoformat()}}
    run_id = call(runs, run, token)["dag_run_id"]
    assert finished(f"{runs}/{run_id}", token) == "success"
    told = call(f"{runs}/{run_id}", token=token)["note"]
    assert told.startswith("**What the run did**")
    assert re.search(r"^- land: 7 deliveries, [\d,]+ rows read, [\d,]+ rows landed", told, re.M)
    assert "- publish: scores.duckdb" in told
    assert settings.scores_path.exists()
    _listens_on_this_machine_only(settings)


def _listens_on_this_machine_only(settings: Settings) -> None:
    for name in servers.NAMES:
        service = services.find(settings, name)
        assert service is not None
        for process in psutil.process_iter():
            if services._is_in(process, service.session):
                listening = [c for c in process.net_connections() if c.status == "LISTEN"]
                assert {c.laddr.ip for c in listening} <= {"127.0.0.1"}
