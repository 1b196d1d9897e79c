"""The sealed head: number and hash of the newest audit entry, kept outside the control store.

Entries cut off the end of the chain leave no gap; the head shows that they existed.
"""

import fcntl
import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from firmpulse.settings import Settings

GENESIS = "0" * 64


@dataclass(frozen=True)
class Head:
    """The newest sealed entry; number 0 before the first."""

    seq: int
    hash: str


def path_of(settings: Settings) -> Path:
    """Return where the head is."""
    return settings.audit_head_path


def read(settings: Settings, key: SecretStr) -> Head | None:
    """Return the sealed head, None if it is gone or its seal is broken."""
    try:
        fields = json.loads(path_of(settings).read_bytes())
        head = Head(int(fields["seq"]), str(fields["hash"]))
        seal = str(fields["seal"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return head if hmac.compare_digest(seal, _seal(key, head)) else None


def advance(settings: Settings, key: SecretStr, head: Head) -> None:
    """Seal a head unless a later one is sealed already; survives a crash at any moment."""
    with _lock(settings):
        known = read(settings, key)
        if known is None or known.seq < head.seq:
            _replace(settings, key, head)


def reset(settings: Settings, key: SecretStr, head: Head) -> None:
    """Seal a head regardless of the previous seal."""
    with _lock(settings):
        _replace(settings, key, head)


class _lock:
    """Holds the file lock of the head; the operating system releases it if the process dies."""

    def __init__(self, settings: Settings) -> None:
        self._path = path_of(settings).with_suffix(".lock")

    def __enter__(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _replace(settings: Settings, key: SecretStr, head: Head) -> None:
    path = path_of(settings)
    content = {"seq": head.seq, "hash": head.hash, "seal": _seal(key, head)}
    waiting = path.with_suffix(".new")
    descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    waiting.replace(path)


def _seal(key: SecretStr, head: Head) -> str:
    message = f"head:{head.seq}:{head.hash}".encode()
    return hmac.new(bytes.fromhex(key.get_secret_value()), message, hashlib.sha256).hexdigest()
