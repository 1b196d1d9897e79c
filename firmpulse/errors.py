"""Every error Firmpulse raises on purpose.

FirmpulseError
├── ConfigurationError     a setting, a key or an installed part is wrong; fix it and run again
│   ├── WrongKeyError      a key does not open the file it belongs to
│   ├── ModelChangedError  files of a model version differ from the registered ones
│   ├── NotPromotedError   MLflow's champion is not the promoted version; restore it
│   └── FileHeldError      another process holds a file or the home folder; wait and run again
├── ContractError          a data contract contradicts itself; a developer must fix the YAML
├── DeliveryRefused        a delivery or file cannot be read as a whole; the provider must re-send
├── FilesUnreadable        some files turn out to be damaged; land the delivery without them
├── GrantError             a grant is malformed or contradicts an earlier one
├── AuditError             an entry does not belong in the audit chain, or the chain is broken
├── DiskError              one of our files cannot be written; free disk space and run again
├── DamagedError           one of our files is damaged; restore it from a backup
├── NotReadyError          the input of a step is not there yet; the message names the command
├── ExpectationFailed      a batch broke its expectations; the run stops before it spreads
├── ConfirmationNeeded     a person must confirm what would be destroyed; the message says how
├── RenewalFailed          a rewritten database differs from the old one, which stays
├── BackupError            a copy is incomplete or differs from the original; take another one
├── TaskFailed             a task or a server ended unexpectedly; look at its log
├── BuildFailed            dbt could not build or a data test failed
└── GateFailed             a model did not pass its promotion gates

One class per possible reaction of the caller; the message has the fact, the value, the next step.
"""

import errno
from collections.abc import Mapping


class FirmpulseError(Exception):
    """Root of all expected errors; the command line prints its message without a traceback."""


class ConfigurationError(FirmpulseError):
    """A setting, a key or an installed part is wrong."""


class WrongKeyError(ConfigurationError):
    """A key does not open the file it belongs to."""


class ModelChangedError(ConfigurationError):
    """The files of a model version differ from the registered ones."""


class NotPromotedError(ConfigurationError):
    """MLflow's champion is not the version that the audit chain's last promotion names."""


class FileHeldError(ConfigurationError):
    """Another process holds a file, or works on the same home folder."""


class ContractError(FirmpulseError):
    """A data contract contradicts itself or names something unknown."""


class DeliveryRefused(FirmpulseError):
    """A delivery or one of its files cannot be read as a whole."""


class FilesUnreadable(FirmpulseError):
    """Files of a delivery turned out to be damaged while reading; the others can land."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        # By the file's ordinal in the manifest.
        self.reasons = dict(reasons)
        super().__init__("; ".join(f"file {n}: {reason}" for n, reason in self.reasons.items()))


class DiskError(FirmpulseError):
    """One of our files cannot be written; no delivery is the cause."""


class DamagedError(FirmpulseError):
    """One of our files is damaged: it differs from what was written."""


class GrantError(FirmpulseError):
    """A grant is malformed or contradicts an earlier one."""


class AuditError(FirmpulseError):
    """An entry does not belong in the audit chain, or the chain is broken."""


class NotReadyError(FirmpulseError):
    """The input of a step is not there yet."""


class ExpectationFailed(FirmpulseError):
    """A batch broke its expectations."""


class ConfirmationNeeded(FirmpulseError):
    """Something would be destroyed, perhaps by mistake; a person must confirm it."""

    def __init__(self, why: str, do: str) -> None:
        # The command that confirms it.
        self.why, self.do = why, do
        super().__init__(f"{why}; confirm it with: {do}")


class RenewalFailed(FirmpulseError):
    """A rewritten database differs from the old one, which stays in force."""


class BackupError(FirmpulseError):
    """A copy of a home folder is incomplete, or differs from the original."""


class TaskFailed(FirmpulseError):
    """A task of a DAG run, or a server, ended unexpectedly."""


class BuildFailed(FirmpulseError):
    """A dbt build did not succeed."""


class GateFailed(FirmpulseError):
    """A model version did not pass its promotion gates."""


_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Messages of DuckDB and SQLite.
_NO_SPACE_TEXTS = ("no space left on device", "database or disk is full")


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or its cause, says that the disk is full."""
    while error is not None:
        text = str(error).lower()
        if getattr(error, "errno", None) in _NO_SPACE or any(t in text for t in _NO_SPACE_TEXTS):
            return True
        error = error.__cause__ or error.__context__
    return False


# Enough for all our messages except endless lists; omissions are marked.
_MOST_TOLD = 4000
_LEFT_OUT = "\n ... (cut here; see the log of the task) ...\n"


def told(error: BaseException) -> str:
    """Return the text of an error for use outside its process.

    Our own messages contain no row of a firm and no secret. Of any other error only the class is
    given, since its text may quote a cell. A message starts with the problem and ends with the
    next step, so one that is too long loses its middle.
    """
    if not isinstance(error, FirmpulseError):
        return f"{type(error).__name__}; its text is in the log of the task"
    return shortened(str(error).strip(), _MOST_TOLD)


def shortened(text: str, most: int) -> str:
    """Return a message of at most this many characters, keeping its start and its end."""
    if len(text) <= most:
        return text
    kept = max(0, most - len(_LEFT_OUT))
    begin = kept * 2 // 3
    return text[:begin].rstrip() + _LEFT_OUT + text[len(text) - (kept - begin) :].lstrip()
