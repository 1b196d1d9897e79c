"""Airflow, MLflow and the control store on a real PostgreSQL server, by URL only."""

from collections.abc import Iterator

import psutil
import pytest
import sqlalchemy as sa

from firmpulse.airflow import servers, services
from firmpulse.settings import Settings, with_driver
from tests.consent import postgresql
from tests.dags.test_servers import call, firmpulse

pytestmark = pytest.mark.slow

NAMES = {"airflow": "airflow_db_url", "mlflow": "mlflow_uri", "control": "control_url"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Return a home folder with its three databases on a server that listens on a socket."""
    with postgresql.server() as url:
        address = sa.make_url(with_driver(url))
        engine = sa.create_engine(address, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            for name in NAMES:
                connection.execute(sa.text(f"create database {name}"))
        urls = {
            setting: sa.make_url(url).set(database=name).render_as_string(hide_password=False)
            for name, setting in NAMES.items()
        }
        yield Settings(home=tmp_path_factory.mktemp("postgresql"), **urls)


def _tables(settings: Settings, setting: str) -> set[str]:
    engine = sa.create_engine(with_driver(getattr(settings, setting)), poolclass=sa.NullPool)
    with engine.connect() as connection:
        return set(sa.inspect(connection).get_table_names())


def _arguments_with(settings: Settings, password: str) -> list[str]:
    """Return the servers' command lines, which any user of the machine could read."""
    sessions = [found.session for name in servers.NAMES if (found := services.find(settings, name))]
    assert sessions
    commands = [
        " ".join(process.cmdline())
        for process in psutil.process_iter()
        if any(services._is_in(process, session) for session in sessions)
    ]
    return [command for command in commands if password in command]


def test_servers_and_a_night_work_on_it_and_no_file_of_sqlite_is_made(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = sa.make_url(settings.control_url or "").password
    assert isinstance(password, str)
    for setting in NAMES.values():
        monkeypatch.setenv(f"FIRMPULSE_{setting.upper()}", getattr(settings, setting))
    try:
        firmpulse(settings, "up", "--airflow-port", "18180", "--mlflow-port", "15100")
        known = servers.running(settings)
        assert known is not None
        login = {"username": known.user, "password": known.password}
        token = call(f"{known.airflow}/auth/token", login)["access_token"]
        health = call(f"{known.airflow}/api/v2/monitor/health", token=token)
        assert {part["status"] for part in health.values()} == {"healthy"}
        dags = call(f"{known.airflow}/api/v2/dags", token=token)["dags"]
        assert "run_nightly" in {dag["dag_id"] for dag in dags}
        experiments = call(f"{known.mlflow}/api/2.0/mlflow/experiments/search", {"max_results": 5})
        assert experiments["experiments"][0]["name"] == "Default"
        assert _arguments_with(settings, password) == []
    finally:
        firmpulse(settings, "down")
    with pytest.raises(AssertionError, match="the inbox is empty"):
        firmpulse(settings, "night", "--as-of", "2026-10-31")
    assert "dag_run" in _tables(settings, "airflow_db_url")
    assert "model_versions" in _tables(settings, "mlflow_uri")
    assert "audit" in " ".join(_tables(settings, "control_url"))
    files = [path for path in settings.root.rglob("*") if path.is_file()]
    assert [path for path in files if path.suffix == ".db"] == []
    assert len(files) > 20
    assert [path for path in files if password.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgresql://a@h/d", "postgresql+psycopg://a@h/d"),
        ("postgresql+asyncpg://a@h/d", "postgresql+asyncpg://a@h/d"),
        ("sqlite:////srv/a.db", "sqlite:////srv/a.db"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
    ],
)
def test_a_url_without_a_driver_gets_the_one_that_is_installed(given: str, used: str) -> None:
    assert with_driver(given) == used
