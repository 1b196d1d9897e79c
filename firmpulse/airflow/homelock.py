"""One run at a time per home folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from firmpulse.errors import FileHeldError
from firmpulse.settings import Settings


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Lock this home folder against other runs; the end of the process always releases it.

    Raises:
        FileHeldError: another process works on it.
    """
    settings.root.mkdir(parents=True, exist_ok=True)
    with (settings.root / "run.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileHeldError(
                f"another run works on this home folder ({settings.root}); wait for it to end"
            ) from None
        yield
