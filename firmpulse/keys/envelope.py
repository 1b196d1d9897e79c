"""Envelope keys: each encrypted database has its own data key, wrapped by its master key.

`vault/vault.key` and `warehouse/warehouse.key` hold the wrapped data keys (AES-256-GCM). A master
key opens no database, so destroying a wrapped data key destroys what only that key could open.

A key file has up to two data keys: the one in force, and the next one while a database is being
made or renewed. Trying shows which of them opens the database.
"""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from firmpulse.errors import ConfigurationError, NotReadyError, WrongKeyError
from firmpulse.keys import keyfiles, keyring
from firmpulse.settings import Settings

DATABASES = ("vault", "warehouse")

_FORMAT = 1
_KEY_BYTES, _NONCE_BYTES = 32, 12
_FINGERPRINT_DIGITS = 16


@dataclass(frozen=True)
class DataKey:
    """The key of one generation of a database file."""

    # Counts the renewals; the wrapped key is bound to it and to its file name.
    generation: int
    created_at: str
    # 64 hexadecimal digits.
    secret: SecretStr


@dataclass(frozen=True)
class Envelope:
    """The unwrapped content of a key file."""

    # Absent while the database is being made for the first time.
    current: DataKey | None
    # Present while the database is being made or renewed.
    upcoming: DataKey | None

    @property
    def keys(self) -> tuple[DataKey, ...]:
        """The data keys that may open the database, the more likely one first."""
        return tuple(key for key in (self.current, self.upcoming) if key is not None)


def database_path(settings: Settings, name: str) -> Path:
    """Return the file of a database, by its name (vault, warehouse)."""
    return {"vault": settings.vault_path, "warehouse": settings.warehouse_path}[name]


def key_path(settings: Settings, name: str) -> Path:
    """Return the key file of a database."""
    return database_path(settings, name).with_suffix(".key")


def building_path(settings: Settings, name: str) -> Path:
    """Return the file that a renewal builds before it replaces the database."""
    database = database_path(settings, name)
    return database.with_name(f"{database.name}.next")


def read(settings: Settings, name: str) -> Envelope:
    """Unwrap the data keys of a database.

    Raises:
        NotReadyError: neither database nor key file exists yet.
        ConfigurationError: one of the two is gone.
        WrongKeyError: the master key does not open the key file.
    """
    path, database = key_path(settings, name), database_path(settings, name)
    if not path.exists():
        if database.exists():
            raise ConfigurationError(
                f"{database.name} exists but its key file {path.name} is gone, and nothing else "
                f"opens it; restore {path.name} from the backup of that folder"
            )
        raise NotReadyError(f"there is no {name} yet; it is made when the first grants come in")
    envelope = _opened(settings, name)
    if envelope.current is not None and not database.exists():
        raise ConfigurationError(
            f"{path.name} exists but its database {database.name} is gone; restore both from one "
            f"backup, or remove {path.name} to start with an empty {name}"
        )
    return envelope


def read_or_make(settings: Settings, name: str) -> Envelope:
    """Unwrap the data keys of a database; make the first one if there is none.

    Raises:
        ConfigurationError: see `read`.
    """
    path = key_path(settings, name)
    master = keyring.load(settings, f"{name}_key")
    with keyfiles.locked(path.parent):
        if not path.exists() and not database_path(settings, name).exists():
            _write(settings, name, Envelope(None, _fresh(1)), master)
    return read(settings, name)


def propose(settings: Settings, name: str) -> DataKey:
    """Make the data key of the next generation; the one in force stays until `settle`."""
    with keyfiles.locked(key_path(settings, name).parent):
        current = read(settings, name).current
        if current is None:
            raise NotReadyError(f"the {name} is still being made; try again")
        upcoming = _fresh(current.generation + 1)
        _write(settings, name, Envelope(current, upcoming), keyring.load(settings, f"{name}_key"))
    return upcoming


def settle(settings: Settings, name: str, generation: int) -> None:
    """Keep only the data key of this generation, destroy the other, remove leftovers.

    The caller holds the database open with that key.
    """
    path = key_path(settings, name)
    # First: on a full disk this makes room for the key file.
    discard_building(settings, name)
    with keyfiles.locked(path.parent):
        envelope = read(settings, name)
        kept = next((key for key in envelope.keys if key.generation == generation), None)
        if kept is not None and envelope != Envelope(kept, None):
            _write(settings, name, Envelope(kept, None), keyring.load(settings, f"{name}_key"))
        keyfiles.clear(path)


def is_settled(settings: Settings, name: str, envelope: Envelope) -> bool:
    """Whether no leftovers of an interrupted renewal exist."""
    building = building_path(settings, name)
    return (
        envelope.upcoming is None
        and not keyfiles.has_leftovers(key_path(settings, name))
        and not any(path.exists() for path in (building, _log_of(building)))
    )


def discard_building(settings: Settings, name: str) -> None:
    """Remove the file of an unfinished renewal."""
    building = building_path(settings, name)
    for path in (building, _log_of(building)):
        path.unlink(missing_ok=True)


def rewrap(settings: Settings, name: str, old: SecretStr, new: SecretStr) -> None:
    """Wrap the data keys of a database with another master key; the database is unchanged.

    A key file that the new key already opens is not changed.

    Raises:
        WrongKeyError: neither key opens the key file.
    """
    path, database = key_path(settings, name), database_path(settings, name)
    with keyfiles.locked(path.parent):
        try:
            _unwrapped(path, database.name, new)
        except WrongKeyError:
            _write(settings, name, _unwrapped(path, database.name, old), new)


def fingerprint(key: SecretStr) -> str:
    """Return 16 digits that identify a key without revealing anything about it."""
    digest = hmac.new(bytes.fromhex(key.get_secret_value()), b"fingerprint", hashlib.sha256)
    return digest.hexdigest()[:_FINGERPRINT_DIGITS]


def _fresh(generation: int) -> DataKey:
    secret = SecretStr(os.urandom(_KEY_BYTES).hex())
    return DataKey(generation, datetime.now(UTC).isoformat(timespec="seconds"), secret)


def _write(settings: Settings, name: str, envelope: Envelope, master: SecretStr) -> None:
    database = database_path(settings, name).name
    content: dict[str, Any] = {"format": _FORMAT, "database": database}
    for role, key in (("current", envelope.current), ("next", envelope.upcoming)):
        if key is not None:
            content[role] = _wrapped(key, database, master)
    text = json.dumps(content, indent=1) + "\n"
    keyfiles.replace(key_path(settings, name), text)


def _wrapped(key: DataKey, database: str, master: SecretStr) -> dict[str, Any]:
    nonce = os.urandom(_NONCE_BYTES)
    sealed = _cipher(master).encrypt(
        nonce, bytes.fromhex(key.secret.get_secret_value()), _bound(database, key.generation)
    )
    return {
        "generation": key.generation,
        "created_at": key.created_at,
        "wrapped_key": base64.b64encode(nonce + sealed).decode("ascii"),
    }


def _unwrapped(path: Path, database: str, master: SecretStr) -> Envelope:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise ConfigurationError(
                f"{path.name} has format {content['format']}, this version reads {_FORMAT}"
            )
        return Envelope(
            *(
                _data_key(content[role], database, master) if role in content else None
                for role in ("current", "next")
            )
        )
    except InvalidTag:
        name = path.stem
        raise WrongKeyError(
            f"FIRMPULSE_{name.upper()}_KEY (or the {name}_key file) does not open {path.name}; "
            f"restore the key with which it was wrapped"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(
            f"{path.name} is damaged; restore it from the backup of that folder"
        ) from None


def _opened(settings: Settings, name: str) -> Envelope:
    path, database = key_path(settings, name), database_path(settings, name).name
    try:
        return _unwrapped(path, database, keyring.load(settings, f"{name}_key"))
    except WrongKeyError:
        # A change of the master key may have been interrupted after rewrapping the file.
        following = keyring.pending(settings, f"{name}_key")
        if following is None:
            raise
        return _unwrapped(path, database, following)


def _data_key(entry: Mapping[str, Any], database: str, master: SecretStr) -> DataKey:
    sealed = base64.b64decode(entry["wrapped_key"], validate=True)
    nonce, sealed = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    generation = int(entry["generation"])
    secret = _cipher(master).decrypt(nonce, sealed, _bound(database, generation))
    return DataKey(generation, str(entry["created_at"]), SecretStr(secret.hex()))


def _cipher(master: SecretStr) -> AESGCM:
    return AESGCM(bytes.fromhex(master.get_secret_value()))


def _bound(database: str, generation: int) -> bytes:
    return f"firmpulse:{database}:{generation}".encode()


def _log_of(database: Path) -> Path:
    return database.with_name(f"{database.name}.wal")
