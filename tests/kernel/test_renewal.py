"""A renewal keeps exactly the live data, even if interrupted."""

import multiprocessing
import random
import secrets
import signal
import time
from pathlib import Path

import duckdb
import pytest

from firmpulse import warehouse
from firmpulse.errors import RenewalFailed
from firmpulse.keys import envelope, keyring, renewal
from firmpulse.keys.envelope import DataKey
from firmpulse.settings import Settings
from tests.sizes import sized


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """Return the settings of a home whose vault has one object of every kind."""
    with warehouse.connect(settings, vault=True, warehouse=False) as connection:
        connection.execute("use vault.raw")
        for statement in (
            "create table parents (id integer primary key)",
            "create table children (parent integer references parents (id), name varchar)",
            "create table accounts ("
            "id bigint primary key, firm uuid not null, amount decimal(18, 2) default 3, "
            "name varchar check (len(name) < 9), unique (firm))",
            "comment on table accounts is 'One row per account; the firm''s own'",
            "comment on column accounts.amount is 'CNY'",
            "create index by_name on accounts (name)",
            "create view rich as select * from accounts where amount > 2",
            "comment on view rich is 'Those with money'",
            "create sequence numbers",
            "create macro twice(x) as 2 * x",
            "create type colour as enum ('red', 'green')",
            "insert into parents values (1)",
            "insert into children values (1, 'only')",
            "insert into accounts select i, uuid(), i, 'n' || i from range(30_000) as t (i)",
        ):
            connection.execute(statement)
        connection.execute("use memory")
    return settings


def content(settings: Settings) -> list[list[tuple[object, ...]]]:
    """Return rows in order, and the whole catalogue."""
    queries = (
        "from vault.raw.accounts",
        "from vault.raw.children",
        "select schema_name, table_name, sql, comment from duckdb_tables() "
        "where database_name = 'vault' order by all",
        "select table_name, constraint_text from duckdb_constraints() "
        "where database_name = 'vault' order by all",
        "select column_name, comment from duckdb_columns() "
        "where database_name = 'vault' and not internal order by all",
        "select view_name, sql, comment from duckdb_views() "
        "where database_name = 'vault' and not internal",
        "select index_name, sql from duckdb_indexes() where database_name = 'vault'",
        "select vault.raw.twice(4), count(*) from vault.raw.rich",
        "select type_name, labels from duckdb_types() where database_name = 'vault' "
        "and type_name = 'colour'",
    )
    with warehouse.connect(settings, vault=True, warehouse=False) as connection:
        return [connection.execute(query).fetchall() for query in queries]


def test_everything_that_lives_is_kept(filled: Settings) -> None:
    before = content(filled)
    assert len(before[0]) == 30_000
    assert before[-2] == [(8, 29_997)]
    report = renewal.renew(filled, "vault")
    assert content(filled) == before
    assert report.generation == 2
    assert report.bytes_after == filled.vault_path.stat().st_size
    assert filled.vault_path.stat().st_mode & 0o777 == 0o600
    with warehouse.connect(filled, vault=True, warehouse=False) as connection:
        with pytest.raises(duckdb.ConstraintException):
            connection.execute("insert into vault.raw.accounts values (1, uuid(), 1, 'n')")
        with pytest.raises(duckdb.ConstraintException):
            connection.execute("insert into vault.raw.children values (5, 'nobody''s')")


def test_rows_that_were_only_in_the_log_are_kept(settings: Settings) -> None:
    with warehouse.connect(settings, vault=True, warehouse=False) as connection:
        connection.execute("create table vault.raw.t as select 1 as a")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    other = context.Process(target=_insert_and_die, args=(settings,))
    other.start()
    other.join(60)
    assert other.exitcode == -signal.SIGKILL
    log = settings.vault_path.with_name("vault.duckdb.wal")
    assert log.stat().st_size > 0
    renewal.renew(settings, "vault")
    assert not log.exists()
    with warehouse.connect(settings, vault=True, warehouse=False) as connection:
        assert connection.execute("from vault.raw.t").fetchall() == [(1,), (2,)]


def _insert_and_die(settings: Settings) -> None:
    import os

    with warehouse.connect(settings, vault=True, warehouse=False) as connection:
        connection.execute("insert into vault.raw.t values (2)")
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_copy_that_lacks_a_row_never_takes_the_place(filled: Settings) -> None:
    def one_less(connection: duckdb.DuckDBPyConnection, *where: str) -> str:
        rows = renewal.same_rows(connection, *where)
        return f"{rows} limit 29999" if where[-1] == "accounts" else rows

    before = content(filled)
    with pytest.raises(RenewalFailed, match=r"differs in rows raw\.accounts"):
        renewal.renew(filled, "vault", one_less)
    assert content(filled) == before
    assert envelope.read(filled, "vault").keys[0].generation == 1
    assert sorted(p.name for p in filled.vault_path.parent.iterdir()) == [
        "vault.duckdb", "vault.key",
    ]  # fmt: skip


def test_a_failure_leaves_the_old_file_in_force(filled: Settings) -> None:
    def stumble(*_: object) -> str:
        raise OSError(28, "No space left on device")

    before = content(filled)
    with pytest.raises(OSError, match="No space left"):
        renewal.renew(filled, "vault", stumble)
    assert content(filled) == before
    assert envelope.read(filled, "vault").upcoming is None
    assert renewal.renew(filled, "vault").generation == 2


def _renew_for_ever(settings: Settings, begun: "multiprocessing.Queue[bool]") -> None:
    renewal.renew(settings, "vault")
    begun.put(True)
    while True:
        renewal.renew(settings, "vault")


@pytest.mark.slow
def test_killed_at_any_moment_it_loses_nothing(filled: Settings) -> None:
    before = content(filled)
    renewal.renew(filled, "vault")
    begin = time.monotonic()
    renewal.renew(filled, "vault")
    usual = time.monotonic() - begin
    context = multiprocessing.get_context("spawn")
    moments, interrupted = random.Random(20), 0  # noqa: S311 - moments of a test
    for _ in range(sized(4, 20)):
        begun: multiprocessing.Queue[bool] = context.Queue()
        child = context.Process(target=_renew_for_ever, args=(filled, begun))
        child.start()
        assert begun.get(timeout=60)
        time.sleep(moments.uniform(0, 3 * usual))
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        names = {path.name for path in filled.vault_path.parent.iterdir()}
        interrupted += names != {"vault.duckdb", "vault.key"}
        assert content(filled) == before
        assert {path.name for path in filled.vault_path.parent.iterdir()} == {
            "vault.duckdb", "vault.key",
        }  # fmt: skip
        assert envelope.read(filled, "vault").upcoming is None
    assert interrupted >= sized(4, 20) // 4
    renewal.renew(filled, "vault")
    assert content(filled) == before


@pytest.mark.parametrize("stage", ["proposed", "half built", "swapped", "swapped and half written"])
def test_interrupted_between_two_steps_it_loses_nothing(filled: Settings, stage: str) -> None:
    before = content(filled)
    kept = envelope.key_path(filled, "vault").read_bytes()
    building = envelope.building_path(filled, "vault")
    if stage in ("proposed", "half built"):
        envelope.propose(filled, "vault")
        expected = 1
    if stage == "half built":
        building.write_bytes(b"half of it")
        building.with_name(f"{building.name}.wal").write_bytes(b"a log")
    if stage.startswith("swapped"):
        expected = 2
        upcoming = envelope.propose(filled, "vault")
        both = envelope.key_path(filled, "vault").read_bytes()
        envelope.key_path(filled, "vault").write_bytes(kept)
        _renew_with(filled, upcoming)
        envelope.key_path(filled, "vault").write_bytes(both)
    if stage == "swapped and half written":
        envelope.key_path(filled, "vault").with_name("vault.key.new").write_bytes(b"{")
    assert content(filled) == before
    assert {path.name for path in filled.vault_path.parent.iterdir()} == {
        "vault.duckdb", "vault.key",
    }  # fmt: skip
    (key,) = envelope.read(filled, "vault").keys
    assert key.generation == expected
    assert renewal.renew(filled, "vault").generation == expected + 1
    assert content(filled) == before


def _renew_with(settings: Settings, key: DataKey) -> None:
    """Do the steps of a renewal until the new file is in place, with a given data key."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(envelope, "propose", lambda *_: key)
        patched.setattr(envelope, "settle", lambda *_: None)
        renewal.renew(settings, "vault")


# Remains of deleted rows.


def _delete_marked(settings: Settings, marker: bytes) -> None:
    """Store rows marked by a text, write them to the file, and delete them again."""
    with warehouse.connect(settings, vault=True, warehouse=False) as connection:
        connection.execute("set force_compression = 'uncompressed'")
        connection.execute("create table vault.raw.firms (id integer, name varchar)")
        connection.execute(
            "insert into vault.raw.firms "
            "select i, case when i % 2 = 0 then $marker else 'kept-' end || i || '-' || uuid() "
            "from range(200_000) as t (i)",
            {"marker": marker.decode()},
        )
        connection.execute("checkpoint vault")
        connection.execute("delete from vault.raw.firms where name like $like",
                           {"like": f"{marker.decode()}%"})  # fmt: skip


@pytest.fixture
def unencrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every database unencrypted, so that its bytes can be searched."""

    def attach(
        connection: duckdb.DuckDBPyConnection, alias: str, path: Path, _: DataKey, **options: bool
    ) -> bool:
        mode = " (read_only)" if options.get("read_only") else ""
        connection.execute("set force_compression = 'uncompressed'")
        connection.execute(f"attach '{path}' as {alias}{mode}")
        return True

    monkeypatch.setattr(warehouse, "opens", attach)


@pytest.mark.usefixtures("unencrypted")
def test_free_blocks_hold_deleted_rows_until_a_renewal(settings: Settings) -> None:
    """Deleting is not erasing: without encryption, the bytes show it."""
    marker = secrets.token_hex(12).encode()
    _delete_marked(settings, marker)
    assert settings.vault_path.read_bytes().count(marker) > 10_000
    renewal.renew(settings, "vault")
    assert [p.name for p in settings.vault_path.parent.iterdir() if marker in p.read_bytes()] == []
    assert settings.vault_path.read_bytes().count(b"kept-") > 10_000


def test_no_key_that_is_left_opens_the_old_file(settings: Settings, tmp_path: Path) -> None:
    marker = secrets.token_hex(12).encode()
    _delete_marked(settings, marker)
    old_file, old_key = settings.vault_path.read_bytes(), envelope.read(settings, "vault").keys[0]
    assert _opened_as(settings, old_file, old_key, tmp_path) == [(100_000,)]
    report = renewal.renew(settings, "vault")
    assert report.bytes_after < report.bytes_before
    found = [path for path in settings.root.rglob("*") if path.is_file()]
    assert {path.name for path in found} == {
        "vault.duckdb", "vault.key", "vault_key", "token_key",
    }  # fmt: skip
    assert not [path for path in found if marker in path.read_bytes()]
    wrapped = envelope.key_path(settings, "vault").read_bytes()
    assert old_key.secret.get_secret_value().encode() not in wrapped
    reachable = [key.secret for key in envelope.read(settings, "vault").keys]
    reachable += [keyring.load(settings, name) for name in ("vault_key", "token_key")]
    assert old_key.secret not in reachable
    for secret in reachable:
        assert _opened_as(settings, old_file, DataKey(0, "", secret), tmp_path) is None


def _opened_as(
    settings: Settings, file: bytes, key: DataKey, folder: Path
) -> list[tuple[object, ...]] | None:
    path = folder / "kept.duckdb"
    path.write_bytes(file)
    connection = duckdb.connect(":memory:")
    try:
        warehouse.configure(connection, settings)
        if not warehouse.opens(connection, "kept", path, key):
            return None
        return connection.execute("select count(*) from kept.raw.firms").fetchall()
    finally:
        connection.close()
