import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from firmpulse.airflow import services
from firmpulse.errors import TaskFailed
from firmpulse.settings import Settings

# A server with a child in a separate process group, as Airflow's are; both ignore TERM.
STUBBORN = (
    "import os, signal, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "if os.fork() == 0:\n"
    "    os.setpgid(0, 0)\n"
    "time.sleep(120)\n"
)


def start(settings: Settings, code: str, name: str = "server") -> services.Service:
    command = [sys.executable, "-c", code]
    return services.start(settings, name, command, {"ANSWER": "42"}, "http://127.0.0.1:1")


def wait_for_members(session: int, count: int) -> list[int]:
    for _ in range(100):
        found = [pid for pid in psutil.pids() if psutil.pid_exists(pid) and sid(pid) == session]
        if len(found) == count:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{found} instead of {count} processes")


def sid(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def test_a_server_is_found_until_it_is_stopped(settings: Settings) -> None:
    assert services.find(settings, "server") is None
    started = start(
        settings, "import os, time; print(os.environ['ANSWER'], flush=True); time.sleep(120)"
    )

    assert services.find(settings, "server") == started
    services.wait_until(
        settings, started, lambda: services.log_path(settings, "server").read_text() == "42\n", 20
    )
    assert services.stop(settings, "server") is True
    assert services.stop(settings, "server") is False
    assert not services.is_running(settings, "server")
    assert list(settings.run_dir.iterdir()) == []


def test_no_process_is_left_even_of_a_server_that_ignores_the_request(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "_TERM_SECONDS", 0.5)
    started = start(settings, STUBBORN)
    processes = wait_for_members(started.session, 2)

    assert services.stop(settings, "server") is True

    alive = [pid for pid in processes if psutil.pid_exists(pid)]
    assert all(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE for pid in alive)


def test_a_process_that_took_over_the_number_is_left_alone(settings: Settings) -> None:
    stranger = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    )
    settings.run_dir.mkdir(parents=True)
    record = f'{{"name": "server", "session": {stranger.pid}, "created": 1.0, "address": ""}}'
    (settings.run_dir / "server.json").write_text(record)
    try:
        assert services.stop(settings, "server") is False
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.communicate()


def test_a_server_that_ends_at_once_is_told_with_its_log(settings: Settings) -> None:
    started = start(settings, "raise SystemExit('no such port')")

    with pytest.raises(TaskFailed, match=r"server ended at once; see .*server\.log"):
        services.wait_until(settings, started, lambda: False, 20)
    services.stop(settings, "server")


def test_a_taken_port_gives_the_next_one(tmp_path: Path) -> None:
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        port = occupied.getsockname()[1]

        assert services.free_port(port) > port
    assert services.free_port(port) == port
    assert services.free_port(port, taken=[port]) > port


def test_what_a_server_writes_is_for_its_owner(settings: Settings) -> None:
    written = settings.root / "written"
    service = services.start(settings, "writer", ["touch", str(written)], {}, "")
    for _ in range(100):
        if written.exists():
            break
        time.sleep(0.1)
    services.stop(settings, service.name)

    assert written.stat().st_mode & 0o777 == 0o600
