"""A copy of all zones that can be restored until its key files are destroyed.

Two folders are written. The first has the encrypted databases and everything else that cannot be
recreated. The second has the wrapped data keys, a few hundred bytes: destroying them makes the
copy unreadable, wherever it is. The master keys are in neither.

Plain files of providers (the inbox), published scores and reports are left out: they would survive
an erasure, and can be delivered or written again.
"""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa

from consent import audit
from firmpulse import digests, warehouse
from firmpulse.code_version import code_version
from firmpulse.errors import BackupError, ConfigurationError, DiskError, NotReadyError
from firmpulse.keys import envelope, keyfiles
from firmpulse.settings import Settings

MANIFEST = "backup.json"
_FORMAT = 1
# Parts of the home folder that are copied besides the databases, if present.
_FOLDERS = ("control", "mlflow", "data_docs", "validation", "recipients", "airflow")
_FILES = ("providers.yml", "warning_rules.yml", "simulation.json")
_LEFT_OUT = ("logs", "audit.lock", "jwt_secret")
_DUMPS = {"control": "control_url", "mlflow": "mlflow_uri", "airflow": "airflow_db_url"}
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Backup:
    """A copy and the place of its keys."""

    folder: Path
    key_folder: Path
    made_at: str
    bytes: int
    # Table → rows, of vault and warehouse.
    rows: Mapping[str, int]


def make(settings: Settings, to: Path, keys_to: Path) -> Backup:
    """Copy all zones; meanwhile tasks wait and analysts keep reading.

    Args:
        settings: home folder.
        to: folder in which the copy gets its own folder.
        keys_to: a different folder, for the wrapped data keys.

    Raises:
        NotReadyError: there is nothing to copy.
        ConfigurationError: a folder is inside the home folder or the other one, or a server's
            database cannot be dumped.
        FileHeldError: a task holds the databases; try again when it has ended.
    """
    _check_folders(settings, to, keys_to)
    if not (settings.vault_path.exists() and settings.warehouse_path.exists()):
        raise NotReadyError(f"there is nothing in {settings.root} to copy; run a night first")
    made_at = datetime.now(UTC)
    name = f"firmpulse-{made_at:%Y%m%dT%H%M%S.%fZ}"
    building, keys = to / f"{name}.building", keys_to / name
    building.mkdir(parents=True, mode=0o700)
    keys.mkdir(parents=True, mode=0o700)
    try:
        with warehouse.connect(settings, vault=True) as connection:
            rows = _copy_databases(connection, settings, building, keys)
            # While the databases are held, no task changes anything else.
            _copy_rest(settings, building)
        _dump_servers(settings, building)
        files = {
            path.relative_to(building).as_posix(): digests.of_file(path)
            for path in _files(building)
        }
        manifest = {
            "format": _FORMAT, "made_at": made_at.isoformat(timespec="seconds"),
            "code_version": code_version(), "home": str(settings.root),
            "rows": rows, "files": files,
            "keys": {path.name: digests.of_file(path) for path in sorted(keys.iterdir())},
        }  # fmt: skip
        (building / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        for path in (*_files(building), *keys.iterdir()):
            path.chmod(0o600)
        keyfiles.sync(keys)
        building.rename(to / name)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        shutil.rmtree(keys, ignore_errors=True)
        raise
    audit.append(settings, "BACKUP", actor=audit.actor(), copy=name, rows=sum(rows.values()))
    return read(to / name, keys)


def read(folder: Path, key_folder: Path) -> Backup:
    """Return the manifest of a copy.

    Raises:
        BackupError: it is not a copy of a home folder.
    """
    manifest = _manifest(folder)
    size = sum(path.stat().st_size for path in _files(folder))
    return Backup(folder, key_folder, manifest["made_at"], size, manifest["rows"])


def restore(settings: Settings, folder: Path, key_folder: Path) -> Backup:
    """Restore a copy into an empty home folder and verify the result.

    The master keys must already be there, in `keys/` or in the environment. Databases on a server
    are restored with its own tools from the dumps in the folder.

    Raises:
        BackupError: a file is missing or differs from the original, or rows differ.
        WrongKeyError: the master keys are not those of the copy.
        ConfigurationError: the home folder already contains databases.
    """
    if settings.vault_path.exists() or settings.warehouse_path.exists():
        raise ConfigurationError(
            f"{settings.root} already contains databases; move them away, or restore elsewhere: "
            f"FIRMPULSE_HOME=/another/folder firmpulse restore ..."
        )
    manifest = check_files(folder, key_folder)
    for name in manifest["files"]:
        _put(folder / name, settings.root / name)
    for name in manifest["keys"]:
        database = name.removesuffix(".key")
        _put(key_folder / name, envelope.key_path(settings, database))
    move_artifacts(settings, Path(manifest["home"]))
    verify_rows(settings, manifest["rows"])
    audit.verify(settings)
    audit.append(settings, "RESTORE", actor=audit.actor(), copy=folder.name)
    return read(folder, key_folder)


def check_files(folder: Path, key_folder: Path) -> dict[str, Any]:
    """Compare every file of a copy with its manifest and return the manifest.

    Raises:
        BackupError: a file is missing or differs from the original.
    """
    manifest = _manifest(folder)
    expected = {folder / name: digest for name, digest in manifest["files"].items()}
    expected |= {key_folder / name: digest for name, digest in manifest["keys"].items()}
    for path, digest in expected.items():
        if not path.is_file():
            ended = path.parent == key_folder
            raise BackupError(
                f"{path} is missing; "
                + ("without it the copy is unreadable" if ended else "take another copy")
            )
        if digests.of_file(path) != digest:
            raise BackupError(f"{path} differs from what was copied; take another copy")
    return manifest


def verify_rows(settings: Settings, expected: Mapping[str, int]) -> None:
    """Open both databases and count the rows of every table.

    Raises:
        BackupError: a table is missing or has a different number of rows.
    """
    with warehouse.connect(settings, vault=True) as connection:
        found = _rows(connection)
    if found != dict(expected):
        odd = sorted(name for name, _ in found.items() ^ dict(expected).items())
        raise BackupError(f"{', '.join(odd[:5])} have a different number of rows than were copied")


def forget(settings: Settings, key_folder: Path) -> list[str]:
    """Destroy the keys of copies made before the last renewal; return the copies' names.

    After an erasure the databases are renewed. Earlier copies still contain what was erased;
    without their keys they are unreadable.
    """
    gone = []
    now = {name: _generation(envelope.key_path(settings, name)) for name in envelope.DATABASES}
    for folder in sorted(key_folder.glob("firmpulse-*")):
        generations = {path.stem: _generation(path) for path in folder.glob("*.key")}
        if all(generations.get(name) == generation for name, generation in now.items()):
            continue
        for path in folder.glob("*.key"):
            keyfiles.destroy(path)
        folder.rmdir()
        gone.append(folder.name)
    if gone:
        audit.append(settings, "BACKUP", actor=audit.actor(), ended=" ".join(gone))
    return gone


def _check_folders(settings: Settings, to: Path, keys_to: Path) -> None:
    inside = [(to, settings.root), (keys_to, settings.root), (keys_to, to), (to, keys_to)]
    for one, other in inside:
        if one.resolve() == other.resolve() or other.resolve() in one.resolve().parents:
            raise ConfigurationError(
                f"{one} is inside {other}; keep the copy, its keys and the home folder apart"
            )


def _copy_databases(
    connection: duckdb.DuckDBPyConnection, settings: Settings, building: Path, keys: Path
) -> dict[str, int]:
    for name in envelope.DATABASES:
        # Then the file contains everything and its log is empty; no one else may write.
        connection.execute(f"checkpoint {name}")
        path = envelope.database_path(settings, name)
        target = building / path.relative_to(settings.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy_held(path, target)
        shutil.copyfile(envelope.key_path(settings, name), keys / f"{name}.key")
    return _rows(connection)


def _copy_held(path: Path, target: Path) -> None:
    """Copy a file that this process holds; opening and closing it here would release the lock."""
    done = subprocess.run(  # noqa: S603 - a fixed program
        ["cp", "--reflink=auto", "--", str(path), str(target)],  # noqa: S607 - of the system
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DiskError(f"{path.name} cannot be copied: {done.stderr.strip()[:300]}")


def _generation(path: Path) -> int:
    """Return the generation of the data key in force in a key file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return int(content["current"]["generation"])


def _rows(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    tables = connection.execute(
        "select database_name, schema_name, table_name from duckdb_tables() "
        "where list_contains(?, database_name) and not temporary order by all",
        [list(envelope.DATABASES)],
    ).fetchall()
    found = {}
    for parts in tables:
        quoted = ".".join(f'"{part}"' for part in parts)
        ((count,),) = connection.execute(f"select count(*) from {quoted}").fetchall()  # noqa: S608 - catalogue
        found[".".join(parts)] = count
    return found


def _copy_rest(settings: Settings, building: Path) -> None:
    # The head before the chain: entries after the head are sealed by the next one.
    paths = [settings.audit_head_path]
    paths += [
        path
        for folder in _FOLDERS
        for path in _files(settings.root / folder)
        if not set(path.relative_to(settings.root).parts) & set(_LEFT_OUT)
    ]
    paths += [settings.root / name for name in _FILES]
    for path in dict.fromkeys(paths):
        if not path.is_file() or path.name.endswith((".db-wal", ".db-shm", ".db-journal")):
            continue
        target = building / path.relative_to(settings.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".db":
            _copy_sqlite(path, target)
        else:
            shutil.copyfile(path, target)


def _copy_sqlite(path: Path, target: Path) -> None:
    """Copy a consistent snapshot of a database that others may be writing."""
    with closing(sqlite3.connect(path)) as origin, closing(sqlite3.connect(target)) as copy:
        origin.backup(copy)


def _dump_servers(settings: Settings, building: Path) -> None:
    """Dump databases on a PostgreSQL server."""
    for name, setting in _DUMPS.items():
        url = getattr(settings, setting)
        if url and url.startswith("postgresql"):
            _dump(sa.make_url(url), building / f"{name}.pgdump")


def _dump(url: sa.URL, target: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise ConfigurationError(
            f"pg_dump is not on the PATH, so the database {url.database} cannot be copied; "
            f"install postgresql-client"
        )
    # `url.set(password=None)` would keep the password.
    address = sa.URL.create(
        "postgresql", url.username, None, url.host, url.port, url.database, url.query
    ).render_as_string()
    done = subprocess.run(  # noqa: S603 - a fixed program; the password is in no argument
        [program, "--format=custom", f"--file={target}", f"--dbname={address}"],
        env={**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ConfigurationError(f"pg_dump of {url.database} failed: {done.stderr.strip()[:300]}")


# Columns in which MLflow stores addresses of files.
_ADDRESSES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "model_versions": ("source", "storage_location"),
    "logged_models": ("artifact_location",),
}


def move_artifacts(settings: Settings, before: Path) -> None:
    """Point MLflow to the files at their new place, if its database is one of our files."""
    path = settings.root / "mlflow" / "mlflow.db"
    if settings.root == before or not path.exists():
        return
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, columns in _ADDRESSES.items():
            for column in columns:
                connection.execute(
                    f"update {table} set {column} = replace({column}, ?, ?)",  # noqa: S608 - constants
                    (before.as_uri(), settings.root.as_uri()),
                )


def _put(origin: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copyfile(origin, target)
    target.chmod(0o600)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise BackupError(
            f"{folder} is not a copy of a home folder: it has no {MANIFEST}"
        ) from None
    if content.get("format") != _FORMAT:
        raise BackupError(f"{folder} was made by another version; restore it with that version")
    return content


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*") if path.is_file())
