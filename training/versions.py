"""The versions of the credit model: list them, compare two, go back to the previous one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from consent import audit, champion
from consent.champion import Promotion
from firmpulse import tracking
from firmpulse.errors import ConfigurationError, ModelChangedError, NotReadyError
from firmpulse.settings import Settings

# Tag of a traditional scorecard that had no statement: the features it reads instead.
WITHOUT_STATEMENTS = "without_statements"
# Tags of a version: when it became champion, and when and why it was withdrawn.
PROMOTED_AT, TAKEN_BACK = "promoted_at", "taken_back"


@dataclass(frozen=True)
class Version:
    """One registered version and its results."""

    version: str
    aliases: tuple[str, ...]
    trained_as_of: date | None
    data_origin: str
    frame_digest: str
    approver: str | None
    # ISO 8601 in UTC; None if it never was champion.
    promoted_at: str | None
    taken_back: str | None
    metrics: Mapping[str, float]
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Comparison:
    """The differences between two versions; metrics as pairs, None if one lacks it."""

    first: Version
    second: Version
    metrics: Mapping[str, tuple[float | None, float | None]]
    parameters: Mapping[str, tuple[str | None, str | None]]
    # Whether both were fitted and tested on the same rows; if not, metrics are not comparable.
    same_frame: bool


def listed(settings: Settings) -> tuple[Version, ...]:
    """Return all versions of the credit model, newest first."""
    return tuple(
        _version(settings, version)
        for version in tracking.versions(settings, tracking.CREDIT_MODEL)
    )


def compare(settings: Settings, first: str, second: str) -> Comparison:
    """Compare two versions; each is a number, or an alias such as `champion`.

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
        NotPromotedError: the champion is requested, and MLflow's is not the one promoted last.
    """
    found = champion.find_version(settings, name)
    if found is None:
        raise NotReadyError(
            f"{tracking.CREDIT_MODEL} has no version {name}; list them with: firmpulse models list"
        )
    return _version(settings, found)


def trained_as_of(version: Version) -> date:
    """Return the date for which a version was trained.

    Raises:
        NotReadyError: the version has no such tag.
    """
    if version.trained_as_of is None:
        raise NotReadyError(
            f"version {version.version} has no record of its training data; train another"
        )
    return version.trained_as_of


def baseline_version(settings: Settings, frame_digest: str) -> Any | None:
    """Return the newest scorecard on statements that was fitted on this frame, or None."""
    listed = tracking.versions(settings, tracking.STATEMENTS_MODEL)
    return next((one for one in listed if one.tags.get("frame_digest") == frame_digest), None)


def roll_back(settings: Settings, approver: str, because: str) -> tuple[Version, Version]:
    """Withdraw the champion and restore the previous one; return both, the restored first.

    A later call never restores the withdrawn one. The next night scores with the restored one;
    published scores do not change.

    Raises:
        ConfigurationError: no person is named, or no reason is given.
        NotReadyError: there is no champion, or none before it.
    """
    if not approver.strip() or not because.strip():
        raise ConfigurationError(
            "name the responsible person with --approver, and the reason with --because"
        )
    made = champion.promotions(settings)
    if not made:
        raise NotReadyError(
            f"{tracking.CREDIT_MODEL} has no version champion: none was ever promoted; list them "
            f"with: firmpulse models list"
        )
    present, before = made[-1].version, _before(made)
    if before is None:
        raise NotReadyError(
            f"version {present} is champion and there is none before it; train another and "
            f"promote it with: firmpulse models promote VERSION --approver NAME"
        )
    _require_files(settings, before)
    name, why = approver.strip(), because.strip()
    _note(settings, before.version, name, before.files_sha256, instead_of=present, because=why)
    note = f"{_now()} by {name}: {why}"
    client = tracking.client(settings)
    client.set_model_version_tag(tracking.CREDIT_MODEL, present, TAKEN_BACK, note)
    _turn_alias(settings, before.version)
    return get(settings, before.version), get(settings, present)


def make_champion(settings: Settings, version: str, approver: str, **told: str) -> None:
    """Record a promotion, then move the alias; the caller has checked the gates.

    Raises:
        ModelChangedError: a file of the version is not what was registered.
    """
    tracking.model_folder(settings, tracking.CREDIT_MODEL, version)
    client = tracking.client(settings)
    tags = client.get_model_version(tracking.CREDIT_MODEL, version).tags
    _note(settings, version, approver, tags[tracking.FILES_DIGEST], **told)
    client.set_model_version_tag(tracking.CREDIT_MODEL, version, "approver", approver)
    client.set_model_version_tag(tracking.CREDIT_MODEL, version, PROMOTED_AT, _now())
    # A withdrawn version was reviewed and promoted again.
    if TAKEN_BACK in tags:
        client.delete_model_version_tag(tracking.CREDIT_MODEL, version, TAKEN_BACK)
    _turn_alias(settings, version)


def restore_alias(settings: Settings) -> str:
    """Set MLflow's alias back to the version that was promoted last, and return it.

    Raises:
        NotReadyError: none was promoted yet.
        ModelChangedError: its files differ from the promoted ones.
    """
    last = champion.named(settings)
    if last is None:
        raise NotReadyError(
            "no version was ever promoted; promote one with: firmpulse models promote VERSION "
            "--approver NAME"
        )
    _require_files(settings, last)
    _turn_alias(settings, last.version)
    return last.version


def _before(made: tuple[Promotion, ...]) -> Promotion | None:
    """Return the last promotion before the present champion's that was not withdrawn."""
    standing: dict[str, Promotion] = {}
    for one in made:
        standing.pop(one.instead_of or one.version, None)
        if one.instead_of is None:
            standing[one.version] = one
    standing.pop(made[-1].version, None)
    return next(reversed(standing.values()), None)


def _require_files(settings: Settings, promoted: Promotion) -> None:
    """Raise unless a version's files are the promoted ones."""
    found = tracking.find_version(settings, tracking.CREDIT_MODEL, promoted.version)
    if found is None or found.tags.get(tracking.FILES_DIGEST) != promoted.files_sha256:
        raise ModelChangedError(
            f"version {promoted.version} of {tracking.CREDIT_MODEL} is not in MLflow as it was "
            f"promoted on {promoted.at[:10]}; restore it from a backup, or train another"
        )
    tracking.model_folder(settings, tracking.CREDIT_MODEL, promoted.version)


def _note(settings: Settings, version: str, approver: str, files_sha256: str, **told: str) -> None:
    audit.append(
        settings,
        champion.PROMOTE,
        actor=audit.actor(),
        model=tracking.CREDIT_MODEL,
        version=version,
        approver=approver,
        files_sha256=files_sha256,
        **told,
    )


def _turn_alias(settings: Settings, version: str) -> None:
    tracking.client(settings).set_registered_model_alias(
        tracking.CREDIT_MODEL, tracking.CHAMPION, version
    )


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
