"""A home with real nights under new keys: every token changed, and nothing else."""

import shutil
import uuid
from pathlib import Path

import duckdb
import pytest

from consent import intake
from extracts.vault import nightly
from features.build import build
from firmpulse import warehouse
from firmpulse.keys import envelope, keyring, tokens
from firmpulse.settings import Settings
from firmpulse.sources import SOURCES
from tests.integration.conftest import Nights, checksums, command

_DATABASES = ("vault", "warehouse")


@pytest.fixture(scope="module")
def before(nights: Nights) -> Settings:
    """Return the home after the nights."""
    return nights.settings


@pytest.fixture(scope="module")
def rotated(before: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a copy of the home under a second version of the token key."""
    home = tmp_path_factory.mktemp("rotated") / "home"
    shutil.copytree(before.root, home)
    settings = Settings(home=home, memory_limit="2GB")
    told = command(settings, "vault", "rotate", "--tokens")
    assert "tokens are of version 2" in told
    return settings


def _columns(connection: duckdb.DuckDBPyConnection, data_type: str) -> list[tuple[str, str]]:
    found = connection.execute(
        "select database_name || '.' || schema_name || '.' || table_name, column_name "
        "from duckdb_columns() where list_contains(?, database_name) and data_type = ? "
        "and not internal order by all",
        [list(_DATABASES), data_type],
    ).fetchall()
    return [(str(table), str(column)) for table, column in found]


def _values(settings: Settings) -> dict[tuple[str, str], set[uuid.UUID]]:
    """Return the values of every UUID column."""
    with warehouse.connect(settings, vault=True) as connection:
        return {
            (table, column): {
                value
                for (value,) in connection.execute(
                    f'select distinct "{column}" from {table} where "{column}" is not null'
                ).fetchall()
            }
            for table, column in _columns(connection, "UUID")
        }


def test_every_token_moved_to_the_next_version(before: Settings, rotated: Settings) -> None:
    old, new = _values(before), _values(rotated)
    key = keyring.load(rotated, "token_key")
    assert len(tokens.versions(key)) == 2
    assert len(old) > 30
    assert {table.split(".")[0] for table, _ in old} == set(_DATABASES)
    for column, values in old.items():
        assert new[column] == {tokens.advance(key, value, 1) for value in values}, column


def test_every_uuid_is_a_token(before: Settings) -> None:
    """A rotation would also change a UUID that is not a token."""
    with warehouse.connect(before, vault=True) as connection:
        names = {column for _, column in _columns(connection, "UUID")}
        nested = connection.execute(
            "select table_name, column_name from duckdb_columns() "
            "where data_type like '%UUID%' and data_type <> 'UUID' and not internal"
        ).fetchall()
    assert nested == []
    # A member of a training frame is a firm, under another name: its row stays longest.
    allowed = ("firm_id", "_id", "_token", "fixed_text_token", "member")
    assert [name for name in names if not name.endswith(allowed)] == []


def test_no_token_of_the_old_version_is_left_in_a_text(before: Settings, rotated: Settings) -> None:
    old = {str(value) for values in _values(before).values() for value in values}
    with warehouse.connect(rotated, vault=True) as connection:
        columns = _columns(connection, "VARCHAR")
        assert len(columns) > 50
        for table, column in columns:
            texts = connection.execute(
                f'select distinct "{column}" from {table} where strlen("{column}") = 36'
            ).fetchall()
            assert not old & {text for (text,) in texts}, (table, column)


def test_a_night_goes_on_as_if_nothing_had_happened(nights: Nights, rotated: Settings) -> None:
    """The same deliveries again: identifiers get the updated tokens."""
    before = checksums(rotated)
    intake.import_night(rotated)
    for source in SOURCES:
        nightly.land(rotated, source, nights.second)
    build(rotated, nights.second, "all")
    assert checksums(rotated) == before


def test_data_and_master_keys_change_and_all_rows_stay(rotated: Settings) -> None:
    command(rotated, "vault", "rotate", "--tokens")
    values = _values(rotated)
    masters = [keyring.load(rotated, f"{name}_key") for name in _DATABASES]
    data_keys = [envelope.read(rotated, name).keys for name in _DATABASES]
    command(rotated, "vault", "rotate")
    command(rotated, "vault", "rotate", "--master")
    assert _values(rotated) == values
    told = command(rotated, "vault", "status")
    for name, master, data_key in zip(_DATABASES, masters, data_keys, strict=True):
        assert keyring.load(rotated, f"{name}_key") != master
        (present,) = envelope.read(rotated, name).keys
        assert present.generation == data_key[0].generation + 1
        assert envelope.fingerprint(present.secret) in told
        assert present.secret.get_secret_value() not in told
    assert "The audit chain is whole" in command(rotated, "audit", "verify")


def test_no_key_in_any_file_but_its_own(rotated: Settings) -> None:
    secrets = [keyring.load(rotated, f"{name}_key").get_secret_value() for name in _DATABASES]
    secrets += keyring.load(rotated, "token_key").get_secret_value().split(",")
    secrets += [
        key.secret.get_secret_value()
        for name in _DATABASES
        for key in envelope.read(rotated, name).keys
    ]
    needles = [text.encode() for text in secrets]
    needles += [bytes.fromhex(text) for text in secrets]
    files = [path for path in rotated.root.rglob("*") if path.is_file()]
    assert {"dbt", "logs", "airflow"} & {path.relative_to(rotated.root).parts[0] for path in files}
    for path in files:
        if path.parent != rotated.keys_dir:
            assert not _found(path, needles), path


def _found(path: Path, needles: list[bytes]) -> bool:
    content = path.read_bytes()
    return any(needle in content for needle in needles)
