"""What opens a database and what does not; keys only where they belong."""

import json
import logging
import multiprocessing
from pathlib import Path

import duckdb
import pytest

from firmpulse import warehouse
from firmpulse.errors import ConfigurationError, FileHeldError, NotReadyError, WrongKeyError
from firmpulse.keys import envelope, keyfiles, keyring, masterkeys, renewal
from firmpulse.settings import Settings


@pytest.fixture
def home(settings: Settings) -> Settings:
    """Return the settings of a home whose vault and warehouse have a table each."""
    with warehouse.connect(settings, vault=True) as connection:
        connection.execute("create table vault.raw.kept as select 7 as a")
        connection.execute("create table warehouse.ops.kept as select 8 as a")
    return settings


def rows(settings: Settings) -> list[tuple[int, int]]:
    with warehouse.connect(settings, vault=True) as connection:
        return connection.execute(
            "select v.a, w.a from vault.raw.kept as v, warehouse.ops.kept as w"
        ).fetchall()


def test_a_master_key_opens_no_database(home: Settings) -> None:
    master = keyring.load(home, "vault_key")
    as_data_key = envelope.DataKey(1, "", master)
    connection = duckdb.connect(":memory:")
    warehouse.configure(connection, home)
    assert not warehouse.opens(connection, "vault", home.vault_path, as_data_key)
    right = envelope.read(home, "vault").keys[0]
    assert warehouse.opens(connection, "vault", home.vault_path, right)
    connection.close()


def test_a_lost_master_key_is_not_made_anew(home: Settings) -> None:
    (home.keys_dir / "vault_key").unlink()
    home.vault_path.rename(home.vault_path.with_suffix(".moved"))
    with pytest.raises(ConfigurationError, match="its vault_key is gone"):
        rows(home)
    assert not (home.keys_dir / "vault_key").exists()


def test_each_file_has_a_key_of_its_own(home: Settings) -> None:
    vault, store = (envelope.read(home, name).keys for name in envelope.DATABASES)
    assert [key.generation for key in (*vault, *store)] == [1, 1]
    assert vault[0].secret != store[0].secret
    for name in envelope.DATABASES:
        path = envelope.key_path(home, name)
        assert path.stat().st_mode & 0o777 == 0o600
        assert sorted(p.name for p in path.parent.iterdir()) == [
            f"{name}.duckdb", f"{name}.key",
        ]  # fmt: skip


def test_a_wrong_master_key_says_what_to_restore(home: Settings) -> None:
    wrong = home.model_copy(update={"vault_key": keyring.checked("vault_key", "ab" * 32, "test")})
    with pytest.raises(WrongKeyError, match=r"FIRMPULSE_VAULT_KEY .* does not open vault\.key"):
        rows(wrong)
    assert rows(home) == [(7, 8)]


def test_a_database_without_its_key_file_is_refused(home: Settings) -> None:
    path = envelope.key_path(home, "vault")
    kept = path.read_bytes()
    path.unlink()
    with pytest.raises(ConfigurationError, match=r"key file vault\.key is gone.*from the backup"):
        rows(home)
    assert not path.exists()
    path.write_bytes(kept)
    assert rows(home) == [(7, 8)]


def test_a_key_file_without_its_database_is_refused(home: Settings) -> None:
    home.warehouse_path.unlink()
    with pytest.raises(ConfigurationError, match=r"its database warehouse\.duckdb is gone"):
        rows(home)
    assert not home.warehouse_path.exists()


def test_a_key_file_is_bound_to_its_database_and_generation(home: Settings) -> None:
    path = envelope.key_path(home, "warehouse")
    content = json.loads(path.read_text("utf-8"))
    content["current"]["generation"] = 2
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(WrongKeyError, match="does not open"):
        rows(home)
    same_master = keyring.load(home, "vault_key")
    strange = home.model_copy(update={"warehouse_key": same_master})
    path.write_bytes(envelope.key_path(home, "vault").read_bytes())
    with pytest.raises(WrongKeyError, match=r"does not open warehouse\.key"):
        rows(strange)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 1, "current": 3}', '{"format": 1, "current": {}}',
             '{"format": 1, "current": {"generation": 1, "created_at": "", "wrapped_key": "?"}}']
)  # fmt: skip
def test_a_damaged_key_file_is_a_sentence(home: Settings, text: str) -> None:
    envelope.key_path(home, "vault").write_text(text, "utf-8")
    with pytest.raises(ConfigurationError, match=r"vault\.key is damaged"):
        rows(home)


def test_a_key_file_of_another_backup_is_told(home: Settings) -> None:
    before = envelope.key_path(home, "vault").read_bytes()
    renewal.renew(home, "vault")
    envelope.key_path(home, "vault").write_bytes(before)
    with pytest.raises(WrongKeyError, match=r"vault\.key does not open vault\.duckdb"):
        rows(home)


def test_whoever_dies_while_making_a_vault_hinders_nobody(settings: Settings) -> None:
    keyring.load(settings, "token_key")
    envelope.read_or_make(settings, "vault")
    settings.vault_path.write_bytes(b"DUCK" * 100)
    with warehouse.connect(settings, vault=True, warehouse=False) as connection:
        connection.execute("create table vault.raw.t as select 1 as a")
    assert envelope.read(settings, "vault").upcoming is None


def test_there_is_nothing_to_read_before_the_first_open(settings: Settings) -> None:
    with pytest.raises(NotReadyError, match="there is no vault yet"):
        renewal.renew(settings, "vault")
    assert not settings.vault_path.parent.exists()


def test_the_master_key_file_changes_and_the_database_stays(home: Settings) -> None:
    before, data_key = keyring.load(home, "vault_key"), envelope.read(home, "vault").keys
    database = home.vault_path.read_bytes()
    assert masterkeys.change(home, "vault")
    assert keyring.load(home, "vault_key") != before
    assert envelope.read(home, "vault").keys == data_key
    assert home.vault_path.read_bytes() == database
    assert sorted(p.name for p in home.keys_dir.iterdir()) == [
        "token_key", "vault_key", "warehouse_key",
    ]  # fmt: skip
    old = home.model_copy(update={"vault_key": before})
    with pytest.raises(WrongKeyError):
        rows(old)
    assert rows(home) == [(7, 8)]


def test_a_master_key_of_the_environment_needs_the_one_before(home: Settings) -> None:
    before = keyring.load(home, "vault_key")
    new = keyring.checked("vault_key", "cd" * 32, "test")
    changed = home.model_copy(update={"vault_key": new})
    with pytest.raises(ConfigurationError, match="FIRMPULSE_OLD_VAULT_KEY to the previous one"):
        masterkeys.change(changed, "vault")
    masterkeys.change(changed.model_copy(update={"old_vault_key": before}), "vault")
    masterkeys.change(changed.model_copy(update={"old_vault_key": before}), "vault")
    assert rows(changed) == [(7, 8)]
    with pytest.raises(WrongKeyError):
        rows(home)


@pytest.mark.parametrize("moment", ["proposed", "wrapped"])
def test_an_interrupted_change_of_the_master_key_hinders_nobody(
    home: Settings, moment: str
) -> None:
    following = keyring.propose(home, "vault_key")
    if moment == "wrapped":
        envelope.rewrap(home, "vault", keyring.load(home, "vault_key"), following)
    assert rows(home) == [(7, 8)]
    assert masterkeys.change(home, "vault")
    assert keyring.load(home, "vault_key") == following
    assert rows(home) == [(7, 8)]


def test_a_replaced_key_file_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "some.key"
    keyfiles.replace(path, "the first key")
    seen = tmp_path / "another name of the same bytes"
    seen.hardlink_to(path)
    keyfiles.replace(path, "the second key")
    assert seen.read_bytes() == bytes(len("the first key"))
    assert path.read_text("utf-8") == "the second key"
    assert {p.name for p in tmp_path.iterdir()} == {path.name, seen.name}


def test_a_key_in_force_survives_a_writer_that_died_early(tmp_path: Path) -> None:
    path = tmp_path / "some.key"
    keyfiles.replace(path, "the key in force")
    path.with_name("some.key.old").hardlink_to(path)
    path.with_name("some.key.new").write_text("half a k", "utf-8")
    keyfiles.clear(path)
    assert path.read_text("utf-8") == "the key in force"
    assert [p.name for p in tmp_path.iterdir()] == ["some.key"]


def test_no_key_in_logs_errors_or_sql(
    home: Settings, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = [keyring.load(home, f"{name}_key") for name in (*envelope.DATABASES, "token")]
    secrets += [envelope.read(home, name).keys[0].secret for name in envelope.DATABASES]
    with warehouse.connect(home, vault=True) as connection:
        told = str(connection.execute("from duckdb_databases()").fetchall())
        told += str(connection.execute("from duckdb_settings()").fetchall())
        told += str(connection.execute("select sql from duckdb_tables()").fetchall())
        told += str(
            connection.execute("select macro_definition from duckdb_functions()").fetchall()
        )
        with pytest.raises(FileHeldError) as held:
            renewal.renew(home, "vault")
    told += repr(held.value) + repr(home) + repr(envelope.read(home, "vault"))
    told += caplog.text + "".join(capfd.readouterr())
    assert not [secret for secret in secrets if secret.get_secret_value() in told]


def _hold(settings: Settings, held: "multiprocessing.Queue[bool]", wait: float) -> None:
    import time

    with warehouse.connect(settings, vault=True, warehouse=False):
        held.put(True)
        time.sleep(wait)


def test_a_file_held_by_another_process_is_not_renewed(home: Settings) -> None:
    context = multiprocessing.get_context("spawn")
    held: multiprocessing.Queue[bool] = context.Queue()
    other = context.Process(target=_hold, args=(home, held, 60))
    other.start()
    try:
        assert held.get(timeout=60)
        with pytest.raises(FileHeldError, match=r"vault\.duckdb is held by another process"):
            renewal.renew(home, "vault")
    finally:
        other.kill()
        other.join()
    assert renewal.renew(home, "vault").generation == 2
