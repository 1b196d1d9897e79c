"""Change a master key: the data keys are rewrapped, the databases do not change."""

from pydantic import SecretStr

from firmpulse.errors import ConfigurationError
from firmpulse.keys import envelope, keyring
from firmpulse.settings import Settings


def change(settings: Settings, name: str) -> bool:
    """Put a new master key of `vault` or `warehouse` into force; False if there is none yet.

    A key file gets a new key, made here. A key in the environment is changed there beforehand;
    the previous one is then in FIRMPULSE_OLD_VAULT_KEY or FIRMPULSE_OLD_WAREHOUSE_KEY. After an
    interruption, repeat the call.

    Raises:
        ConfigurationError: the key comes from the environment and the previous one is not set.
        WrongKeyError: neither key opens the key file.
    """
    if not envelope.key_path(settings, name).exists():
        return False
    key = f"{name}_key"
    given: SecretStr | None = getattr(settings, key)
    if given is not None:
        envelope.rewrap(settings, name, _before(settings, key), keyring.load(settings, key))
        return True
    following = keyring.propose(settings, key)
    envelope.rewrap(settings, name, keyring.load(settings, key), following)
    keyring.settle(settings, key)
    return True


def _before(settings: Settings, key: str) -> SecretStr:
    given: SecretStr | None = getattr(settings, f"old_{key}")
    if given is None:
        variable = f"FIRMPULSE_{key.upper()}"
        raise ConfigurationError(
            f"{variable} comes from the environment: set it to the new key, set "
            f"FIRMPULSE_OLD_{key.upper()} to the previous one, and call the command again"
        )
    return keyring.checked(key, given.get_secret_value(), f"FIRMPULSE_OLD_{key.upper()}")
