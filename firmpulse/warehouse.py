"""The only place that opens DuckDB files."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import duckdb
from pydantic import SecretStr

from firmpulse import keys, tokens
from firmpulse.errors import ConfigurationError, FileHeldError, NotReadyError, WrongKeyError
from firmpulse.settings import Settings

_EXTENSIONS = ("httpfs",)


@contextmanager
def connect(
    settings: Settings, *, vault: bool = False, warehouse: bool = True
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory session with the encrypted files attached as `vault` and `warehouse`.

    The vault brings the macro `token(domain, value)` with it. One process may hold a file at
    a time; the session releases both files on leaving.

    Raises:
        WrongKeyError: a key does not open its file.
        FileHeldError: another process holds a file.
    """
    connection = duckdb.connect(":memory:")
    try:
        prepare(connection, settings, vault=vault, warehouse=warehouse)
        yield connection
    finally:
        connection.close()


@contextmanager
def connect_published(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the published scores for reading, closed to other files and to the network.

    Raises:
        NotReadyError: nothing has been published yet.
    """
    if not settings.scores_path.exists():
        raise NotReadyError(
            f"no scores are published in {settings.scores_dir}; run: make run for simulated "
            f"firms; for your own deliveries firmpulse night, then firmpulse train"
        )
    connection = duckdb.connect(
        str(settings.scores_path), read_only=True, config={"enable_external_access": "false"}
    )
    try:
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
    for name in _EXTENSIONS:
        connection.execute(f"load '{_extension_path(name)}'")
    connection.execute(f"set threads = {settings.threads:d}")
    connection.execute("set memory_limit = $limit", {"limit": settings.memory_limit})
    connection.execute("set TimeZone = 'Asia/Shanghai'")
    spill = settings.root / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    connection.execute("set temp_directory = $folder", {"folder": str(spill)})
    connection.execute("set temp_file_encryption = true")
    if vault:
        # Both keys first: a missing one must not leave a half-made vault behind.
        token_key, vault_key = keys.load(settings, "token_key"), keys.load(settings, "vault_key")
        _attach(connection, "vault", settings.vault_path, vault_key)
        connection.execute("create schema if not exists vault.raw")
        connection.execute("create schema if not exists vault.ops")
        tokens.install(connection, token_key)
        if not tokens.is_key_of(connection, "vault"):
            raise WrongKeyError(
                f"FIRMPULSE_TOKEN_KEY (or the token_key file) is not the key of the tokens in "
                f"{settings.vault_path.name}; restore the key that they were made with"
            )
    if warehouse:
        key = keys.load(settings, "warehouse_key")
        _attach(connection, "warehouse", settings.warehouse_path, key)
        connection.execute("create schema if not exists warehouse.ops")


def _attach(connection: duckdb.DuckDBPyConnection, alias: str, path: Path, key: SecretStr) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    secret = {"key": key.get_secret_value()}
    try:
        connection.execute(f"attach '{_quoted(path)}' as {alias} (encryption_key $key)", secret)
    except duckdb.Error as error:
        text = str(error)
        if "encryption key" in text.lower():
            raise WrongKeyError(
                f"FIRMPULSE_{alias.upper()}_KEY (or the {alias}_key file) does not open "
                f"{path.name}; restore the key that the file was made with"
            ) from None
        if "lock" in text.lower():
            raise FileHeldError(
                f"{path.name} is held by another process; one process may open it at a time. "
                f"Wait for the running task, or read the published scores instead"
            ) from None
        raise
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _extension_path(name: str) -> str:
    package = resources.files(f"duckdb_extension_{name}")
    found = package / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not found.is_file():
        raise ConfigurationError(
            f"duckdb {duckdb.__version__} has no {name} extension installed beside it; "
            f"install duckdb-extension-{name}=={duckdb.__version__}"
        )
    return _quoted(Path(str(found)))
