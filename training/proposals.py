"""A candidate that is worse than the champion: one person gives a reason, a second decides.

Both steps are entries of the audit chain, which also holds an open proposal.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from consent import audit, champion, persons
from firmpulse import tracking
from firmpulse.errors import ConfigurationError, NotReadyError
from firmpulse.settings import Settings
from training import versions
from training.claims.comparison import Comparison
from training.config import TrainingConfig
from training.validation import contest

_ACTION = "PROPOSE"


@dataclass(frozen=True)
class Proposal:
    """A promotion that waits for a second person."""

    version: str
    maker: str
    because: str
    # Comparison with the champion, in words.
    worse: str
    # Champion at that time.
    champion: str
    at: str


def worse(settings: Settings, version: str, config: TrainingConfig) -> tuple[str, str] | None:
    """Return the champion's version and the metrics that are significantly worse than its own.

    None if there are none, if there is no other champion, or if the two cannot be compared because
    the champion lacks the rows or the features.
    """
    last = champion.named(settings)
    if last is None or last.version == version:
        return None
    pair = versions.get(settings, last.version), versions.get(settings, version)
    try:
        contested = contest.paired(settings, *pair, config)
    except NotReadyError:
        return None
    text = "; ".join(in_words(contested, config))
    return (last.version, text) if text else None


def in_words(contested: Mapping[str, Comparison], config: TrainingConfig) -> list[str]:
    """Return a sentence for each metric in which the second version is significantly worse."""
    found = []
    for name, higher_is_better in config.worse_by.items():
        both = contested[name]
        low, high = both.difference.low, both.difference.high
        if high < 0 if higher_is_better else low > 0:
            found.append(
                f"{name} {both.candidate.value:.4f} against {both.baseline.value:.4f}, difference "
                f"{both.difference.value:+.4f} ({low:+.4f} to {high:+.4f})"
            )
    return found


def propose(
    settings: Settings, version: str, maker: str, because: str, leading: str, measured: str
) -> Proposal:
    """Record who wants a worse version promoted and why; nothing changes yet."""
    persons.require("approver", maker)
    if not because.strip():
        raise ConfigurationError("give a reason for a worse version with --because")
    _note(settings, version, step="proposed", by=maker.strip(), because=because.strip(),
          worse=measured, champion=leading)  # fmt: skip
    return pending(settings)[version]


def decide(settings: Settings, version: str, checker: str, *, approve: bool) -> Proposal:
    """Promote a proposed version, or reject it; its proposer may not.

    Raises:
        NotReadyError: no promotion of the version is proposed, or another was promoted since.
        ConfigurationError: the checker is the maker, or has no name.
        ModelChangedError: a file of the version differs from the registered one.
    """
    persons.require("checker", checker)
    made = pending(settings).get(version)
    if made is None:
        raise NotReadyError(
            f"no promotion of version {version} waits for a second person; propose one with: "
            f"firmpulse models promote {version} --approver NAME --because REASON"
        )
    if persons.same(made.maker, checker):
        raise ConfigurationError(
            f"{checker} proposed version {version}; someone else must decide it"
        )
    if not approve:
        _note(settings, version, step="rejected", by=checker.strip())
        return made
    versions.make_champion(
        settings, version, made.maker,
        checker=checker.strip(), because=made.because, worse=made.worse,
    )  # fmt: skip
    return made


def pending(settings: Settings) -> dict[str, Proposal]:
    """Return version → its open proposal; a promotion ends all earlier ones."""
    last = champion.named(settings)
    found: dict[str, Proposal] = {}
    for entry in audit.trusted(settings, _ACTION):
        details = json.loads(entry.details)
        if last is not None and entry.seq < last.seq:
            continue
        version = details["version"]
        if details["step"] == "rejected":
            found.pop(version, None)
            continue
        found[version] = Proposal(
            version, details["by"], details["because"], details["worse"], details["champion"],
            entry.at,
        )  # fmt: skip
    return found


def _note(settings: Settings, version: str, **details: str) -> None:
    audit.append(
        settings, _ACTION, actor=audit.actor(), model=tracking.CREDIT_MODEL, version=version,
        **details,
    )  # fmt: skip
