"""A landing that is killed at any moment and run again ends as if nothing had happened."""

import multiprocessing
import random
import shutil
import time
from collections.abc import Iterator
from datetime import date
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from extracts import chunks, nightly
from firmpulse import warehouse
from firmpulse.settings import Settings
from tests.extracts.inbox import (
    AS_OF,
    OTHER,
    RETURN_HEADER,
    csv,
    deliver,
    payment,
    permit,
)
from tests.extracts.test_landing import INVOICE_HEADER, invoice, vat_return

KILLS = 30
ROWS = 120
_SPAWN = multiprocessing.get_context("forkserver")
_SPAWN.set_forkserver_preload(["tests.extracts.test_kill_landing"])


def fill(settings: Settings) -> None:
    """Deliver three tables in four deliveries with repeats, corrections and bad rows."""
    permit(settings)
    for night in range(2):
        day = date(2024, 3, 10 + night)
        payments = [
            payment(item=f"i{n}", amount=f"{n + night * (n % 7 == 0)}") for n in range(ROWS)
        ]
        stranger = payment(OTHER)
        files = {
            "a.csv": csv([*payments, payments[3], payment(amount="x")]),
            "b.csv": csv([*payments[:40], stranger]),
            "c.csv": csv([payment(item=f"{night}")], "nothing"),
        }
        deliver(settings, files, delivery_id=f"tax-{night}", delivered=day)
        invoices = [invoice("011", f"{n}", f"{n + night}.00") for n in range(ROWS)]
        deliver(
            settings,
            {f"{n}.csv": csv(invoices[n::3], INVOICE_HEADER) for n in range(3)},
            table="tax_invoice",
            delivery_id=f"tax-i{night}",
            delivered=day,
            kind="increment",
        )
    returns = csv([vat_return("2024-02-10", f"{n}.00", n) for n in (2, 1, 3)], RETURN_HEADER)
    deliver(settings, {"a.csv": returns}, table="tax_vat_return", delivery_id="tax-r")


def land(settings: Settings) -> None:
    """Land in small chunks, so that a delivery is stored in many transactions."""
    chunks.CHUNK_ROWS = 50
    nightly.land(settings, "tax", AS_OF)


def start(settings: Settings) -> BaseProcess:
    process = _SPAWN.Process(target=land, args=(settings,))
    process.start()
    return process


def state(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of the vault and of the warehouse's deliveries, without the time of day."""
    with warehouse.connect(settings, vault=True) as connection:
        tables = connection.execute(
            "select database_name, schema_name, table_name from duckdb_tables() "
            "where database_name in ('vault', 'warehouse') order by all"
        ).fetchall()
        return {
            ".".join(table): connection.execute(
                "select columns(c -> c <> 'landed_at')::varchar from "
                + ".".join(f'"{part}"' for part in table)
                + " order by all"
            ).fetchall()
            for table in tables
        }


def test_a_killed_landing_loses_and_doubles_nothing(settings: Settings, tmp_path: Path) -> None:
    fill(settings)
    untouched = shutil.copytree(settings.root, tmp_path / "untouched")
    begun = time.perf_counter()
    process = start(settings)
    process.join()
    seconds = time.perf_counter() - begun
    expected = state(settings)
    assert len(expected["vault.raw.tax_payment"]) == ROWS + 18
    assert len(expected["vault.raw.tax_invoice"]) == 2 * ROWS
    assert len(expected["vault.raw.tax_vat_return"]) == 3
    assert len(expected["vault.ops.quarantine"]) == 2
    rng, cut_short = random.Random(7), 0  # noqa: S311 — moments, not secrets
    for number in range(KILLS):
        shutil.rmtree(settings.root)
        shutil.copytree(untouched, settings.root)
        process = start(settings)
        process.join(rng.uniform(number, number + 1) / KILLS * seconds)
        process.kill()
        process.join()
        cut_short += process.exitcode != 0
        land(settings)
        assert state(settings) == expected
    # Else the landing is over before it is killed.
    assert cut_short > KILLS // 2


@pytest.fixture(autouse=True)
def _usual_chunks() -> Iterator[None]:
    usual = chunks.CHUNK_ROWS
    yield
    chunks.CHUNK_ROWS = usual
