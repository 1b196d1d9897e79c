"""Bring the tokens of a database to the newest version of the token key.

Every UUID column of vault and warehouse is a token, and so is every text column `firm_id`. They are
changed in the copy that a renewal makes: the database has either all old tokens or all new ones,
and its `ops.token_key` shows which.
"""

import duckdb
from pydantic import SecretStr

from firmpulse import warehouse
from firmpulse.errors import WrongKeyError
from firmpulse.keys import envelope, keyring, renewal, tokens
from firmpulse.keys.renewal import RenewalReport, quoted
from firmpulse.settings import Settings


def version(settings: Settings, name: str) -> int | None:
    """Return the version of the tokens in `vault` or `warehouse`, or None.

    Raises:
        WrongKeyError: the token key is not the one with which they were made.
    """
    if not envelope.key_path(settings, name).exists():
        return None
    key = keyring.load(settings, "token_key")
    connection = warehouse.session()
    try:
        warehouse.configure(connection, settings)
        warehouse.attach(connection, settings, name)
        found = tokens.version_of(connection, name, key)
    finally:
        connection.close()
    if found == 0:
        raise WrongKeyError(
            f"no version of the token key is the key of the tokens in {name}.duckdb; restore the "
            f"key with which they were made"
        )
    return found


def advance(settings: Settings, name: str) -> RenewalReport | None:
    """Renew a database with its tokens in the newest version; None if they already are.

    Raises:
        WrongKeyError: see `version`.
    """
    key = keyring.load(settings, "token_key")
    present = version(settings, name)
    if present is None or present == len(tokens.versions(key)):
        return None
    return renewal.renew(settings, name, _Advanced(key, present))


class _Advanced:
    """Returns the queries that bring the tokens of a table to the newest version."""

    def __init__(self, key: SecretStr, present: int) -> None:
        self._key, self._present = key, present

    def __call__(
        self, connection: duckdb.DuckDBPyConnection, database: str, schema: str, table: str
    ) -> str:
        tokens.install_advance(connection, self._key, self._present)
        columns = connection.execute(
            "select column_name, data_type from duckdb_columns() where database_name = ? "
            "and schema_name = ? and table_name = ?",
            [database, schema, table],
        ).fetchall()
        changed = ", ".join(filter(None, (_advanced(*column) for column in columns)))
        rows = renewal.same_rows(connection, database, schema, table)
        return f"select * replace ({changed}) {rows}" if changed else rows


def _advanced(name: str, data_type: str) -> str | None:
    column = quoted(name)
    if data_type == "UUID":
        return f"advance({column}) as {column}"
    if data_type == "VARCHAR" and name == "firm_id":
        return f"cast(advance(cast({column} as uuid)) as varchar) as {column}"
    return None
