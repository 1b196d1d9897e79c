"""Keyed tokens: HMAC-SHA-256 over `domain:value`, cut to 128 bits, kept as UUID.

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

# Its token tells one key from another.
_FIXED_TEXT = "firmpulse"

_HMAC_MACRO = """
create or replace temp macro token(domain, value) as
    case when value is not null then
        cast(left(sha256(
            getvariable('token_outer')
            || unhex(sha256(getvariable('token_inner') || encode(domain || ':' || value)))
        ), 32) as uuid)
    end
"""


def token(key: SecretStr, domain: str, value: str) -> uuid.UUID:
    """Return the token of one value; equal to the SQL macro `token(domain, value)`."""
    message = f"{domain}:{value}".encode()
    digest = hmac.new(bytes.fromhex(key.get_secret_value()), message, hashlib.sha256)
    return uuid.UUID(digest.hexdigest()[:32])


def firm_token(key: SecretStr, firm: str) -> uuid.UUID:
    """Return the firm_id of an identifier in the form `scheme:value`."""
    return token(key, FIRM_DOMAIN, firm)


def install(connection: duckdb.DuckDBPyConnection, key: SecretStr) -> None:
    """Make `token(domain, value)` available on this connection."""
    padded = bytes.fromhex(key.get_secret_value()).ljust(_BLOCK_BYTES, b"\0")
    inner = bytes(b ^ 0x36 for b in padded)
    outer = bytes(b ^ 0x5C for b in padded)
    connection.execute("set variable token_inner = $pad::blob", {"pad": inner})
    connection.execute("set variable token_outer = $pad::blob", {"pad": outer})
    connection.execute(_HMAC_MACRO)


def is_key_of(connection: duckdb.DuckDBPyConnection, database: str) -> bool:
    """Whether the installed key made the tokens of a database; the first key to come here did.

    `{database}.ops.token_key` keeps the token of a fixed text, made on first use.
    """
    table = f"{database}.ops.token_key"
    connection.execute(f"create table if not exists {table} (fixed_text_token uuid not null)")
    fixed = f"token('key', '{_FIXED_TEXT}')"
    connection.execute(f"insert into {table} select {fixed} where not exists (from {table})")
    query = f"select fixed_text_token = {fixed} from {table}"  # noqa: S608 — our own names
    return bool(connection.execute(query).fetchall()[0][0])
