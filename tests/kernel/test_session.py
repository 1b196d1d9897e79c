"""No session runs an extension of DuckDB that is not signed, or that was changed."""

import shutil
from pathlib import Path

import duckdb
import pytest

from firmpulse import dbt_plugin, dbt_runner, warehouse
from firmpulse.settings import Settings

SETTING = "select current_setting('allow_unsigned_extensions')"


def test_a_session_takes_no_more_extensions_unsigned(settings: Settings) -> None:
    with warehouse.connect(settings, vault=True) as connection:
        assert connection.execute(SETTING).fetchall() == [(False,)]
        with pytest.raises(duckdb.InvalidInputException, match="Cannot change"):
            connection.execute("set allow_unsigned_extensions = true")


def test_nor_does_a_session_of_dbt(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    configure = dbt_plugin.Plugin.configure_cursor

    def configured(plugin: dbt_plugin.Plugin, cursor: duckdb.DuckDBPyConnection) -> None:
        configure(plugin, cursor)
        found.append(cursor.execute(SETTING).fetchall())

    monkeypatch.setattr(dbt_plugin.Plugin, "configure_cursor", configured)
    with warehouse.connect(settings):
        pass
    dbt_runner._invoke(settings, ["show", "--inline", "select 1", "--quiet"])
    assert found
    assert all(rows == [(False,)] for rows in found)


def test_an_extension_that_was_changed_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = tmp_path / "httpfs.duckdb_extension"
    shutil.copyfile(warehouse._extension_path("httpfs"), copied)
    monkeypatch.setattr(warehouse, "_extension_path", lambda _: copied)
    for _ in range(2):
        warehouse.session().close()
    with copied.open("r+b") as file:
        file.seek(1 << 20)
        byte = file.read(1)
        file.seek(1 << 20)
        file.write(bytes([byte[0] ^ 1]))
    for _ in range(2):
        with pytest.raises(duckdb.IOException, match="signature"):
            warehouse.session()
