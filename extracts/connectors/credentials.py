"""Credentials of a provider: an Airflow connection, read where it is used and never shown."""

import json
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from firmpulse.airflow import environment
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings


@dataclass(frozen=True)
class Credentials:
    """An Airflow connection; printing shows only its id."""

    connection: str
    host: str | None = field(repr=False)
    port: int | None = field(repr=False)
    login: str | None = field(repr=False)
    password: str | None = field(repr=False)
    extra: Mapping[str, Any] = field(repr=False)

    def text(self, name: str) -> str | None:
        """Return a text of `extra`, null where it is absent or empty.

        Raises:
            ConfigurationError: it is not a text.
        """
        value = self.extra.get(name)
        if value is not None and not isinstance(value, str):
            raise self.wrong(f"extra.{name} must be text")
        return value or None

    def is_set(self, name: str) -> bool:
        """Whether a switch of `extra` is on; connections in URI form hold it as text."""
        value = self.extra.get(name, False)
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("true", "1"):
            return True
        if str(value).lower() in ("false", "0", ""):
            return False
        raise self.wrong(f"extra.{name} must be true or false")

    def wrong(self, what: str) -> ConfigurationError:
        """Return the error that this connection is wrong; `what` must not contain its values."""
        return ConfigurationError(f"Airflow connection {self.connection}: {what}")


def read(settings: Settings, connection: str) -> Credentials:
    """Return the credentials of an Airflow connection.

    In a task they come from any store that Airflow uses, including its database; on the command
    line from environment variables and the configured secrets backend.

    Raises:
        ConfigurationError: there is no such connection, or it cannot be read.
    """
    missing = (
        f"no Airflow connection {connection} can be read; set AIRFLOW_CONN_{connection.upper()} "
        f"or add it to Airflow's secrets backend (Airflow's own database serves DAG tasks only); "
        f"docs/connectors.md shows the forms"
    )
    # Imported without its environment, Airflow would write into the user's own home folder.
    alone = "airflow" not in sys.modules
    with environment.activated(settings) if alone else nullcontext():
        from airflow.sdk import Connection
        from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError

        try:
            found = Connection.get(connection)
        except (AirflowException, AirflowRuntimeError):
            raise ConfigurationError(missing) from None
    return Credentials(
        connection=connection,
        host=found.host or None,
        port=found.port or None,
        login=found.login or None,
        password=found.password or None,
        extra=_extra(connection, found.extra),
    )


def _extra(connection: str, text: str | None) -> Mapping[str, Any]:
    try:
        extra = json.loads(text) if text else {}
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise ConfigurationError(f"Airflow connection {connection}: extra is not a JSON object")
    return extra
