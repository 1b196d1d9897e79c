"""An erasure killed at any moment and run again ends as if nothing had happened."""

import random
import shutil
import signal
import time
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import polars as pl
import pytest

from consent.ledger import Ledger
from erasure import honour
from firmpulse import warehouse
from tests.erasure.conftest import Home, copy
from tests.sizes import sized

pytestmark = pytest.mark.slow

_GONE = 5
# These differ from run to run: times and durations.
_CLOCKS = ("at", "started_at", "seconds", "landed_at", "checked_at")


def _state(home: Home) -> dict[str, pl.DataFrame | str]:
    """Return the content of both files and the certificates, without clocks."""
    found: dict[str, pl.DataFrame | str] = {}
    with warehouse.connect(home.settings, vault=True) as connection:
        for database, schema, table in connection.execute(
            "select database_name, schema_name, table_name from duckdb_tables() "
            "where database_name in ('vault', 'warehouse') and table_name <> 'steps' order by all"
        ).fetchall():
            name = f'{database}.{schema}."{table}"'
            found[name] = str(
                connection.execute(
                    f"select count(*), bit_xor(hash(t)) from "
                    f"(select columns(c -> not list_contains(?, c)) from {name}) as t",
                    [list(_CLOCKS)],
                ).fetchall()
            )
    ledger = Ledger(home.settings)
    for firm_id in list(home.firms)[:_GONE]:
        for certificate in ledger.certificates(firm_id):
            found[f"certificate of {firm_id}"] = str(
                (certificate.certificate_id, sorted(certificate.deleted.items()))
            )
    return found


def _start(home: Home) -> BaseProcess:
    """Start an erasure in a process that has everything imported and no thread yet."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["erasure.honour"])
    process = context.Process(target=honour.honour, args=(home.settings, home.next_day))
    process.start()
    return process


@pytest.fixture(scope="module")
def revoked(origin: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Return a home folder in which five firms have withdrawn and nothing is erased yet."""
    home = copy(origin, tmp_path_factory.mktemp("kill") / "home")
    for firm_id in list(home.firms)[:_GONE]:
        Ledger(home.settings).revoke(firm_id, on=home.next_day, actor="test")
    return home


def test_killed_at_any_moment(revoked: Home, tmp_path: Path) -> None:
    undisturbed = copy(revoked, tmp_path / "undisturbed")
    _start(copy(revoked, tmp_path / "warm")).join()
    began = time.monotonic()
    process = _start(undisturbed)
    process.join()
    seconds = time.monotonic() - began
    assert process.exitcode == 0
    expected = _state(undisturbed)
    assert len([name for name in expected if name.startswith("certificate")]) == _GONE

    draw = random.Random(20261123)  # noqa: S311 - moments, not secrets
    killed = 0
    while killed < sized(1, 10):
        home = copy(revoked, tmp_path / "killed")
        process = _start(home)
        waited = draw.uniform(0, seconds)
        time.sleep(waited)
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            killed += 1
        else:
            # It had already ended: the undisturbed run was slower than this one.
            seconds = waited
        honour.honour(home.settings, home.next_day)
        assert _state(home) == expected, f"kill {killed} after {waited:.3f} s"
        leftovers = [path.name for path in home.settings.root.rglob("*.next*")]
        assert leftovers == []
        shutil.rmtree(tmp_path / "killed")
