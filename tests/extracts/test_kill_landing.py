"""A landing killed at any moment and run again ends as if nothing had happened."""

import contextlib
import multiprocessing
import os
import pkgutil
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from extracts.reading import chunks
from extracts.vault import nightly
from firmpulse import warehouse
from firmpulse.settings import Settings
from tests.extracts.inbox import AS_OF, OTHER, csv, deliver, payment, permit
from tests.extracts.test_landing import INVOICE_HEADER, invoice
from tests.sizes import sized

pytestmark = pytest.mark.slow

State = dict[str, list[tuple[object, ...]]]

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.extracts.test_kill_landing"])


@dataclass(frozen=True)
class Strike:
    """A process kills itself right before, or right after, a call of a function."""

    function: str
    call: int
    is_before: bool = False


# Four files of payments are a chunk each, then four of the next delivery, then two of invoices.
_STRIKES = (
    Strike("extracts.vault.landing:store", 1),
    Strike("extracts.vault.landing:store", 3),
    Strike("extracts.vault.landing:store", 4),
    Strike("extracts.vault.landing:store", 5),
    Strike("extracts.vault.landing:store", 7),
    Strike("extracts.vault.landing:store", 9),
    # A chunk is written and not yet committed.
    Strike("extracts.vault.versions:store_first", 6),
    # Restated and repeated rows of a table are stored, its record is not.
    Strike("extracts.vault.landing:finish", 2),
    # The delivery's record is to be written, and is written and not yet committed.
    Strike("extracts.vault.delivery:record_landed", 1, is_before=True),
    Strike("extracts.vault.delivery:record_landed", 2),
    # It has just become valid.
    Strike("extracts.vault.records:forget_refusal", 1, is_before=True),
    Strike("extracts.vault.records:forget_refusal", 3, is_before=True),
    Strike("extracts.vault.records:publish", 1, is_before=True),
    # The inbox is to be cleared, and is cleared in part.
    Strike("extracts.vault.records:publish", 1),
    Strike("consent.audit:append_many", 2),
    Strike("extracts.vault.nightly:_clear", 1),
    # After one call when the landing begins and one per delivery that was read.
    Strike("shutil:rmtree", 5, is_before=True),
    Strike("shutil:rmtree", 6),
)


_ROWS = {
    "vault.raw.tax_payment": 60 + 9,
    "vault.raw.tax_invoice": 20,
    "vault.ops.quarantine": 2 * 4 * 2 + 2,
    "vault.ops.landed": 3,
    "warehouse.ops.deliveries": 3,
}


def _wrap(function: str, after: Callable[[], None], before: Callable[[], None]) -> None:
    module, _, name = function.rpartition(":")
    *owners, last = name.split(".")
    owner = pkgutil.resolve_name(":".join([module, ".".join(owners)]) if owners else module)
    original = getattr(owner, last)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        before()
        result = original(*args, **kwargs)
        after()
        return result

    setattr(owner, last, wrapped)


def _arm(strike: Strike) -> None:
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1
        if calls == strike.call:
            os.kill(os.getpid(), signal.SIGKILL)

    def nothing() -> None:
        pass

    _wrap(strike.function, *((nothing, count) if strike.is_before else (count, nothing)))


def _land(settings: Settings, strike: Strike | None, commits: Connection) -> None:
    """Land in a separate process, each file as a chunk; report the time of each commit."""
    chunks.CHUNK_ROWS = 1
    for function in (
        "extracts.vault.landing:store",
        "extracts.vault.landing:finish",
        "extracts.vault.records:publish",
    ):
        _wrap(function, lambda: commits.send(time.monotonic()), lambda: None)
    if strike:
        _arm(strike)
    nightly.land(settings, "tax", AS_OF)


def _start(settings: Settings, strike: Strike | None = None) -> tuple[BaseProcess, Connection]:
    heard, told = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_land, args=(settings, strike, told))
    process.start()
    told.close()
    return process, heard


def _undisturbed(settings: Settings) -> float:
    """Land; return the seconds between the first and the last commit."""
    process, commits = _start(settings)
    times: list[float] = []
    with commits, contextlib.suppress(EOFError):
        while True:
            times.append(commits.recv())
    process.join()
    assert process.exitcode == 0
    assert len(times) == 14
    return times[-1] - times[0]


def _strike(settings: Settings, strike: Strike) -> None:
    process, commits = _start(settings, strike)
    process.join()
    commits.close()
    assert process.exitcode == -signal.SIGKILL, strike


def _kill_after(settings: Settings, seconds: float) -> None:
    """Kill a landing this many seconds after its first commit, unless it is over by then."""
    process, commits = _start(settings)
    with commits:
        commits.recv()
        process.join(seconds)
        process.kill()
        process.join()


def _fill(settings: Settings) -> None:
    """Deliver three times, with repeats and corrections, and a bad row in every file."""
    permit(settings)
    for night in range(2):
        payments = [payment(item=f"i{n}", amount=f"{n + night * (n % 7 == 0)}") for n in range(60)]
        files = {
            f"{n}.csv": csv([*payments[n::4], payments[n + 1], payment(OTHER), "nothing", "x"])
            for n in range(4)
        }
        day = date(2024, 3, 10 + night)
        deliver(settings, files, delivery_id=f"tax-{night}", delivered=day)
    invoices = [invoice("011", f"{n}", f"{n}.00") for n in range(20)]
    files = {f"{n}.csv": csv([*invoices[n::2], "nothing"], INVOICE_HEADER) for n in range(2)}
    deliver(settings, files, table="tax_invoice", delivery_id="tax-2", kind="increment")


def _copy(origin: Settings, folder: Path) -> Settings:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(origin.root, folder)
    return Settings(home=folder, memory_limit="2GB")


def _state(settings: Settings) -> State:
    """Return the vault, the warehouse's deliveries and the inbox, without the time of day."""
    with warehouse.connect(settings, vault=True) as connection:
        tables = connection.execute(
            "select database_name, schema_name, table_name from duckdb_tables() "
            "where database_name = 'vault' or table_name = 'deliveries' order by all"
        ).fetchall()
        found: State = {
            ".".join(table): connection.execute(
                "select columns(c -> c <> 'landed_at')::varchar from "
                + ".".join(f'"{part}"' for part in table)
                + " order by all"
            ).fetchall()
            for table in tables
        }
    inbox = [path for path in settings.inbox.rglob("*") if path != settings.inbox / "tax"]
    return {**found, "inbox": sorted((str(path),) for path in inbox)}


@pytest.fixture
def origin(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return a home folder in which three deliveries wait."""
    # Threads read the files of one chunk in any order, from which row_id follows.
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 1)
    _fill(settings)
    return settings


def test_a_killed_landing_loses_and_doubles_nothing(origin: Settings, tmp_path: Path) -> None:
    undisturbed = _copy(origin, tmp_path / "undisturbed")
    seconds = _undisturbed(undisturbed)
    expected = _state(undisturbed)
    assert {name: len(rows) for name, rows in expected.items() if name in _ROWS} == _ROWS
    assert expected["inbox"] == []

    draw = random.Random(20261123)  # noqa: S311 — moments, not secrets
    moments = sorted(draw.uniform(0, seconds) for _ in range(sized(1, 10)))
    for kill in (*_STRIKES[:: sized(6, 1)], *moments):
        home = _copy(origin, tmp_path / "killed")
        if isinstance(kill, Strike):
            _strike(home, kill)
        else:
            _kill_after(home, kill)
        nightly.land(home, "tax", AS_OF)
        assert _state(home) == expected, kill


def test_nothing_stays_of_a_delivery_that_is_withdrawn_after_a_kill(
    origin: Settings, tmp_path: Path
) -> None:
    home = _copy(origin, tmp_path / "killed")
    _strike(home, Strike("extracts.vault.landing:store", 3))
    for settings in (home, origin):
        shutil.rmtree(settings.inbox / "tax" / "tax-0")
        nightly.land(settings, "tax", AS_OF)
    assert _state(home) == _state(origin)
