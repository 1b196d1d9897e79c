"""Which features a registered model version reads."""

import json
from typing import Any

from consent import champion
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
    found = champion.find_version(settings, version)
    if found is None:
        raise NotReadyError(
            f"{tracking.CREDIT_MODEL} has no version {version!r}; train one with: firmpulse train"
        )
    return _features(settings, found)


def by_version(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the features of every version of the credit model, newest first.

    A version with an alias is named with it, such as '3 (champion)'.
    """
    found = {}
    for version in tracking.versions(settings, tracking.CREDIT_MODEL):
        aliases = ", ".join(sorted(version.aliases))
        name = f"{version.version} ({aliases})" if aliases else str(version.version)
        found[name] = _features(settings, version)
    return found


def _features(settings: Settings, version: Any) -> tuple[str, ...]:
    folder = tracking.model_folder(settings, tracking.CREDIT_MODEL, version.version)
    content = json.loads((folder / "artifacts" / "bundle" / "bundle.json").read_text("utf-8"))
    return tuple(content["features"])
