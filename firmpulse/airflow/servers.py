"""Airflow and MLflow of one home folder: start, find and stop both."""

import json
import sys
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from firmpulse import clock, warehouse
from firmpulse.airflow import environment, homelock, services
from firmpulse.airflow.environment import HOST
from firmpulse.airflow.services import Service
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings

# Part → its arguments. The API server reads the tasks' logs from disk; a separate log server
# would listen on every address of the machine.
_AIRFLOW_PARTS: dict[str, list[str]] = {
    "api-server": [],
    "scheduler": ["--skip-serve-logs"],
    "dag-processor": [],
    "triggerer": ["--skip-serve-logs"],
}
_AIRFLOW = (sys.executable, "-m", "airflow")
NAMES = (
    "airflow-api-server",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
    "mlflow",
)
_WAIT_SECONDS = 180.0
_NEWEST_NIGHT = """
    with nights as (select distinct as_of from run_steps where dag = 'run_nightly')
    select coalesce(
        (select max(as_of) from scores semi join nights using (as_of)),
        (select max(as_of) from nights),
        (select max(as_of) from scores)
    )
"""
# Directly to this machine, bypassing any proxy in the environment.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Addresses:
    """Addresses of the servers, and the login."""

    airflow: str
    mlflow: str
    user: str
    password: str


def running(settings: Settings) -> Addresses | None:
    """Return the addresses when every server is alive, None otherwise."""
    found = {name: services.find(settings, name) for name in NAMES}
    api, mlflow = found["airflow-api-server"], found["mlflow"]
    if api is None or mlflow is None or not all(found.values()):
        return None
    user, password = _login(settings)
    return Addresses(api.address, mlflow.address, user, password)


def up(settings: Settings, airflow_port: int, mlflow_port: int) -> Addresses:
    """Start what is not running and wait until it answers; on failure, everything is stopped.

    Raises:
        TaskFailed: a server did not come up; the message names its log.
        FileHeldError: a run works on this home folder.
    """
    down(settings)  # half of them may be left from a crash
    airflow_port = services.free_port(airflow_port)
    mlflow_port = services.free_port(mlflow_port, taken=[airflow_port])
    try:
        mlflow = _start_mlflow(settings, mlflow_port)
        airflow = _start_airflow(settings, airflow_port)
        _wait(settings, mlflow, airflow)
    except BaseException:
        down(settings)
        raise
    user, password = _login(settings)
    return Addresses(airflow[0].address, mlflow.address, user, password)


def down(settings: Settings) -> tuple[str, ...]:
    """Stop every server of the home folder and return the names of those that ran.

    Raises:
        TaskFailed: a process is still running.
    """
    return tuple(name for name in NAMES if services.stop(settings, name))


def newest_night(settings: Settings) -> date:
    """Return the newest night with published scores, else with any step, else today.

    A day on which arriving deliveries were assessed is not a night.
    """
    with suppress(NotReadyError), warehouse.connect_published(settings) as connection:
        ((newest,),) = connection.execute(_NEWEST_NIGHT).fetchall()
        if newest is not None:
            return date.fromisoformat(str(newest))
    return clock.today()


def trigger_lines(known: Addresses, as_of: date) -> tuple[str, str]:
    """Return the shell commands that get a token and trigger a nightly run."""
    login = json.dumps({"username": known.user, "password": known.password})
    run = json.dumps({"logical_date": None, "conf": {"as_of": as_of.isoformat()}})
    as_json = "-H 'Content-Type: application/json'"
    extract = "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"access_token\"])'"
    return (
        f"TOKEN=$(curl -s {known.airflow}/auth/token {as_json} -d '{login}' | {extract})",
        f"curl -s {known.airflow}/api/v2/dags/run_nightly/dagRuns {as_json} "
        f"-H \"Authorization: Bearer $TOKEN\" -d '{run}'",
    )


def _start_mlflow(settings: Settings, port: int) -> Service:
    address = f"http://{HOST}:{port}"
    settings.mlflow_artifacts.mkdir(parents=True, exist_ok=True)
    env = {
        # The URI may contain a password; every user of the machine can read command lines.
        "MLFLOW_BACKEND_STORE_URI": settings.mlflow_tracking_uri,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": settings.mlflow_artifacts.as_uri(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
    }
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    options = ["--workers", "1", "--app-name", "firmpulse"]
    return services.start(settings, "mlflow", [*command, *options], env, address)


def _start_airflow(settings: Settings, port: int) -> list[Service]:
    tonight = clock.today()
    scheduled = settings.model_copy(update={"schedule_from": tonight})
    _prepare_airflow(scheduled)
    env = environment.environment(scheduled, port) | environment.server_secret(settings)
    address = f"http://{HOST}:{port}"
    return [
        services.start(settings, f"airflow-{part}", [*_AIRFLOW, part, *options], env, address)
        for part, options in _AIRFLOW_PARTS.items()
    ]


def _prepare_airflow(settings: Settings) -> None:
    # The scheduler would run in parallel.
    with homelock.alone(settings), environment.activated(settings):
        from firmpulse.airflow import database

        database.ensure()
        database.close_abandoned_runs()
        # The scheduler uses the stored start: without this it would start an earlier night.
        database.store_dags()


def _wait(settings: Settings, mlflow: Service, airflow: Sequence[Service]) -> None:
    api, scheduler, processor, triggerer = airflow
    checks = (
        (mlflow, lambda: _get(f"{mlflow.address}/health") is not None),
        (api, lambda: _health(api, "metadatabase")),
        (scheduler, lambda: _health(api, "scheduler")),
        (processor, lambda: _health(api, "dag_processor") and _knows_dags(settings, api)),
        (triggerer, lambda: _health(api, "triggerer")),
    )
    for service, healthy in checks:
        services.wait_until(settings, service, healthy, _WAIT_SECONDS)


def _health(api: Service, part: str) -> bool:
    answer = _get(f"{api.address}/api/v2/monitor/health")
    return answer is not None and json.loads(answer)[part]["status"] == "healthy"


def _knows_dags(settings: Settings, api: Service) -> bool:
    """Return whether the DAGs are parsed: from then on a run can be triggered."""
    user, password = _login(settings)
    body = json.dumps({"username": user, "password": password}).encode()
    answer = _get(f"{api.address}/auth/token", body)
    if answer is None:
        return False
    token = json.loads(answer)["access_token"]
    return all(
        _get(f"{api.address}/api/v2/dags/{file.stem}", token=token) is not None
        for file in environment.DAGS_FOLDER.glob("[a-z]*.py")
    )


def _get(address: str, body: bytes | None = None, token: str = "") -> bytes | None:
    """Return what an address answers, None while it does not; with a body, POST it."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(address, data=body, headers=headers)  # noqa: S310 - our own http address
    try:
        with _OPENER.open(request, timeout=5) as response:
            content: bytes = response.read()
            return content
    except OSError:  # refused, reset, timed out, or an HTTP error
        return None


def _login(settings: Settings) -> tuple[str, str]:
    """Return Airflow's user and the password it made at its first start."""
    path = settings.airflow_home / "simple_auth_manager_passwords.json.generated"
    known: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return next(iter(known.items()))
