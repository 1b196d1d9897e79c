"""A copy of a home with scores: complete, the same when restored, unreadable without keys."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cli import app
from consent import audit
from firmpulse import warehouse
from firmpulse.errors import BackupError, ConfigurationError, FirmpulseError, WrongKeyError
from firmpulse.keys import keyring, renewal
from firmpulse.settings import Settings
from operations import backup
from operations.backup import Backup
from scoring import inputs
from tests.consent import postgresql
from tests.integration.conftest import Assessed


@pytest.fixture(scope="module")
def home(assessed: Assessed, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a copy of the assessed home, which the tests may change."""
    folder = tmp_path_factory.mktemp("backup") / "home"
    shutil.copytree(assessed.settings.root, folder, symlinks=True)
    return Settings(home=folder, memory_limit="2GB")


@pytest.fixture(scope="module")
def copy(home: Settings, tmp_path_factory: pytest.TempPathFactory) -> Backup:
    return backup.make(home, tmp_path_factory.mktemp("copies"), tmp_path_factory.mktemp("keys"))


def _empty(home: Settings, folder: Path) -> Settings:
    """Return another home folder with the master keys of the first."""
    shutil.copytree(home.keys_dir, folder / "keys")
    return Settings(home=folder, memory_limit="2GB")


def test_a_restored_copy_has_every_row_and_its_model_loads(
    home: Settings, copy: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restored = _empty(home, tmp_path / "restored")
    monkeypatch.setenv("FIRMPULSE_HOME", str(restored.root))
    told = CliRunner().invoke(
        app, ["backup", "restore", str(copy.folder), "--keys", str(copy.key_folder)]
    )
    assert told.exit_code == 0, told.output
    assert "is not in it" in told.output
    query = "select bit_xor(hash(scores)), count(*) from latest_scores as scores"
    found = []
    for settings in (home, restored):
        with warehouse.connect_published(settings) as connection:
            found.append(connection.execute(query).fetchall())
    assert found[0] == found[1]
    assert audit.verify(restored).entries > 1
    # The contents of the old folder are no longer needed.
    moved = home.root.rename(home.root.with_name("moved"))
    try:
        assert inputs.load_model(restored, "1").bundle
    finally:
        moved.rename(home.root)


def test_plain_rows_master_keys_and_reports_are_not_in_it(home: Settings, copy: Backup) -> None:
    names = {path.relative_to(copy.folder).parts[0] for path in copy.folder.rglob("*")}
    assert not names & {"keys", "inbox", "reports", "scores"}
    assert not list(copy.folder.rglob("*.key"))
    secrets = [path.read_text().strip() for path in home.keys_dir.iterdir()]
    for path in copy.folder.rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, path
            content = path.read_bytes()
            assert not any(key.encode() in content for key in secrets), path


def test_the_databases_stay_held_while_they_are_copied(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If reading the file released the lock, a task could write in the middle of the copy."""
    tried: list[subprocess.CompletedProcess[str]] = []
    original = backup._copy_rest

    def try_to_write(*args: Any) -> None:
        code = "from firmpulse import warehouse; from firmpulse.settings import Settings\n" + (
            "with warehouse.connect(Settings(), vault=True): pass"
        )
        monkeypatch.setenv("FIRMPULSE_HOME", str(home.root))
        tried.append(
            subprocess.run(  # noqa: S603 - this interpreter
                [sys.executable, "-c", code], capture_output=True, text=True, check=False
            )
        )
        original(*args)

    monkeypatch.setattr(backup, "_copy_rest", try_to_write)
    backup.make(home, tmp_path / "to", tmp_path / "keys")
    assert tried[0].returncode != 0
    assert "is held by another process" in tried[0].stderr


@pytest.mark.parametrize("name", ["vault/vault.duckdb", "control/control.db"])
def test_a_changed_file_is_refused(home: Settings, copy: Backup, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(copy.folder, folder)
    with (folder / name).open("r+b") as file:
        file.seek(9000)
        byte = file.read(1)
        file.seek(9000)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(BackupError, match=f"{Path(name).name} differs from what was copied"):
        backup.restore(_empty(home, tmp_path / "restored"), folder, copy.key_folder)


def test_other_master_keys_do_not_open_it(copy: Backup, tmp_path: Path) -> None:
    other = Settings(home=tmp_path / "other")
    for name in ("vault_key", "warehouse_key", "token_key", "audit_key"):
        keyring.load(other, name)
    with pytest.raises(WrongKeyError, match=r"does not open (vault|warehouse)\.key"):
        backup.restore(other, copy.folder, copy.key_folder)


def test_a_home_with_databases_is_not_written_over(home: Settings, copy: Backup) -> None:
    with pytest.raises(ConfigurationError, match="already contains databases"):
        backup.restore(home, copy.folder, copy.key_folder)


def test_copy_keys_and_home_lie_apart(home: Settings, tmp_path: Path) -> None:
    for to, keys_to in (
        (home.root / "copies", tmp_path / "keys"),
        (tmp_path, tmp_path / "keys"),
        (tmp_path / "one", tmp_path / "one"),
    ):
        with pytest.raises(ConfigurationError, match="apart"):
            backup.make(home, to, keys_to)


def test_what_failed_half_way_leaves_nothing(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(backup, "_copy_rest", full)
    with pytest.raises(OSError, match="no space"):
        backup.make(home, tmp_path / "to", tmp_path / "keys")
    assert list((tmp_path / "to").iterdir()) == []
    assert list((tmp_path / "keys").iterdir()) == []


def test_copies_of_before_an_erasure_end_with_their_keys(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Erasing ends with renewed databases; earlier copies still contain the erased rows."""
    to, places = tmp_path / "to", tmp_path / "keys"
    before = backup.make(home, to, places)
    assert backup.forget(home, places) == []
    for name in ("vault", "warehouse"):
        renewal.renew(home, name)
    assert backup.forget(home, places) == [before.folder.name]
    assert list(places.iterdir()) == []
    with pytest.raises(BackupError, match="without it the copy is unreadable"):
        backup.restore(_empty(home, tmp_path / "restored"), before.folder, before.key_folder)
    after = backup.make(home, to, places)
    monkeypatch.setenv("FIRMPULSE_HOME", str(home.root))
    told = CliRunner().invoke(
        app, ["backup", "verify", str(after.folder), "--keys", str(after.key_folder)]
    )
    assert told.exit_code == 0, told.output
    assert told.output.startswith("verified: copy of")


def test_a_control_store_on_a_server_is_dumped(home: Settings, tmp_path: Path) -> None:
    if shutil.which("pg_dump") is None:
        pytest.skip("no pg_dump here; install it with: apt-get install postgresql-client")
    with postgresql.server() as url:
        with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
            connection.execute(sa.text("create table kept (value integer)"))
        plain = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        settings = home.model_copy(update={"mlflow_uri": plain})
        made = backup.make(settings, tmp_path / "to", tmp_path / "keys")
        with pytest.raises(FirmpulseError, match="pg_dump of nowhere failed"):
            backup.make(
                home.model_copy(update={"mlflow_uri": plain.rpartition("/")[0] + "/nowhere"}),
                tmp_path / "to", tmp_path / "keys",
            )  # fmt: skip
    listing = subprocess.run(  # noqa: S603 - a fixed program
        ["pg_restore", "--list", str(made.folder / "mlflow.pgdump")],  # noqa: S607 - of the system
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "TABLE DATA public kept" in listing
