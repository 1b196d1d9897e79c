"""Keyed tokens: HMAC-SHA-256 over `domain:value`, cut to 128 bits, kept as UUID.

The token key has versions. The token of version 1 is computed from the value, each later one from
the previous token. So a token is brought to the next version without its value, which may be purged
by then, and a new value gets the same token by going through all versions.

DuckDB has no HMAC function. HMAC is two nested hashes over padded keys (RFC 2104); the two pads
are session variables, so that neither the key nor a pad appears in any SQL text.
"""

import hashlib
import hmac
import uuid

import duckdb
from pydantic import SecretStr

_BLOCK_BYTES = 64
FIRM_DOMAIN = "firm"
# Domain of the tokens from which later versions are made.
_TOKEN_DOMAIN = "token"  # noqa: S105 - a name

# Its token identifies a key.
_FIXED_TEXT = "firmpulse"


def token(key: SecretStr, domain: str, value: str) -> uuid.UUID:
    """Return the token of one value; equal to the SQL macro `token(domain, value)`."""
    first, *later = versions(key)
    made = _hmac(first, f"{domain}:{value}")
    for secret in later:
        made = _hmac(secret, f"{_TOKEN_DOMAIN}:{made}")
    return made


def firm_token(key: SecretStr, firm: str) -> uuid.UUID:
    """Return the firm_id of an identifier in the form `scheme:value`."""
    return token(key, FIRM_DOMAIN, firm)


def advance(key: SecretStr, made: uuid.UUID, version: int) -> uuid.UUID:
    """Bring a token of a version to the newest one."""
    for secret in versions(key)[version:]:
        made = _hmac(secret, f"{_TOKEN_DOMAIN}:{made}")
    return made


def versions(key: SecretStr) -> tuple[bytes, ...]:
    """Return the key of each version, oldest first."""
    return tuple(bytes.fromhex(text) for text in key.get_secret_value().split(","))


def install(connection: duckdb.DuckDBPyConnection, key: SecretStr) -> None:
    """Make `token(domain, value)` available on this connection; see `give_key` for its cursors."""
    count = len(versions(key))
    give_key(connection, key)
    made = _hmac_sql(1, "domain || ':' || value")
    for version in range(2, count + 1):
        made = _step_sql(version, made)
    _create(connection, "token(domain, value)", "value", made)


def give_key(connection: duckdb.DuckDBPyConnection, key: SecretStr) -> None:
    """Set the key for a cursor of a connection that has the macros: it does not inherit it."""
    for version, secret in enumerate(versions(key), 1):
        padded = secret.ljust(_BLOCK_BYTES, b"\0")
        for side, mask in (("inner", 0x36), ("outer", 0x5C)):
            pad = bytes(byte ^ mask for byte in padded)
            connection.execute(f"set variable token_{side}_{version} = $pad::blob", {"pad": pad})


def install_advance(connection: duckdb.DuckDBPyConnection, key: SecretStr, version: int) -> None:
    """Make `advance(made)` available: it brings a token of `version` to the newest version."""
    give_key(connection, key)
    made = "made"
    for later in range(version + 1, len(versions(key)) + 1):
        made = _step_sql(later, made)
    _create(connection, "advance(made)", "made", made)


def is_key_of(connection: duckdb.DuckDBPyConnection, database: str) -> bool:
    """Whether the installed key made the tokens of a database; the first key used here did.

    `{database}.ops.token_key` keeps the token of a fixed text, made on first use.
    """
    table = f"{database}.ops.token_key"
    fixed = f"token('key', '{_FIXED_TEXT}')"
    connection.execute(
        f"insert into {table} (fixed_text_token) select {fixed} where not exists (from {table})"
    )
    query = f"select fixed_text_token = {fixed} from {table}"  # noqa: S608 — our own names
    return bool(connection.execute(query).fetchall()[0][0])


def version_of(connection: duckdb.DuckDBPyConnection, database: str, key: SecretStr) -> int | None:
    """Return the version of a database's tokens; 0 if another key made them, None without any."""
    found = connection.execute(f"from {database}.ops.token_key").fetchall()
    return _version_by_token(key).get(found[0][0], 0) if found else None


def _version_by_token(key: SecretStr) -> dict[uuid.UUID, int]:
    parts = key.get_secret_value().split(",")
    return {
        token(SecretStr(",".join(parts[:count])), "key", _FIXED_TEXT): count
        for count in range(1, len(parts) + 1)
    }


def _hmac(secret: bytes, message: str) -> uuid.UUID:
    return uuid.UUID(hmac.new(secret, message.encode(), hashlib.sha256).hexdigest()[:32])


def _hmac_sql(version: int, message: str) -> str:
    return (
        f"cast(left(sha256(getvariable('token_outer_{version}') || unhex(sha256("
        f"getvariable('token_inner_{version}') || encode({message})))), 32) as uuid)"
    )


def _step_sql(version: int, made: str) -> str:
    return _hmac_sql(version, f"'{_TOKEN_DOMAIN}:' || cast({made} as varchar)")


def _create(
    connection: duckdb.DuckDBPyConnection, signature: str, argument: str, made: str
) -> None:
    connection.execute(
        f"create or replace macro {signature} as case when {argument} is not null then {made} end"
    )
