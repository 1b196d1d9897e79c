"""dbt-duckdb plugin: attaches the encrypted files and adds the macros of tokens and narratives.

The keys are bound as parameters here, so they are in no profile, compiled SQL or log.
"""

from typing import Any

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from firmpulse import narratives, warehouse
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings

# dbt builds its plugins itself, so the runner stores the caller's settings here. If dbt is
# started by hand, they come from the environment.
_current: Settings | None = None


def use(settings: Settings) -> None:
    """Use `settings` for the next connection."""
    global _current
    _current = settings


def _settings() -> Settings:
    return _current or Settings()


class Plugin(BasePlugin):  # type: ignore[misc] # dbt ships no types
    """Opens vault and warehouse for dbt."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Attach both files and create the macros, once per connection."""
        warehouse.prepare(conn, _settings(), vault=True, warehouse=True)
        narratives.install(conn)

    def configure_cursor(self, cursor: Any) -> None:
        """Set the variables of each cursor; macros belong to the connection."""
        tokens.give_key(cursor, keyring.load(_settings(), "token_key"))
