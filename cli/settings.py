"""`firmpulse settings`: every variable, its value and its purpose."""

from pydantic import SecretStr
from rich.table import Table
from rich.text import Text
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from cli.progress import make_console
from firmpulse.settings import Settings


def settings() -> None:
    """List the settings in force; a key is never shown, nor a password in a URL."""
    current = Settings()
    table = Table("variable", "in force", "meaning")
    for name, field in Settings.model_fields.items():
        shown = "" if (value := getattr(current, name)) is None else _shown(value)
        where = "" if name in current.model_fields_set else "  (default)"
        table.add_row(
            Text(f"FIRMPULSE_{name.upper()}"), Text(shown + where), Text(field.description or "")
        )
    make_console().print(table)


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return "set"
    try:
        return make_url(str(value)).render_as_string(hide_password=True)
    except ArgumentError:
        return str(value)
