"""Airflow's database: made once per home folder, with the pool of the DuckDB writer.

Everything here runs in a process whose environment is `airflow_env.environment`.
"""

import hashlib
from pathlib import Path

from firmpulse.airflow.environment import WRITER_POOL
from firmpulse.errors import ConfigurationError


def ensure() -> None:
    """Migrate the database to the installed version of Airflow and make the pool."""
    import airflow
    from airflow import settings
    from airflow.configuration import AIRFLOW_HOME
    from airflow.models.pool import Pool
    from airflow.utils import db

    # Checking for migrations takes seconds; the marker records the version that was checked.
    marker = Path(AIRFLOW_HOME) / "migrated"
    done_for = f"{airflow.__version__} {_identity(settings.SQL_ALCHEMY_CONN)}"
    if marker.exists() and marker.read_text(encoding="utf-8") == done_for:
        return
    marker.parent.mkdir(parents=True, exist_ok=True)
    db.initdb()
    Pool.create_or_update_pool(
        WRITER_POOL, slots=1, description="The one DuckDB writer", include_deferred=False
    )
    done_for = f"{airflow.__version__} {_identity(settings.SQL_ALCHEMY_CONN)}"
    marker.write_text(done_for, encoding="utf-8")


def close_abandoned_runs() -> None:
    """Mark runs of killed processes as failed; a scheduler would resume them."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType

    with create_session() as session:
        session.query(DagRun).filter(
            DagRun.triggered_by == DagRunTriggeredByType.TEST, DagRun.state == DagRunState.RUNNING
        ).update({"state": DagRunState.FAILED})


def store_dags() -> None:
    """Parse the DAG files and store them with the start of their schedule."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

    manager = DagBundlesManager()
    manager.sync_bundles_to_db()
    for bundle in manager.get_all_dag_bundles():
        bundle.initialize()
        bag = BundleDagBag(bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
        if bag.import_errors:
            raise ConfigurationError(
                f"a DAG does not load: {'; '.join(bag.import_errors.values())}"
            )
        sync_bag_to_db(bag, bundle.name, bundle_version=bundle.get_current_version())


def _identity(url: str) -> str:
    """Return a digest of the database: of its URL, which may contain a password, and its birth."""
    birth = ""
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        birth = str(path.stat().st_ino) if path.exists() else "absent"
    return hashlib.sha256(f"{url} {birth}".encode()).hexdigest()[:16]
