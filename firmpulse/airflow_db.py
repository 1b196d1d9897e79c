"""Airflow's own database: made once per home folder, with the pool of the DuckDB writer.

Everything here runs in a process whose environment is `airflow_env.environment`.
"""

from firmpulse.airflow_env import WRITER_POOL
from firmpulse.settings import Settings


def ensure(settings: Settings) -> None:
    """Bring the database to the installed version of Airflow and make the pool."""
    import airflow
    from airflow.models.pool import Pool
    from airflow.utils import db

    # Checking for migrations takes seconds; the marker says for which version it was done.
    marker = settings.airflow_home / "migrated"
    done_for = f"{airflow.__version__} {_identity(settings)}"
    if marker.exists() and marker.read_text(encoding="utf-8") == done_for:
        return
    settings.airflow_home.mkdir(parents=True, exist_ok=True)
    db.initdb()
    Pool.create_or_update_pool(
        WRITER_POOL, slots=1, description="The one DuckDB writer", include_deferred=False
    )
    marker.write_text(done_for, encoding="utf-8")


def close_abandoned_runs() -> None:
    """Mark in-process runs as failed whose process was ended; a scheduler would resume them."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType

    with create_session() as session:
        session.query(DagRun).filter(
            DagRun.triggered_by == DagRunTriggeredByType.TEST, DagRun.state == DagRunState.RUNNING
        ).update({"state": DagRunState.FAILED})


def _identity(settings: Settings) -> str:
    """Return a digest of the database's URL, which may hold a password."""
    import hashlib

    return hashlib.sha256(settings.airflow_url.encode()).hexdigest()[:16]
