"""A PostgreSQL server of the distribution, for the tests that run on both stores."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _folder() -> Path | None:
    """Return the folder with `initdb`: on the path, or the newest one of the distribution."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin"),
              *Path("/opt/homebrew/opt").glob("postgresql*/bin")]  # fmt: skip
    there = [place for place in places if (place / "initdb").exists()]
    return max(there, key=lambda place: [int(d) for d in str(place).split("/") if d.isdigit()],
               default=None)  # fmt: skip


def _as_nobody(folder: Path) -> list[str]:
    """Return the prefix that runs a command as another user: the server refuses to run as root."""
    if os.geteuid():
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("PostgreSQL refuses to run as root and there is no setpriv")
    user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return [setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


@contextmanager
def server() -> Iterator[str]:
    """Start a server that listens on a socket in its folder; yield the URL of a database."""
    binaries = _folder()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed (initdb not found)")
    folder = Path(tempfile.mkdtemp(prefix="firmpulse-pg-"))
    before = _as_nobody(folder)
    cluster = folder / "data"

    def run(*command: str | Path) -> None:
        done = subprocess.run(  # noqa: S603 — our own command
            [*before, *command], cwd=folder, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    try:
        password = secrets.token_hex(16)
        told = folder / "password"
        told.write_text(password)
        told.chmod(0o644)
        run(
            binaries / "initdb", "-D", cluster, "-U", "firmpulse", "-A", "scram-sha-256",
            "--pwfile", told, "-N",
        )  # fmt: skip
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        run(binaries / "pg_ctl", "-D", cluster, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql://firmpulse:{password}@/postgres?host={folder}"
        finally:
            run(binaries / "pg_ctl", "-D", cluster, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
