"""Airflow's environment under the home folder; importable without Airflow."""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from firmpulse.errors import ConfigurationError
from firmpulse.settings import PROJECT_ROOT, Settings

# One slot: only one process at a time may open the DuckDB files.
WRITER_POOL = "duckdb_writer"
DAGS_FOLDER = PROJECT_ROOT / "dags"
HOST = "127.0.0.1"
DEFAULT_PORT = 8080
_DAGS_VARIABLE = "AIRFLOW__CORE__DAGS_FOLDER"
_JWT_SECRET = "AIRFLOW__API_AUTH__JWT_SECRET"  # noqa: S105 - the name of a variable


def environment(settings: Settings, port: int = DEFAULT_PORT) -> dict[str, str]:
    """Return the variables for every Airflow process of this home folder.

    Args:
        settings: home folder and Airflow's database.
        port: where the API server listens or will listen.
    """
    address = f"http://{HOST}:{port}"
    return _own(settings) | {
        **_asynchronous(settings),
        "FIRMPULSE_HOME": str(settings.root),
        "PYTHONPATH": _python_path(),
        "AIRFLOW_HOME": str(settings.airflow_home),
        _DAGS_VARIABLE: str(DAGS_FOLDER),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # A date without a zone, as in `airflow backfill create --from-date …`, is in Chinese time.
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Asia/Shanghai",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        # Tasks of a killed scheduler are taken over within a minute.
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "60",
        # The schedule starts with the night after `firmpulse up`.
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": settings.airflow_url,
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        # Airflow sets these itself and ignores the umask.
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS": "0o700",
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS": "0o600",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "GX_ANALYTICS_ENABLED": "False",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
    }


def server_secret(settings: Settings) -> dict[str, str]:
    """Return the secret with which Airflow's servers authenticate to each other.

    Without it each server would generate its own, and no task could report back.
    """
    given = os.environ.get(_JWT_SECRET)
    if given:
        return {_JWT_SECRET: given}
    path = settings.airflow_home / "jwt_secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(64))
    return {_JWT_SECRET: path.read_text(encoding="ascii")}


@contextmanager
def activated(settings: Settings) -> Iterator[None]:
    """Give this process the environment of a home folder, for DAGs that run inside it.

    Airflow binds its database on import: a process keeps that of the first home folder. Tasks
    find later ones through the FIRMPULSE variables, which end with the context.

    Raises:
        ConfigurationError: Airflow was imported before with another folder of DAGs.
    """
    wanted = environment(settings)
    if "airflow" in sys.modules:
        if os.environ.get(_DAGS_VARIABLE) != str(DAGS_FOLDER):
            raise ConfigurationError(
                "Airflow was imported with other settings; start a new process"
            )
    else:
        os.environ.update({name: wanted[name] for name in wanted if name.startswith("AIRFLOW")})
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "CRITICAL"
    before = dict(os.environ)
    os.environ.update({name: wanted[name] for name in wanted if not name.startswith("AIRFLOW")})
    try:
        yield
    finally:
        for name in wanted:
            if name in before:
                os.environ[name] = before[name]
            else:
                os.environ.pop(name, None)


def _asynchronous(settings: Settings) -> dict[str, str]:
    """Return how Airflow reaches a PostgreSQL server from its event loops.

    By default it would require asyncpg; psycopg is already installed and works for both.
    """
    if not settings.airflow_url.startswith("postgresql"):
        return {}
    return {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": settings.airflow_url}


def _own(settings: Settings) -> dict[str, str]:
    """Return the variables that make `Settings()` equal to `settings`."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    plain = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in given.items()
        if value is not None
    }
    return {f"FIRMPULSE_{name.upper()}": value for name, value in plain.items()}


def _python_path() -> str:
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    others = (entry for entry in inherited if entry and Path(entry) != PROJECT_ROOT)
    return os.pathsep.join([str(PROJECT_ROOT), *others])
