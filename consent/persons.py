"""Identity of people, where one person proposes and another decides."""

import unicodedata

from firmpulse.errors import ConfigurationError


def require(role: str, name: str) -> None:
    """Raise unless a person is named.

    Raises:
        ConfigurationError: the name is empty or invisible.
    """
    if not _plain(name):
        raise ConfigurationError(f"the {role} must be named, with --{role}")


def same(one: str, other: str) -> bool:
    """Whether two names are the same person's; spellings that look alike are the same."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    seen = "".join(one for one in name if unicodedata.category(one) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", seen).casefold().split())
