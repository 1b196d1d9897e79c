"""Keys of the vault, the warehouse and the tokens.

A key comes from the environment, or from `home/keys`, where a first local run makes it.
"""

import os
import secrets

from pydantic import SecretStr

from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings

_HEX_LENGTH = 64


def load(settings: Settings, name: str) -> SecretStr:
    """Return the key `name` as 64 hexadecimal digits.

    Names: vault_key, warehouse_key, token_key, audit_key.

    Raises:
        ConfigurationError: the key is not 64 hexadecimal digits, or a data file exists whose
            key file is gone (a new key could not open it).
    """
    given: SecretStr | None = getattr(settings, name)
    if given is not None:
        return _checked(given.get_secret_value(), f"FIRMPULSE_{name.upper()}")
    path = settings.keys_dir / name
    if path.exists():
        return _checked(path.read_text(encoding="ascii").strip(), f"the key file {name}")
    _refuse_to_replace(settings, name)
    return _make(settings, name)


def _make(settings: Settings, name: str) -> SecretStr:
    settings.keys_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    value = secrets.token_hex(_HEX_LENGTH // 2)
    descriptor = os.open(settings.keys_dir / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(value)
    return SecretStr(value)


def _refuse_to_replace(settings: Settings, name: str) -> None:
    guarded = {
        "warehouse_key": settings.warehouse_path,
        "audit_key": settings.audit_head_path,
    }.get(name, settings.vault_path)
    if guarded.exists():
        raise ConfigurationError(
            f"{guarded.name} exists but its {name} is gone; set FIRMPULSE_{name.upper()} "
            f"or put the key file back into the keys folder"
        )


def _checked(value: str, origin: str) -> SecretStr:
    is_hex = len(value) == _HEX_LENGTH and all(c in "0123456789abcdef" for c in value.lower())
    if not is_hex:
        raise ConfigurationError(
            f"{origin} must be {_HEX_LENGTH} hexadecimal digits; "
            f"make one with: python -c 'import secrets; print(secrets.token_hex(32))'"
        )
    return SecretStr(value)
