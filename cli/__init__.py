"""The `firmpulse` command; sits on top of all packages."""

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer
from pydantic import ValidationError
from rich.markup import escape

from cli import (
    accepted_codes,
    applications,
    audit,
    backup,
    catalogue,
    consent,
    contracts,
    deliveries,
    export,
    lender,
    models,
    nightly,
    operations,
    overrides,
    pull,
    query,
    real,
    report,
    run,
    score,
    settings,
    simulate,
    status,
    vault,
    warnings,
)
from cli.progress import make_console
from firmpulse.errors import FirmpulseError, is_disk_full
from firmpulse.settings import Settings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Credit assessment of small firms from authorised extracts.",
)
for module in (
    run,
    simulate,
    nightly,
    pull,
    query,
    score,
    report,
    warnings,
    overrides,
    lender,
    real,
    catalogue,
    models,
    contracts,
    operations,
    status,
    deliveries,
    settings,
    applications,
    accepted_codes,
    export,
    vault,
    consent,
    audit,
    backup,
):
    module.register(app)


_LEAST_BYTES = 1 << 20
_NO_ROOM = "{} cannot be written; make room on its disk and call the command again"


def main() -> None:
    """Run the command; an expected error is one sentence on standard error and exit code 1."""
    # Nothing that this command or its servers write is for other users of the machine.
    os.umask(0o077)
    try:
        app()
    except FirmpulseError as error:
        home = Settings().root
        _fail(_NO_ROOM.format(home) if _has_no_room(home, error) else str(error))
    except ValidationError as error:
        if error.title != Settings.__name__:
            raise
        _fail("; ".join(_wrong_setting(detail) for detail in error.errors()))
    except Exception as error:
        home = Settings().root
        if _has_no_room(home, error):
            _fail(_NO_ROOM.format(home))
        if not isinstance(error, OSError) or not Path(str(error.filename)).is_relative_to(home):
            raise
        _fail(f"{error.filename}: {error.strerror}; FIRMPULSE_HOME must be a folder to write into")


def _has_no_room(home: Path, error: Exception) -> bool:
    """Whether an error comes of a full disk; a library may hide it behind one of its own."""
    if is_disk_full(error):
        return True
    return home.exists() and shutil.disk_usage(home).free < _LEAST_BYTES


def _fail(text: str) -> NoReturn:
    make_console(stderr=True).print(f"[bold red]firmpulse:[/] {escape(text)}")
    sys.exit(1)


def _wrong_setting(detail: "ErrorDetails") -> str:
    """Name the variable and what is wrong with it; never its value, which may be a key."""
    name = "_".join(str(part) for part in detail["loc"]).upper()
    return f"FIRMPULSE_{name}: {detail['msg']}"
