"""A folder at a provider, over any protocol: list, read on, write; with retries."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
)

from extracts.connectors import credentials, s3, sftp
from extracts.connectors.errors import AccessRefused, Failures, Interrupted, Unreachable, named
from extracts.connectors.providers import Place, Provider
from firmpulse.settings import Settings

_LONGEST_WAIT_SECONDS = 60
_PIECE_BYTES = 4 << 20
# SFTP requests a whole piece at once, even of a small file.
_SMALL_PIECE_BYTES = 1 << 18
_LOG = logging.getLogger(__name__)

T = TypeVar("T")


class Store:
    """One folder of a provider; connects on first use and again after an interruption.

    Every method raises `Unreachable` when the provider does not answer, `AccessRefused` when it
    answers with a refusal, and `ConfigurationError` when the connection is wrong.
    """

    def __init__(self, settings: Settings, provider: Provider, place: Place) -> None:
        """Store where the folder is; nothing is opened yet."""
        self._settings = settings
        self._provider = provider
        self._place = place
        self._filesystem: AbstractFileSystem | None = None

    def folders(self) -> list[str]:
        """Return the names of its folders in order."""

        def entries(filesystem: AbstractFileSystem) -> list[dict[str, str]]:
            with self._named():
                return list(filesystem.ls(self._place.root, detail=True))

        try:
            found = self._persistently(entries)
        except FileNotFoundError:
            # A prefix exists only while the name of an object begins with it.
            if self._place.path and self._place.scheme == "s3" and self._has_bucket():
                return []
            raise AccessRefused("there is no such folder or bucket; check its uri") from None
        folders = [entry["name"] for entry in found if entry["type"] == "directory"]
        return sorted(name.rstrip("/").rpartition("/")[2] for name in folders)

    def files(self, name: str) -> dict[str, int]:
        """Return the files below a folder, names with sizes; links and devices do not count."""

        def entries(filesystem: AbstractFileSystem) -> dict[str, dict[str, str]]:
            with self._named():
                return dict(filesystem.find(self._path(name), detail=True))

        try:
            found = self._persistently(entries)
        except FileNotFoundError:
            return {}
        inside = f"{self._path(name).strip('/')}/"
        return {
            path.strip("/").removeprefix(inside): int(entry["size"])
            for path, entry in found.items()
            if entry["type"] == "file" and not entry.get("islink")
        }

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes, null without one; links and devices do not count."""

        def info(filesystem: AbstractFileSystem) -> dict[str, str]:
            with self._named():
                return dict(filesystem.info(self._path(name)))

        try:
            found = self._persistently(info)
        except FileNotFoundError:
            return None
        is_plain = found["type"] == "file" and not found.get("islink")
        return int(found["size"]) if is_plain else None

    def read(self, name: str, limit_bytes: int) -> bytes | None:
        """Return a small file, null without one; what exceeds the limit is cut off."""

        def content(filesystem: AbstractFileSystem) -> bytes:
            found = bytearray()
            for piece in self._pieces(filesystem, name, 0, _SMALL_PIECE_BYTES):
                found += piece
                if len(found) > limit_bytes:
                    break
            return bytes(found[:limit_bytes])

        # Opening a pipe would wait forever.
        if self._place.scheme == "file" and self.size(name) is None:
            return None
        try:
            return self._persistently(content)
        except FileNotFoundError:
            return None

    def fetch(self, name: str, target: Path) -> None:
        """Append to `target` what it lacks of a file; what arrived stays if the rest fails.

        Gives up when a whole round of tries made no progress.

        Raises:
            FileNotFoundError: there is no such file.
        """

        def append(filesystem: AbstractFileSystem) -> None:
            with target.open("ab") as file:
                for piece in self._pieces(filesystem, name, file.tell()):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())

        while True:
            before = _size(target)
            try:
                return self._persistently(append)
            except Unreachable:
                if _size(target) == before:
                    raise

    def write(self, name: str, content: bytes) -> None:
        """Put a small file, whole or not at all."""
        path = self._path(name)

        def put(filesystem: AbstractFileSystem) -> None:
            with self._named():
                if self._place.scheme == "s3":
                    filesystem.pipe_file(path, content)
                    return
                folder, _, last = path.rpartition("/")
                filesystem.makedirs(folder, exist_ok=True)
                filesystem.pipe_file(f"{folder}/.{last}.part", content)
                if self._place.scheme == "file":
                    _open_as(Path(self._place.root), Path(folder), Path(f"{folder}/.{last}.part"))
                filesystem.mv(f"{folder}/.{last}.part", path)

        try:
            self._persistently(put)
        except FileNotFoundError:
            raise AccessRefused("there is no such folder or bucket; check its uri") from None

    def _has_bucket(self) -> bool:
        def look(filesystem: AbstractFileSystem) -> None:
            with self._named():
                filesystem.ls(self._place.host)

        try:
            self._persistently(look)
        except FileNotFoundError:
            return False
        except AccessRefused:
            # It exists, but only the prefix may be listed.
            return True
        return True

    def _path(self, name: str) -> str:
        return f"{self._place.root.rstrip('/')}/{name}"

    def _pieces(
        self,
        filesystem: AbstractFileSystem,
        name: str,
        offset: int,
        piece_bytes: int = _PIECE_BYTES,
    ) -> Iterator[bytes]:
        """Yield a file from an offset; errors of the consumer are not translated."""
        options = {"cache_type": "none"} if self._place.scheme == "s3" else {}
        with self._named(), filesystem.open(self._path(name), "rb", **options) as remote:
            if offset:
                remote.seek(offset)
            while piece := remote.read(piece_bytes):
                yield piece

    def _persistently(self, operation: Callable[[AbstractFileSystem], T]) -> T:
        """Repeat a call until it succeeds, with growing waits between the tries."""
        retrying = Retrying(
            stop=stop_after_attempt(self._provider.attempts),
            wait=wait_exponential(self._provider.first_wait_seconds, _LONGEST_WAIT_SECONDS),
            retry=retry_if_exception_type(Interrupted),
            before_sleep=self._tell,
            reraise=True,
        )
        try:
            result: T = retrying(self._once, operation)
        except Interrupted as error:
            raise Unreachable(
                f"it does not answer ({error}, {self._provider.attempts} tries); check host, port "
                f"and network"
            ) from None
        return result

    def _once(self, operation: Callable[[AbstractFileSystem], T]) -> T:
        try:
            if self._filesystem is None:
                with self._named():
                    self._filesystem = self._open()
            return operation(self._filesystem)
        except Interrupted:
            self._filesystem = None
            raise

    def _open(self) -> AbstractFileSystem:
        if self._place.scheme == "file":
            return LocalFileSystem()
        connection = self._provider.connection
        known = credentials.read(self._settings, connection) if connection else None
        if self._place.scheme == "s3":
            return s3.filesystem(known)
        if known is None:
            raise AccessRefused("an sftp:// uri needs a connection")
        return sftp.filesystem(self._place, known)

    def _named(self) -> AbstractContextManager[None]:
        return named(_FAILURES[self._place.scheme]())

    def _tell(self, state: RetryCallState) -> None:
        kind = state.outcome.exception() if state.outcome else None
        _LOG.info("%s: interrupted (%s); trying again", self._provider.name, kind)


_FAILURES: dict[str, Callable[[], Failures]] = {
    "file": Failures,
    "s3": s3.failures,
    "sftp": sftp.failures,
}


def _open_as(root: Path, folder: Path, file: Path) -> None:
    """Let all readers of a local folder read what was put below it."""
    mode = root.stat().st_mode & 0o777
    while folder != root:
        folder.chmod(mode)
        folder = folder.parent
    file.chmod(0o600 | mode & 0o044)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
