"""Which code computed a result: the release, and a digest of the files that scores depend on."""

import hashlib
from functools import cache
from importlib.metadata import version

from firmpulse.settings import PROJECT_ROOT

_FOLDERS = ("firmpulse", "features", "model", "scoring", "dbt_project/models", "dbt_project/macros")
_SUFFIXES = frozenset({".py", ".sql", ".yml"})
_DIGITS = 12


@cache
def code_version() -> str:
    """Return the release and the first digits of a SHA-256, such as `0.1.0+5d0f7c2a91be`."""
    content = hashlib.sha256()
    for folder in _FOLDERS:
        for path in sorted((PROJECT_ROOT / folder).rglob("*")):
            if path.suffix in _SUFFIXES:
                content.update(path.relative_to(PROJECT_ROOT).as_posix().encode())
                content.update(path.read_bytes())
    return f"{version('firmpulse')}+{content.hexdigest()[:_DIGITS]}"
