"""The only place that opens DuckDB files."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path

import duckdb
from pydantic import SecretStr

from firmpulse import stored_tables
from firmpulse.errors import (
    ConfigurationError,
    DamagedError,
    FileHeldError,
    NotReadyError,
    WrongKeyError,
)
from firmpulse.keys import envelope, keyring, tokens
from firmpulse.keys.envelope import DataKey
from firmpulse.settings import Settings

_EXTENSIONS = ("httpfs",)
# Size of a DuckDB file that has headers but no rows.
_EMPTY_BYTES = 12_288
# DuckDB's messages about a changed page and a changed header.
_OTHER_TAG, _NO_DATABASE = "Computed AES tag differs", "not a valid duckdb database file"


@contextmanager
def connect(
    settings: Settings, *, vault: bool = False, warehouse: bool = True
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory session with the encrypted files attached as `vault` and `warehouse`.

    The session has the macro `token(domain, value)`. Only one process at a time may hold a file;
    the session releases both files on exit.

    Raises:
        WrongKeyError: a key does not open its file.
        FileHeldError: another process holds a file.
        DamagedError: a page is damaged.
    """
    connection = session()
    try:
        prepare(connection, settings, vault=vault, warehouse=warehouse)
        yield connection
    except duckdb.Error as error:
        if is_damage(error):
            raise damaged("a page of the vault or of the warehouse") from error
        raise
    finally:
        connection.close()


def session() -> duckdb.DuckDBPyConnection:
    """Open an in-memory session with the extensions loaded."""
    connection = duckdb.connect(":memory:", config={"allow_unsigned_extensions": "true"})
    _load_extensions(connection)
    return connection


def _load_extensions(connection: duckdb.DuckDBPyConnection) -> None:
    """Load them, each checked once per process and again where its file is not the same.

    DuckDB hashes the whole file at each load to check its signature, which takes longer than all
    else of opening a session.
    """
    for name in _EXTENSIONS:
        path = _extension_path(name)
        state = path.stat()
        _check_signature(path, state.st_ino, state.st_size, state.st_mtime_ns)
        connection.execute(f"load '{_quoted(path)}'")
    # Nothing more is loaded unchecked, and nothing can allow it again.
    connection.execute("set allow_unsigned_extensions = false")


@cache
def _check_signature(path: Path, *_state: int) -> None:
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"load '{_quoted(path)}'")


def is_damage(error: object) -> bool:
    """Whether an error, or its text, says that a page is damaged.

    Every page is encrypted with a tag over its content.
    """
    return _OTHER_TAG in str(error)


def damaged(what: str) -> DamagedError:
    """Return the error of a file that was changed or lost bytes."""
    return DamagedError(
        f"{what} is damaged; nothing was read from it. Restore the home folder from a backup: "
        f"firmpulse backup restore"
    )


@contextmanager
def connect_published(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published scores for reading, without access to other files or the network.

    Raises:
        NotReadyError: nothing has been published yet.
        DamagedError: another program wrote to the file and was killed.
        FileHeldError: another program has it open for writing.
    """
    if not settings.scores_path.exists():
        raise NotReadyError(
            f"no scores are published in {settings.scores_dir}; run: make run for simulated "
            f"firms; for your own deliveries firmpulse night, then firmpulse train"
        )
    published = settings.scores_path.resolve()
    if published.with_name(f"{published.name}.wal").exists():
        raise DamagedError(
            f"{settings.scores_path} was opened for writing by another program, which left a log "
            f"of its changes beside it; publish it again: firmpulse night --as-of DATE, with the "
            f"newest night"
        )
    try:
        connection = duckdb.connect(
            str(published), read_only=True, config={"enable_external_access": "false"}
        )
    except duckdb.IOException as error:
        if "lock" not in str(error).lower():
            raise
        raise FileHeldError(
            f"{settings.scores_path} is open for writing in another program; close it there, and "
            f"open it read-only"
        ) from None
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def connect_stand_in(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the last publication under the names of the warehouse, while a task holds that.

    Unpublished columns are null, unpublished tables are empty, and dbt's tables are absent.
    """
    connection = duckdb.connect(":memory:")
    try:
        connection.execute("set TimeZone = 'Asia/Shanghai'")
        connection.execute("attach ':memory:' as warehouse")
        found = set()
        if settings.scores_path.exists():
            path = _quoted(settings.scores_path)
            connection.execute(f"attach '{path}' as published (read_only)")
            rows = connection.execute(
                "select table_name from duckdb_tables() where database_name = 'published'"
            ).fetchall()
            found = {name for (name,) in rows}
        connection.execute("set enable_external_access = false")
        for table in stored_tables.PUBLISHED:
            if table.databases and table.published_name in found:
                unpublished = "".join(
                    f", null::{column.kind} as {name}"
                    for name, column in table.columns.items()
                    if not column.published
                )
                connection.execute(f"create schema if not exists warehouse.{table.schema}")
                connection.execute(
                    f"create view warehouse.{table.schema}.{table.name} as "  # noqa: S608 - our own names
                    f"select *{unpublished} from published.{table.published_name}"
                )
        # A view with this name replaces the table.
        connection.execute(stored_tables.create_sql("warehouse", "warehouse"))
        yield connection
    finally:
        connection.close()


def prepare(
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, vault: bool, warehouse: bool
) -> None:
    """Load the extensions and attach the encrypted files to an open connection.

    Raises:
        WrongKeyError: a key does not open its file, or is not the one the tokens were made with.
    """
    configure(connection, settings)
    if vault:
        # Before the vault: a missing key must not leave a half-made vault.
        token_key = keyring.load(settings, "token_key")
        attach(connection, settings, "vault")
        tokens.install(connection, token_key)
        _check_tokens(connection, "vault", token_key)
    if warehouse:
        attach(connection, settings, "warehouse")
    if vault and warehouse:
        _check_tokens(connection, "warehouse", token_key)


def configure(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Load the extensions and set what every session has in common."""
    _load_extensions(connection)
    connection.execute(f"set threads = {settings.threads:d}")
    connection.execute("set memory_limit = $limit", {"limit": settings.memory_limit})
    connection.execute("set TimeZone = 'Asia/Shanghai'")
    # DuckDB would draw bars of single statements into the lines of a command and into logs.
    connection.execute("set enable_progress_bar = false")
    spill = settings.root / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    connection.execute("set temp_directory = $folder", {"folder": str(spill)})
    connection.execute("set temp_file_encryption = true")


def attach(
    connection: duckdb.DuckDBPyConnection, settings: Settings, name: str, alias: str | None = None
) -> None:
    """Attach the vault or the warehouse under its name, or another; create it if it is missing.

    Creates its stored tables. Removes the leftovers of an interrupted renewal.

    Raises:
        WrongKeyError: the master key does not open the key file, or the key file not its database.
        FileHeldError: another process holds the file.
    """
    path = envelope.database_path(settings, name)
    seen = None
    while seen != (found := envelope.read_or_make(settings, name)):
        _drop_half_made(path, found)
        for key in found.keys:
            if opens(connection, alias or name, path, key):
                if not envelope.is_settled(settings, name, found):
                    envelope.settle(settings, name, key.generation)
                # In one transaction: in one each, a new file takes several times longer.
                made = stored_tables.create_sql(name, alias or name)
                connection.execute(f"begin; {made}; commit")
                return
        # A renewal may have ended since the keys were read: read them again.
        seen = found
    raise WrongKeyError(
        f"{path.stem}.key does not open {path.name}; restore both files from the same backup"
    )


def opens(
    connection: duckdb.DuckDBPyConnection,
    alias: str,
    path: Path,
    key: DataKey,
    *,
    read_only: bool = False,
) -> bool:
    """Attach a file if the data key opens it.

    Raises:
        FileHeldError: another process, or another session of this one, holds the file.
        DamagedError: the file is damaged.
    """
    options = "encryption_key $key, read_only" if read_only else "encryption_key $key"
    secret = {"key": key.secret.get_secret_value()}
    try:
        connection.execute(f"attach '{_quoted(path)}' as {alias} ({options})", secret)
    except duckdb.Error as error:
        text = str(error).lower()
        if "encryption key" in text:
            return False
        if "lock" in text or "unique file handle conflict" in text:
            raise FileHeldError(
                f"{path.name} is held by another process; only one process may open it at a time. "
                f"Wait for the running task, or read the published scores instead"
            ) from None
        if is_damage(error) or _NO_DATABASE in text:
            raise damaged(path.name) from error
        raise
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return True


def is_built(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Return whether dbt has built `schema.name` in the warehouse; not so for an unseen source."""
    schema, _, name = table.partition(".")
    found = connection.execute(
        "select 1 from information_schema.tables "
        "where table_catalog = 'warehouse' and table_schema = ? and table_name = ?",
        [schema, name],
    ).fetchone()
    return found is not None


def _check_tokens(connection: duckdb.DuckDBPyConnection, name: str, key: SecretStr) -> None:
    if tokens.is_key_of(connection, name):
        return
    version = tokens.version_of(connection, name, key)
    if version:
        raise WrongKeyError(
            f"the tokens of the {name} are of version {version} and the token key has a newer "
            f"one; update them with: firmpulse vault rotate --tokens"
        )
    raise WrongKeyError(
        f"FIRMPULSE_TOKEN_KEY (or the token_key file) is not the key of the tokens in "
        f"{name}.duckdb; restore the key that they were made with"
    )


def _drop_half_made(path: Path, found: envelope.Envelope) -> None:
    """Remove the first bytes of a database whose creator died; nothing was ever stored in it."""
    if found.current is None and path.exists() and path.stat().st_size < _EMPTY_BYTES:
        path.unlink()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _extension_path(name: str) -> Path:
    package = resources.files(f"duckdb_extension_{name}")
    found = package / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not found.is_file():
        raise ConfigurationError(
            f"duckdb {duckdb.__version__} has no {name} extension installed beside it; "
            f"install duckdb-extension-{name}=={duckdb.__version__}"
        )
    return Path(str(found))
