import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import cycle
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from cli import app, main
from firmpulse import warehouse
from firmpulse.settings import Settings
from firmpulse.sources import SOURCES
from simulator import DeliveryCounts, Economy, deliver
from tests.extracts import inbox
from tests.homes import made_once

# Table → places in the turn of firms that it was never delivered of.
_GONE = {
    "tax_invoice": (0, 7), "tax_vat_return": (1,), "tax_payment": (2, 7), "bank_txn": (3,),
    "sc_order": (4,), "power_bill": (5,), "tax_registration": (6,), "sc_receivable": (8,),
}  # fmt: skip
# Places of the firms whose power provider does not say when a bill was paid, and of those whose
# bank gives no word about the bookings of the last three months.
_UNTOLD, _WORDLESS, _TURN = 9, 10, 16


@dataclass(frozen=True)
class Nights:
    """A home folder after the first night, the next night and its repetition."""

    settings: Settings
    first: date
    second: date
    counts: DeliveryCounts
    # Lines of the file of grants, which leaves the inbox.
    grants: tuple[str, ...]
    # Table → count and checksum of its rows, before the repetition and after it.
    once: dict[str, tuple[int, int | None]]
    repeated: dict[str, tuple[int, int | None]]


@pytest.fixture(scope="session")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Return a home with two nights of a small simulated economy, run through the real DAG."""
    settings, made = made_once(tmp_path_factory, "nights", _two_nights)
    return replace(made, settings=settings)


def _two_nights(settings: Settings) -> Nights:
    economy = Economy(firms=60, months=16)
    first, second = economy.last_day, economy.last_day + timedelta(days=1)
    counts = deliver(economy, settings.inbox, through=first)
    lines = (settings.inbox / "consent" / "grants.jsonl").read_text("utf-8").splitlines()
    with _process_of(settings) as run:
        run("night", "--as-of", first.isoformat())
        deliver(economy, settings.inbox, through=second, since=first)
        run("night", "--as-of", second.isoformat())
        once = checksums(settings)
        run("night", "--as-of", second.isoformat())
    repeated = checksums(settings)
    return Nights(settings, first, second, counts, tuple(lines), once, repeated)


def checksums(settings: Settings) -> dict[str, tuple[int, int | None]]:
    """Return count and checksum of the rows of every table with rows of firms."""
    with warehouse.connect(settings, vault=True) as connection:
        tables = connection.execute(
            "select database_name, schema_name, table_name from duckdb_tables() "
            "where list_contains(?, schema_name) order by all",
            [["raw", "staging", "facts", "features", "labels", "watch"]],
        ).fetchall()
        return {
            f"{database}.{schema}.{table}": connection.execute(
                f"select count(*), bit_xor(hash(t)) from {database}.{schema}.{table} as t"
            ).fetchall()[0]
            for database, schema, table in tables
        }


@contextmanager
def _process_of(settings: Settings) -> Iterator[Callable[..., None]]:
    """Yield what runs commands of a home one after the other in one process of their own.

    Airflow binds its database once per process; here it is the one of this home folder.
    """
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawned) as process:
        yield lambda *arguments: process.submit(_main, settings, *arguments).result()


def _main(settings: Settings, *arguments: str) -> None:
    os.environ["FIRMPULSE_HOME"] = str(settings.root)
    with patch("sys.argv", ["firmpulse", *arguments]), pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code


def command(settings: Settings, *arguments: str) -> str:
    """Run a command in this process and return what it printed.

    Airflow keeps the database of the first home of this process, which is nothing to the command.
    """
    result = CliRunner().invoke(app, list(arguments), env={"FIRMPULSE_HOME": str(settings.root)})
    if result.exception is not None:
        raise result.exception
    return result.output


def firmpulse(settings: Settings, *arguments: str) -> str:
    """Run a command as a person does, in a process of its own, and return what it printed."""
    result = subprocess.run(  # noqa: S603 - our own command
        [Path(sys.executable).with_name("firmpulse"), *arguments],
        env=os.environ | {"FIRMPULSE_HOME": str(settings.root)},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data; tests that use it are skipped where it is absent."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real data is not beside this checkout")
    return folder


@dataclass(frozen=True)
class Assessed:
    """A home folder whose firms are scored, warned and published by a model trained on them."""

    settings: Settings
    as_of: date
    economy: Economy


@pytest.fixture(scope="session")
def assessed(tmp_path_factory: pytest.TempPathFactory) -> Assessed:
    """Return an assessed home of a small simulated economy.

    It has firms of all industries, thin ones, and ones that tables are missing of. Its model is
    weak, and made champion without its gates.
    """
    settings, made = made_once(tmp_path_factory, "assessed", _assess)
    return replace(made, settings=settings)


def _assess(settings: Settings) -> Assessed:
    """Land, build, train, score and publish."""
    from consent import intake
    from extracts.vault import nightly
    from features.build import build
    from scoring import batch, hidden_champions, publish, touched
    from scoring.warnings import night
    from training import pipeline, versions
    from training.config import DEFAULT

    economy = Economy(firms=215, months=36)
    day = economy.last_day
    deliver(economy, settings.inbox, through=day)
    intake.import_night(settings)
    for source in SOURCES:
        nightly.land(settings, source, day)
    _spoil(settings, day)
    build(settings, day, "all")
    pipeline.sample(settings, day)
    config = replace(DEFAULT, trials=0, bootstrap_draws=50, segment_draws=20)
    fitted = pipeline.fit_candidate(settings, day, config)
    # Bypasses the gates, which so few firms would not pass.
    versions.make_champion(settings, fitted.version, "Li Wei")
    batch.score(settings, day)
    night.warn(settings, day)
    hidden_champions.find(settings, day)
    publish.publish(settings, day)
    touched.settle(settings, touched.newest(settings))
    return Assessed(settings, day, economy)


def _spoil(settings: Settings, day: date) -> None:
    """Take tables away, and let a second bureau deliver arrears and violations of some firms."""
    from extracts.vault import nightly

    with warehouse.connect(settings, vault=True) as connection:
        found = connection.execute("select distinct firm from vault.raw.tax_invoice order by all")
        codes = [firm.removeprefix("uscc:") for (firm,) in found.fetchall()]
    tables = {
        "tax_grade": ("纳税人识别号,评价年度,信用等级,公布日期",
                      [f"{code},2025,{grade},2026-04-20"
                       for code, grade in zip(codes[::4], cycle("ABMCD"), strict=False)]),
        "tax_arrears": ("纳税人识别号,征收项目,所属期起,欠税额,欠税发生日期,清缴日期",
                        [f"{code},增值税,2026-05-01,5000.00,2026-06-16," for code in codes[::16]]),
        "tax_violation": ("纳税人识别号,违法类型,登记日期,处理状态,稽查标志",
                          [f"{code},逾期申报,2026-03-02,已处理,否" for code in codes[::24]]),
    }  # fmt: skip
    for table, (header, rows) in tables.items():
        inbox.deliver(
            settings, {"a.csv": inbox.csv(rows, header)}, table=table,
            delivery_id=f"second-{table}", provider="sim-second-bureau", delivered=day,
        )  # fmt: skip
    nightly.land(settings, "tax", day)
    turn = f"cast('0x' || substr(md5(firm), 1, 4) as bigint) % {_TURN}"
    with warehouse.connect(settings, vault=True) as connection:
        for table, places in _GONE.items():
            gone = f"from vault.raw.{table} where {turn} in {(*places, -1)}"
            # What is masked is less by as many.
            connection.execute(
                f"insert into warehouse.ops.erased_deliveries by name select delivery_seq, "
                f"count(*) as rows {gone} group by delivery_seq "
                "on conflict do update set rows = erased_deliveries.rows + excluded.rows"
            )
            connection.execute(f"delete {gone}")
        connection.execute(
            f"update vault.raw.power_bill set paid_at = null where {turn} = {_UNTOLD}"
        )
        connection.execute(
            "update vault.raw.bank_txn set summary = '转账', purpose = null, channel = null "
            f"where {turn} = {_WORDLESS} and booked_at > cast(? as date) - interval 3 month",
            [day],
        )
