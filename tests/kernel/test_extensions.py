"""Extensions of DuckDB: their signature is checked once a process, and again when they change."""

import shutil
from pathlib import Path

import duckdb
import pytest

from firmpulse import warehouse


@pytest.fixture
def extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the extension that sessions load from now on."""
    copied = tmp_path / "httpfs.duckdb_extension"
    shutil.copyfile(warehouse._extension_path("httpfs"), copied)
    monkeypatch.setattr(warehouse, "_extension_path", lambda _: copied)
    return copied


def test_an_extension_that_was_changed_is_refused(extension: Path) -> None:
    warehouse.session().close()
    warehouse.session().close()
    with extension.open("r+b") as file:
        file.seek(1 << 20)
        byte = file.read(1)
        file.seek(1 << 20)
        file.write(bytes([byte[0] ^ 1]))
    for _ in range(2):
        with pytest.raises(duckdb.Error, match="signature"):
            warehouse.session()


def test_no_session_takes_an_unsigned_extension(extension: Path) -> None:
    for _ in range(2):
        with warehouse.session() as connection:
            ((allowed,),) = connection.execute(
                "select current_setting('allow_unsigned_extensions')"
            ).fetchall()
            assert allowed is False
            with pytest.raises(duckdb.Error, match="Cannot change"):
                connection.execute("set allow_unsigned_extensions = true")
