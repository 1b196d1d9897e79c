"""Which features a registered model version reads."""

import json
from pathlib import Path

from firmpulse import tracking
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings


def of_version(settings: Settings, version: str) -> tuple[str, ...]:
    """Return the features of a version of the credit model, in the model's order.

    Args:
        settings: home folder.
        version: its number, or an alias such as `champion`.

    Raises:
        NotReadyError: there is no such version.
    """
    from mlflow.exceptions import MlflowException

    client = tracking.client(settings)
    try:
        if not version.isdecimal():
            found = client.get_model_version_by_alias(tracking.CREDIT_MODEL, version)
            version = str(found.version)
        folder = tracking.model_folder(settings, tracking.CREDIT_MODEL, version)
    except MlflowException as error:
        raise NotReadyError(
            f"{tracking.CREDIT_MODEL} has no version {version!r}; train one with: firmpulse train"
        ) from error
    return _features(folder)


def by_version(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return what every version of the credit model reads, newest first.

    A version that carries an alias is named with it, such as '3 (champion)'.
    """
    client = tracking.client(settings)
    found = {}
    versions = client.search_model_versions(f"name='{tracking.CREDIT_MODEL}'")
    for listed in sorted(versions, key=lambda version: -int(version.version)):
        version = client.get_model_version(tracking.CREDIT_MODEL, listed.version)
        aliases = ", ".join(sorted(version.aliases))
        name = f"{version.version} ({aliases})" if aliases else str(version.version)
        folder = tracking.model_folder(settings, tracking.CREDIT_MODEL, version.version)
        found[name] = _features(folder)
    return found


def _features(folder: Path) -> tuple[str, ...]:
    content = json.loads((folder / "artifacts" / "bundle" / "bundle.json").read_text("utf-8"))
    return tuple(content["features"])
