"""Keys of the vault, the warehouse, the tokens, the audit chain and the signature of bundles.

A key comes from the environment, or from `home/keys`, where a first local run makes it.
"""

import os
import secrets
import tempfile
from pathlib import Path

from pydantic import SecretStr

from firmpulse.errors import ConfigurationError
from firmpulse.keys import keyfiles
from firmpulse.settings import Settings

_HEX_LENGTH = 64


def load(settings: Settings, name: str) -> SecretStr:
    """Return the key `name` as 64 hexadecimal digits.

    Names: vault_key, warehouse_key, token_key, audit_key, signing_key. The token key has one key
    per version, oldest first, separated by commas (in its file: by lines).

    Raises:
        ConfigurationError: the key is not 64 hexadecimal digits, or a data file exists whose
            key file is gone (a new key could not open it).
    """
    given: SecretStr | None = getattr(settings, name)
    if given is not None:
        return checked(name, given.get_secret_value(), f"FIRMPULSE_{name.upper()}")
    path = settings.keys_dir / name
    if path.exists():
        return checked(name, path.read_text(encoding="ascii"), f"the key file {name}")
    _refuse_to_replace(settings, name)
    return _make(settings, name)


def pending(settings: Settings, name: str) -> SecretStr | None:
    """Return the master key that is about to replace the one in its key file."""
    path = settings.keys_dir / f"{name}.next"
    if getattr(settings, name) is not None or not path.exists():
        return None
    return checked(name, path.read_text(encoding="ascii"), f"the key file {path.name}")


def propose(settings: Settings, name: str) -> SecretStr:
    """Make the next master key beside the one in force, or return the existing one."""
    path = settings.keys_dir / f"{name}.next"
    with keyfiles.locked(settings.keys_dir):
        if not path.exists():
            keyfiles.replace(path, secrets.token_hex(_HEX_LENGTH // 2))
        return checked(name, path.read_text(encoding="ascii"), f"the key file {path.name}")


def settle(settings: Settings, name: str) -> None:
    """Put the proposed master key into force and destroy the previous one."""
    path = settings.keys_dir / f"{name}.next"
    with keyfiles.locked(settings.keys_dir):
        keyfiles.replace(settings.keys_dir / name, path.read_text(encoding="ascii"))
        keyfiles.destroy(path)


def add_token_version(settings: Settings) -> SecretStr:
    """Add a version to the token key file and return all versions.

    Raises:
        ConfigurationError: the token key comes from the environment.
    """
    if settings.token_key is not None:
        raise ConfigurationError(
            "the token key comes from the environment; append a comma and a new key to "
            "FIRMPULSE_TOKEN_KEY and call the command again"
        )
    known = load(settings, "token_key").get_secret_value().split(",")
    lines = [*known, secrets.token_hex(_HEX_LENGTH // 2)]
    with keyfiles.locked(settings.keys_dir):
        keyfiles.replace(settings.keys_dir / "token_key", "\n".join(lines))
    return load(settings, "token_key")


def _make(settings: Settings, name: str) -> SecretStr:
    """Make a key; if several processes do so at once, all get the key of the first."""
    settings.keys_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, waiting = tempfile.mkstemp(prefix=f".{name}-", dir=settings.keys_dir)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(_HEX_LENGTH // 2))
    path = settings.keys_dir / name
    try:
        path.hardlink_to(waiting)
    except FileExistsError:
        pass
    finally:
        Path(waiting).unlink()
    return checked(name, path.read_text(encoding="ascii"), f"the key file {name}")


def _refuse_to_replace(settings: Settings, name: str) -> None:
    if name == "signing_key":
        # It opens nothing; recipients notice a new key and receive its fingerprint.
        return
    guarded = {
        "warehouse_key": settings.warehouse_path,
        "audit_key": settings.audit_head_path,
    }.get(name, settings.vault_path)
    if guarded.exists() or guarded.with_suffix(".key").exists():
        raise ConfigurationError(
            f"{guarded.name} exists but its {name} is gone; set FIRMPULSE_{name.upper()} "
            f"or restore the key file in the keys folder"
        )


def checked(name: str, value: str, origin: str) -> SecretStr:
    """Return a key in its normal form.

    Raises:
        ConfigurationError: it is not a key; the message names its origin, not its value.
    """
    parts = value.strip().lower().replace("\n", ",").split(",")
    versions = [part.strip() for part in parts]
    if not all(map(_is_key, versions)) or (len(versions) > 1 and name != "token_key"):
        raise ConfigurationError(
            f"{origin} must be {_HEX_LENGTH} hexadecimal digits; "
            f"make one with: python -c 'import secrets; print(secrets.token_hex(32))'"
        )
    if len(set(versions)) < len(versions):
        raise ConfigurationError(f"{origin} has the same key twice; each version needs its own")
    return SecretStr(",".join(versions))


def _is_key(text: str) -> bool:
    return len(text) == _HEX_LENGTH and all(digit in "0123456789abcdef" for digit in text)
