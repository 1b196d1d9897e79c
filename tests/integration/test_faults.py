"""A night under all kinds of faults: its messages, and that nothing is lost.

The table in docs/faults.md lists the same, and how to kill more often.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from firmpulse import warehouse
from firmpulse.settings import Settings
from simulator import deliver
from tests.homes import copied
from tests.integration.conftest import Assessed, command
from tests.sizes import exhaustive, sized

pytestmark = pytest.mark.slow

State = dict[str, list[tuple[object, ...]]]

_HALF = "tax-half"
# A shared library that sets the clock of a process ahead of the machine's.
_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += SHIFT;
    return result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    int result = clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return result;
}
time_t time(time_t *now) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}
"""


@dataclass(frozen=True)
class Waiting:
    """A home with a night's waiting deliveries, and the result of an undisturbed night."""

    settings: Settings
    night: date
    before: State
    after: State
    # Seconds of the undisturbed night.
    seconds: float


@pytest.fixture(scope="module")
def waiting(assessed: Assessed, tmp_path_factory: pytest.TempPathFactory) -> Waiting:
    """Return a home with a champion, before the night that is disturbed."""
    night = assessed.as_of + timedelta(days=1)
    settings = copied(assessed.settings, tmp_path_factory.mktemp("waiting") / "home")
    deliver(assessed.economy, settings.inbox, through=night, since=assessed.as_of)
    undisturbed = copied(settings, tmp_path_factory.mktemp("undisturbed") / "home")
    began = time.monotonic()
    done = _night(undisturbed, night)
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    before, after = _published(settings), _published(undisturbed)
    assert {as_of for as_of, _ in after["nights"]} - {as_of for as_of, _ in before["nights"]}
    return Waiting(settings, night, before, after, seconds)


def _command(night: date) -> list[str]:
    program = Path(sys.executable).with_name("firmpulse")
    return [str(program), "night", "--as-of", night.isoformat()]


def _environment(settings: Settings, more: dict[str, str] | None = None) -> dict[str, str]:
    ours = {"FIRMPULSE_HOME": str(settings.root), "FIRMPULSE_MEMORY_LIMIT": "2GB"}
    return os.environ | ours | {"COLUMNS": "200"} | (more or {})


def _night(
    settings: Settings, night: date, more: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the night like a person, and return how it ended."""
    return subprocess.run(  # noqa: S603 - our own command
        _command(night),
        env=_environment(settings, more),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def _start(settings: Settings, night: date) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own command
        _command(night),
        env=_environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _kill(process: subprocess.Popen[str]) -> bool:
    """Kill a run with all its children; return whether it was still running."""
    at_work = process.poll() is None
    if at_work:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return at_work


def _published(settings: Settings) -> State:
    """Return what analysts read, without the time of day."""
    with warehouse.connect_published(settings) as connection:
        tables = connection.execute(
            "select table_name from duckdb_tables() "
            "where table_name not in ('run_nodes', 'run_steps') order by all"
        ).fetchall()
        found: State = {}
        for (table,) in tables:
            columns = connection.execute(
                "select column_name from duckdb_columns() where table_name = ? "
                "and data_type not like 'TIMESTAMP%' order by column_index",
                [table],
            ).fetchall()
            listed = ", ".join(f'"{name}"' for (name,) in columns)
            found[str(table)] = connection.execute(
                f"select {listed} from {table} order by all"
            ).fetchall()
        found["nights"] = connection.execute(
            "select as_of, count(*) from scores group by as_of order by as_of"
        ).fetchall()
    return found


@contextmanager
def _an_analyst_reads(waiting: Waiting, settings: Settings) -> Iterator[None]:
    """Read the published file again and again; each time it is one complete night or the next."""
    complete = (waiting.before["nights"], waiting.after["nights"])
    seen: list[object] = []
    over = threading.Event()

    def read() -> None:
        while not over.wait(0.2):
            with warehouse.connect_published(settings) as connection:
                seen.append(
                    connection.execute(
                        "select as_of, count(*) from scores group by as_of order by as_of"
                    ).fetchall()
                )

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert len(seen) > 1
    assert all(nights in complete for nights in seen)


def _ends_well(waiting: Waiting, settings: Settings, more: dict[str, str] | None = None) -> None:
    if more is None:
        command(settings, "night", "--as-of", waiting.night.isoformat())
    else:
        done = _night(settings, waiting.night, more)
        assert done.returncode == 0, done.stdout + done.stderr
    found = _published(settings)
    # Its incompleteness is reported beside the night's own deliveries.
    for table in ("data_quality", "delivery_problems"):
        found[table] = [row for row in found[table] if _HALF not in row]
    assert found == waiting.after


def test_killed_at_random_moments_the_next_run_ends_as_if_nothing_had_happened(
    waiting: Waiting, tmp_path: Path
) -> None:
    draw = random.Random(20261126)  # noqa: S311 - moments, not secrets
    killed = 0
    while killed < sized(1, 10):
        settings = copied(waiting.settings, tmp_path / f"killed-{killed}")
        moment = draw.uniform(0, waiting.seconds)
        with _an_analyst_reads(waiting, settings):
            process = _start(settings, waiting.night)
            time.sleep(moment)
            killed += _kill(process)
            assert _published(settings) in (waiting.before, waiting.after), f"killed at {moment}"
            _ends_well(waiting, settings)
        print(f"kill {killed} after {moment:.1f} of {waiting.seconds:.1f} s: equal")
        shutil.rmtree(settings.root)


@exhaustive(
    "each fault in tests/kernel/test_envelope.py, tests/extracts/test_full_disk.py, "
    "tests/extracts/test_damaged_vault.py, tests/dags/test_homelock.py, tests/cli/test_dates.py"
)
def test_one_fault_after_the_other_and_then_a_good_night(waiting: Waiting, tmp_path: Path) -> None:
    with _disk(tmp_path / "disk") as resize:
        settings = copied(waiting.settings, tmp_path / "disk" / "home")
        with _an_analyst_reads(waiting, settings):
            _befall(waiting, settings, resize)
            _ends_well(waiting, settings, _clock_ahead(tmp_path, days=400))


def _befall(waiting: Waiting, settings: Settings, resize: Callable[[str], None] | None) -> None:
    _a_key_is_missing(settings, waiting.night)
    _the_disk_is_full(settings, waiting.night, resize)
    _a_page_of_the_vault_is_damaged(settings, waiting.night)
    _two_at_once(settings, waiting.night)
    _a_delivery_is_half_there(settings)
    _providers_are_down(settings)
    assert _published(settings) == waiting.before


def _refused(settings: Settings, night: date, says: str) -> None:
    done = _night(settings, night)
    assert done.returncode == 1
    assert says in " ".join(done.stderr.split()), done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def _a_key_is_missing(settings: Settings, night: date) -> None:
    key = settings.keys_dir / "vault_key"
    kept = key.rename(settings.root.parent / "vault_key")
    _refused(settings, night, "vault_key")
    assert not key.exists()
    kept.rename(key)


@contextmanager
def _disk(folder: Path) -> Iterator[Callable[[str], None] | None]:
    """Mount a separate disk at a folder; yield a function that sets its size, or None."""
    folder.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=4g", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:  # noqa: S603
        yield None
        return

    def resize(size: str) -> None:
        options = ["-o", f"remount,size={size}"]
        subprocess.run([str(mount), *options, str(folder)], check=True)  # noqa: S603

    try:
        yield resize
    finally:
        subprocess.run([str(unmount), str(folder)], check=True)  # noqa: S603


def _the_disk_is_full(
    settings: Settings, night: date, resize: Callable[[str], None] | None
) -> None:
    if resize is None:
        return
    used = shutil.disk_usage(settings.root).used
    resize(f"{used // 1024 + 600}k")
    _refused(settings, night, "make room on its disk")
    resize("4g")


def _a_page_of_the_vault_is_damaged(settings: Settings, night: date) -> None:
    path = settings.vault_path
    whole = path.read_bytes()
    with path.open("r+b") as file:
        for start in range(1 << 15, len(whole) - 64, 1 << 18):
            file.seek(start)
            file.write(bytes(byte ^ 0xFF for byte in whole[start : start + 64]))
    _refused(settings, night, "is damaged")
    path.write_bytes(whole)


def _two_at_once(settings: Settings, night: date) -> None:
    first = _start(settings, night)
    while not (settings.root / "run.lock").exists():
        time.sleep(0.1)
    time.sleep(5)
    _refused(settings, night, "another run works on this home folder")
    assert _kill(first)


def _a_delivery_is_half_there(settings: Settings) -> None:
    """Its files are still being uploaded: there is no manifest yet."""
    folder = settings.inbox / "tax" / _HALF
    folder.mkdir(parents=True)
    (folder / "invoices.csv").write_text("开票日期,金额\n2026-08-", encoding="utf-8")


def _providers_are_down(settings: Settings) -> None:
    (settings.root / "providers.yml").write_text(
        "version: 1\nproviders:\n"
        "  - {name: gone, source: tax, uri: file:///nowhere/at/all, attempts: 1}\n"
        "  - {name: shut, source: bank, uri: 's3://nobody/there', attempts: 1}\n",
        encoding="utf-8",
    )


def _clock_ahead(folder: Path, days: int) -> dict[str, str]:
    """Return the variables under which a process sees a later day; none without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return {}
    source, library = folder / "clock.c", folder / "clock.so"
    source.write_text(_CLOCK, encoding="utf-8")
    subprocess.run(  # noqa: S603 - the machine's own compiler
        [compiler, "-shared", "-fPIC", f"-DSHIFT={days * 86_400}", "-o", library, source, "-ldl"],
        check=True,
    )
    variables = {"LD_PRELOAD": str(library)}
    code = "import datetime, time; print(time.time(), datetime.datetime.now().timestamp())"
    told = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", code],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(float(text) > time.time() + (days - 1) * 86_400 for text in told.stdout.split())
    return variables
