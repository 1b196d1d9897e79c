"""dbt-duckdb plugin: attaches the encrypted files and brings the macros of tokens and narratives.

The keys are bound as parameters here, so they stand in no profile, no compiled SQL and no log.
"""

from typing import Any

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from firmpulse import narratives, warehouse
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings

# dbt builds its plugins itself, so the runner leaves the caller's settings here. Where dbt is
# started by hand they come from the environment.
_current: Settings | None = None


def use(settings: Settings) -> None:
    """Make `settings` the ones that the next connection is opened with."""
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
        """Set the variables of each cursor; macros are the connection's."""
        tokens.give_key(cursor, keyring.load(_settings(), "token_key"))
