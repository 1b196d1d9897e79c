"""The control store: made by migrations, on either engine, by the first process."""

import multiprocessing
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from consent import audit, store
from consent.ledger import Ledger
from consent.tables import APPEND_ONLY, METADATA
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings
from tests.consent.test_ledger import DAY, grant, token_of

FOLDER = Path(store.__file__).parent / "migrations"


def test_migrations_make_the_tables_of_the_metadata(store_settings: Settings) -> None:
    with store.reading(store_settings) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        tables = set(sa.inspect(connection).get_table_names())
    assert tables == {*METADATA.tables, "alembic_version"}


def test_head_is_the_newest_migration() -> None:
    assert ScriptDirectory(str(FOLDER)).get_current_head() == store.HEAD


def test_an_open_store_costs_milliseconds(settings: Settings) -> None:
    ledger = Ledger(settings)
    ledger.live(DAY)
    best = min(_seconds(lambda: ledger.live(DAY)) for _ in range(5))
    assert best < 0.1


def _seconds(work: object) -> float:
    started = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - started


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("verb", ["update", "delete"])
def test_nobody_changes_what_is_only_added_to(
    store_settings: Settings, table: str, verb: str
) -> None:
    ledger = Ledger(store_settings)
    ledger.record([grant()])
    _certify(ledger, store_settings)
    column = METADATA.tables[table].columns.keys()[-1]
    statement = f"update {table} set {column} = 'x'" if verb == "update" else f"delete from {table}"
    with (
        pytest.raises(sa.exc.DBAPIError, match=f"rows of {table} are never changed"),
        store.writing(store_settings) as connection,
    ):
        connection.execute(sa.text(statement))


def _certify(ledger: Ledger, settings: Settings) -> None:
    from consent.certificates import Certificate

    ledger.certify(
        Certificate(token_of(settings), DAY, ("A-1",), ("tax",), "all", {"vault.raw.t": 1})
    )


def _first_use(settings: Settings, barrier: object, number: int) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    Ledger(settings).record([grant(number)])


def test_first_use_by_several_processes_makes_one_store(store_settings: Settings) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    workers = [
        context.Process(target=_first_use, args=(store_settings, barrier, number))
        for number in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    assert Ledger(store_settings).live(DAY).height == 4
    assert audit.verify(store_settings).ok


def test_a_store_without_migrations_is_not_touched(settings: Settings) -> None:
    path = settings.root / "control" / "control.db"
    path.parent.mkdir(parents=True)
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(sa.text("create table grants (x integer)"))
    with pytest.raises(ConfigurationError, match="no migration made"):
        Ledger(settings).live(DAY)


def test_a_store_of_a_newer_version_is_not_touched(settings: Settings) -> None:
    Ledger(settings).live(DAY)
    with store.writing(settings) as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="a newer Firmpulse"):
        Ledger(settings).live(DAY)


def test_a_store_that_cannot_be_reached_says_so_without_its_address(settings: Settings) -> None:
    url = "postgresql://somebody:secret@127.0.0.1:9/nothing"
    unreachable = settings.model_copy(update={"control_url": url})
    with pytest.raises(ConfigurationError, match="FIRMPULSE_CONTROL_URL") as error:
        Ledger(unreachable).live(DAY)
    assert "secret" not in str(error.value)
    with pytest.raises(ConfigurationError, match="SQLite or PostgreSQL"):
        Ledger(settings.model_copy(update={"control_url": "mysql://x/y"})).live(DAY)
