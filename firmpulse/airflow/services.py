"""Starts, finds and stops the local servers; each has a separate session.

Airflow puts some of its children into separate process groups; all stay in the session.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped] # its stubs are a separate package

from firmpulse.errors import TaskFailed
from firmpulse.settings import Settings

_TERM_SECONDS = 20.0
_KILL_SECONDS = 5.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Service:
    """A running server."""

    name: str
    # Session, and id of its first process.
    session: int
    # When that process was made; a later process with the same id differs.
    created: float
    address: str


def start(
    settings: Settings, name: str, command: Sequence[str], env: Mapping[str, str], address: str
) -> Service:
    """Start `command` in a separate session; its output goes to logs/<name>.log."""
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    settings.logs_dir.mkdir(parents=True, exist_ok=True)
    with log_path(settings, name).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
            command,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
        )
    service = Service(name, process.pid, _created(process.pid) or 0.0, address)
    _pid_path(settings, name).write_text(json.dumps(asdict(service)), encoding="utf-8")
    return service


def wait_until(
    settings: Settings, service: Service, healthy: Callable[[], bool], seconds: float
) -> None:
    """Wait until `healthy` returns true.

    Raises:
        TaskFailed: the server ended or did not answer in time; the message names its log.
    """
    deadline = time.monotonic() + seconds
    while not healthy():
        if not is_running(settings, service.name):
            raise TaskFailed(
                f"{service.name} ended at once; see {log_path(settings, service.name)}"
            )
        if time.monotonic() > deadline:
            raise TaskFailed(
                f"{service.name} did not answer within {seconds:.0f} s; "
                f"see {log_path(settings, service.name)}"
            )
        time.sleep(_POLL_SECONDS)


def find(settings: Settings, name: str) -> Service | None:
    """Return the server `name` of this home folder if any of its processes is alive."""
    path = _pid_path(settings, name)
    if not path.exists():
        return None
    service = Service(**json.loads(path.read_text(encoding="utf-8")))
    created = _created(service.session)
    if created is not None and abs(created - service.created) > 1:
        return None  # another process has this id now
    return service if _members(service.session) else None


def is_running(settings: Settings, name: str) -> bool:
    """Return whether the server `name` of this home folder is alive."""
    return find(settings, name) is not None


def stop(settings: Settings, name: str) -> bool:
    """Stop the server's whole process group and remove its record; False if it was not running.

    Raises:
        TaskFailed: a process is still running after it was killed.
    """
    service = find(settings, name)
    if service is not None:
        _end(service)
    _pid_path(settings, name).unlink(missing_ok=True)
    return service is not None


def free_port(wanted: int, taken: Sequence[int] = ()) -> int:
    """Return `wanted`, or the next port above it that is free on 127.0.0.1."""
    for port in range(wanted, wanted + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in taken:
            return port
    raise TaskFailed(f"no free port between {wanted} and {wanted + 99}")


def log_path(settings: Settings, name: str) -> Path:
    """Return the file that a server writes to."""
    return settings.logs_dir / f"{name}.log"


def _pid_path(settings: Settings, name: str) -> Path:
    return settings.run_dir / f"{name}.json"


def _end(service: Service) -> None:
    for number, seconds in ((signal.SIGTERM, _TERM_SECONDS), (signal.SIGKILL, _KILL_SECONDS)):
        deadline = time.monotonic() + seconds
        for process in _members(service.session):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        while time.monotonic() < deadline:
            if not _members(service.session):
                return
            time.sleep(_POLL_SECONDS)
    raise TaskFailed(f"{service.name} left processes behind: {_members(service.session)}")


def _members(session: int) -> list[psutil.Process]:
    """Return the living processes of a session."""
    return [process for process in psutil.process_iter() if _is_in(process, session)]


def _is_in(process: psutil.Process, session: int) -> bool:
    try:
        return os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, PermissionError, psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _created(pid: int) -> float | None:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None
