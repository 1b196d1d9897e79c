"""The only access to MLflow: its location, the model names, the champion."""

import hashlib
import logging
import os
from pathlib import Path
from typing import Any

from firmpulse.errors import ModelChangedError
from firmpulse.settings import Settings

CREDIT_MODEL = "firmpulse-credit"
STATEMENTS_MODEL = "firmpulse-statements"
LOGISTIC_MODEL = "firmpulse-logistic"
CHAMPION, CHALLENGER = "champion", "challenger"
# Tag of a version: digest of its files when it was registered.
FILES_DIGEST = "files_sha256"


def client(settings: Settings) -> Any:
    """Return an MlflowClient of the tracking store, which is made on first use."""
    # The word, not 1; mlflow reads it on import.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    uri = settings.mlflow_tracking_uri
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return mlflow.MlflowClient(uri, uri)


def use_experiment(settings: Settings, name: str, about: str) -> str:
    """Make `name` the active experiment and return its id.

    Args:
        settings: location of MLflow.
        name: name of the experiment, which is made on first use.
        about: Markdown note that MLflow shows above the runs of a new experiment.
    """
    import mlflow

    found = client(settings).get_experiment_by_name(name)
    if found is None:
        settings.mlflow_artifacts.mkdir(parents=True, exist_ok=True)
        mlflow.create_experiment(
            name,
            artifact_location=settings.mlflow_artifacts.as_uri(),
            # Pages for models rather than for chats.
            tags={
                "mlflow.experimentKind": "custom_model_development",
                "mlflow.note.content": about,
            },
        )
    return str(mlflow.set_experiment(name).experiment_id)


def bounds_of(metric: str) -> tuple[str, str]:
    """Return the names of the bounds of a metric's interval.

    MLflow groups charts by the part before the slash. The bounds of `oot/auc` are in another group,
    `oot_interval/auc_low`, so that they are available but do not clutter the first.
    """
    rows, _, name = metric.partition("/")
    return f"{rows}_interval/{name}_low", f"{rows}_interval/{name}_high"


def find_version(settings: Settings, name: str, version: str) -> Any | None:
    """Return the version of a model by its number or an alias, None when there is none."""
    mlflow_client = client(settings)
    from mlflow.exceptions import MlflowException

    find = (
        mlflow_client.get_model_version
        if version.isdecimal()
        else mlflow_client.get_model_version_by_alias
    )
    try:
        return find(name, version)
    except MlflowException as error:
        # A missing model or version is a valid answer here; anything else is an error.
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def versions(settings: Settings, name: str) -> list[Any]:
    """Return the versions of a model with their aliases, newest first."""
    mlflow_client = client(settings)
    found = mlflow_client.search_model_versions(f"name='{name}'")
    newest_first = sorted(found, key=lambda version: -int(version.version))
    # A search omits the aliases.
    return [mlflow_client.get_model_version(name, version.version) for version in newest_first]


def model_folder(settings: Settings, name: str, version: str) -> Path:
    """Return a local folder with the logged files of a model version, checked for changes.

    Raises:
        ModelChangedError: a file differs from the registered version.
    """
    tracking_client = client(settings)
    import mlflow

    uri = f"models:/{name}/{version}"
    folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    registered = tracking_client.get_model_version(name, version).tags.get(FILES_DIGEST)
    if registered != files_digest(folder):
        raise ModelChangedError(
            f"the files of version {version} of {name} differ from the registered ones; "
            f"restore them from a backup, or go back with: firmpulse models rollback"
        )
    return folder


def files_digest(folder: Path) -> str:
    """Return a SHA-256 over the names and bytes of the files that a logged model predicts with.

    These are its code and its artifacts; MLflow changes its own descriptions when it reads them.
    """
    files = [*folder.glob("*.py"), *(folder / "artifacts").rglob("*")]
    digest = hashlib.sha256()
    for path in sorted(file for file in files if file.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}\n{content}\n".encode())
    return digest.hexdigest()
