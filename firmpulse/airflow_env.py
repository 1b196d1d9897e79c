"""Airflow's environment under the home folder; importable without Airflow."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from firmpulse.settings import PROJECT_ROOT, Settings

# One slot: one process at a time may have the DuckDB files open.
WRITER_POOL = "duckdb_writer"
DAGS_FOLDER = PROJECT_ROOT / "dags"
HOST = "127.0.0.1"
DEFAULT_PORT = 8080


def environment(settings: Settings, port: int = DEFAULT_PORT) -> dict[str, str]:
    """Return the variables for every Airflow process of this home folder.

    Args:
        settings: home folder and Airflow's database.
        port: where the API server listens or will listen.
    """
    address = f"http://{HOST}:{port}"
    return {
        "FIRMPULSE_HOME": str(settings.root),
        "PYTHONPATH": _python_path(),
        "AIRFLOW_HOME": str(settings.airflow_home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS_FOLDER),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        # No surprise: the schedule begins with the night after `firmpulse up`, see `schedule_from`.
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": settings.airflow_url,
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "GX_ANALYTICS_ENABLED": "False",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
    }


def activate(settings: Settings) -> Mapping[str, str]:
    """Set the environment of this process; Airflow reads most of it once, at its import.

    A process keeps the Airflow database of the first home folder it was activated for; the tasks
    read FIRMPULSE_HOME anew.
    """
    wanted = environment(settings) | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "CRITICAL"}
    if "airflow" in sys.modules:
        wanted = {name: value for name, value in wanted.items() if "AIRFLOW" not in name}
    os.environ.update(wanted)
    return wanted


def _python_path() -> str:
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    others = (entry for entry in inherited if entry and Path(entry) != PROJECT_ROOT)
    return os.pathsep.join([str(PROJECT_ROOT), *others])
