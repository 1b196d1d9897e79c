"""Home folders that take long to make: made once per test run, copied by every worker."""

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from filelock import FileLock

from firmpulse.keys import keyfiles
from firmpulse.settings import Settings
from operations import backup

T = TypeVar("T")


def made_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Settings], T]
) -> tuple[Settings, T]:
    """Return the settings of this worker's copy of a home folder, and its maker's result.

    Args:
        factory: pytest's factory of temporary folders.
        name: name of the home.
        make: fills the home of these settings; its result is pickled for other workers.
    """
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    origin, told = folder / "made-once" / name, folder / "made-once" / f"{name}.pickle"
    origin.parent.mkdir(exist_ok=True)
    with FileLock(origin.with_suffix(".lock")):
        if not told.exists():
            settings = Settings(home=origin, threads=2, memory_limit="2GB")
            know_tokens(settings)
            result = make(settings)
            told.write_bytes(pickle.dumps(result))
    own = copied(Settings(home=origin), factory.mktemp(name) / "home")
    return own, pickle.loads(told.read_bytes())  # noqa: S301 - written above


def know_tokens(settings: Settings) -> None:
    """Give an empty home a known token key, since the folds of training depend on the tokens.

    With a random key a small economy would pass a model's gates only on some days.
    """
    with keyfiles.locked(settings.keys_dir):
        keyfiles.replace(settings.keys_dir / "token_key", "5eed" * 16)


def copied(origin: Settings, folder: Path) -> Settings:
    """Copy a home folder and return the settings of the copy, with its models inside."""
    shutil.copytree(origin.root, folder, symlinks=True)
    own = Settings(home=folder, threads=2, memory_limit="2GB")
    backup.move_artifacts(own, origin.root)
    return own
