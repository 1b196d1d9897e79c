"""Small files with keys: replaced in one step, and overwritten before removal.

A file `x` may have two companions for a moment: `x.new`, not valid yet, and `x.old`, no longer
valid. A crash in between leaves one of them; the next writer removes both.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OWNER_ONLY = 0o600


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let only one process at a time change the key files of a folder; others wait."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def replace(path: Path, text: str) -> None:
    """Write a key file; a reader sees the old text or the new one; the old one is destroyed.

    The caller holds `locked` on its folder.
    """
    clear(path)
    new, old = _companions(path)
    if path.exists():
        old.hardlink_to(path)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=_OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    new.replace(path)
    sync(path.parent)
    clear(path)


def clear(path: Path) -> None:
    """Destroy leftovers of a writer."""
    new, old = _companions(path)
    if new.exists():
        destroy(new)
    if not old.exists():
        return
    if path.exists() and old.samefile(path):
        # Its writer died before the new text replaced it: this key is still in force.
        old.unlink()
    else:
        destroy(old)


def has_leftovers(path: Path) -> bool:
    """Whether a writer died before it finished."""
    return any(companion.exists() for companion in _companions(path))


def sync(folder: Path) -> None:
    """Make the names in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _companions(path: Path) -> tuple[Path, Path]:
    return path.with_name(f"{path.name}.new"), path.with_name(f"{path.name}.old")


def destroy(path: Path) -> None:
    """Overwrite a key file, then remove it."""
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    sync(path.parent)
