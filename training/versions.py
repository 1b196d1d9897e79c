"""The versions of the credit model: list them, hold two side by side, go back to the one before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from consent import audit
from firmpulse import tracking
from firmpulse.errors import ConfigurationError, NotReadyError
from firmpulse.settings import Settings

# Tags of a version: when it became champion, and when and why it was taken back.
PROMOTED_AT, TAKEN_BACK = "promoted_at", "taken_back"


@dataclass(frozen=True)
class Version:
    """One registered version and how it did."""

    version: str
    aliases: tuple[str, ...]
    trained_as_of: date | None
    data_origin: str
    frame_digest: str
    approver: str | None
    # ISO 8601 in UTC; None for one that never was champion.
    promoted_at: str | None
    taken_back: str | None
    metrics: Mapping[str, float]
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Comparison:
    """What differs between two versions; metrics as pairs, None where one lacks it."""

    first: Version
    second: Version
    metrics: Mapping[str, tuple[float | None, float | None]]
    parameters: Mapping[str, tuple[str | None, str | None]]
    # Whether both were fitted and tested on the same rows; if not, their metrics are no contest.
    same_frame: bool


def listed(settings: Settings) -> tuple[Version, ...]:
    """Return all versions of the credit model, newest first."""
    return tuple(
        _version(settings, version)
        for version in tracking.versions(settings, tracking.CREDIT_MODEL)
    )


def compare(settings: Settings, first: str, second: str) -> Comparison:
    """Hold two versions side by side; each a number, or an alias such as `champion`.

    Raises:
        NotReadyError: there is no such version.
    """
    one, other = get(settings, first), get(settings, second)
    metrics = {
        name: (one.metrics.get(name), other.metrics.get(name))
        for name in sorted(one.metrics.keys() | other.metrics.keys())
    }
    parameters = {
        name: (one.parameters.get(name), other.parameters.get(name))
        for name in sorted(one.parameters.keys() | other.parameters.keys())
        if one.parameters.get(name) != other.parameters.get(name)
    }
    same = one.frame_digest == other.frame_digest
    return Comparison(one, other, metrics, parameters, same)


def get(settings: Settings, name: str) -> Version:
    """Return a version by its number or an alias.

    Raises:
        NotReadyError: there is no such version.
    """
    found = tracking.find_version(settings, tracking.CREDIT_MODEL, name)
    if found is None:
        raise NotReadyError(
            f"{tracking.CREDIT_MODEL} has no version {name}; list them with: firmpulse models list"
        )
    return _version(settings, found)


def trained_as_of(version: Version) -> date:
    """Return the date that a version was trained for.

    Raises:
        NotReadyError: the version does not say.
    """
    if version.trained_as_of is None:
        raise NotReadyError(
            f"version {version.version} does not say what it was trained on; train another"
        )
    return version.trained_as_of


def roll_back(settings: Settings, approver: str, because: str) -> tuple[Version, Version]:
    """Make the champion before the present one champion again; return both, the restored first.

    The one taken back is never restored by a later call. The next night scores with the restored
    one; what is published already stays as it is.

    Raises:
        ConfigurationError: nobody is named, or no reason is given.
        NotReadyError: there is no champion, or none before it.
    """
    if not approver.strip() or not because.strip():
        raise ConfigurationError("name who answers for it with --approver, and why with --because")
    present = get(settings, tracking.CHAMPION)
    before = [
        version
        for version in listed(settings)
        if version.promoted_at and not version.taken_back and version.version != present.version
    ]
    if not before:
        raise NotReadyError(
            f"version {present.version} is champion and none was before it; train another and "
            f"promote it with: firmpulse models promote VERSION --approver NAME"
        )
    restored = max(before, key=lambda version: version.promoted_at or "")
    client = tracking.client(settings)
    note = f"{_now()} by {approver.strip()}: {because.strip()}"
    client.set_model_version_tag(tracking.CREDIT_MODEL, present.version, TAKEN_BACK, note)
    client.set_registered_model_alias(tracking.CREDIT_MODEL, tracking.CHAMPION, restored.version)
    audit.append(
        settings,
        "PROMOTE",
        actor=audit.actor(),
        model=tracking.CREDIT_MODEL,
        version=restored.version,
        instead_of=present.version,
        approver=approver.strip(),
        because=because.strip(),
    )
    return get(settings, restored.version), get(settings, present.version)


def make_champion(settings: Settings, version: str, approver: str) -> None:
    """Move the alias and note when and by whom; the caller has looked at the gates."""
    client = tracking.client(settings)
    client.set_model_version_tag(tracking.CREDIT_MODEL, version, "approver", approver)
    client.set_model_version_tag(tracking.CREDIT_MODEL, version, PROMOTED_AT, _now())
    # Somebody looked again at one that had been taken back.
    if TAKEN_BACK in client.get_model_version(tracking.CREDIT_MODEL, version).tags:
        client.delete_model_version_tag(tracking.CREDIT_MODEL, version, TAKEN_BACK)
    client.set_registered_model_alias(tracking.CREDIT_MODEL, tracking.CHAMPION, version)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _version(settings: Settings, found: Any) -> Version:
    run = tracking.client(settings).get_run(found.run_id).data
    trained = found.tags.get("trained_as_of")
    return Version(
        version=str(found.version),
        aliases=tuple(sorted(found.aliases)),
        trained_as_of=date.fromisoformat(trained) if trained else None,
        data_origin=run.tags.get("data_origin", ""),
        frame_digest=found.tags.get("frame_digest", ""),
        approver=found.tags.get("approver"),
        promoted_at=found.tags.get(PROMOTED_AT),
        taken_back=found.tags.get(TAKEN_BACK),
        metrics=dict(run.metrics),
        parameters=dict(run.params),
    )
