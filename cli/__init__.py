"""The `firmpulse` command; sits on top of all packages."""

import atexit
import gc
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cli.lazy import Lazy, group_of
from firmpulse.errors import FirmpulseError, is_disk_full

# Commands are imported when they are called: every call waits for what is imported here.
COMMANDS = {
    "run": Lazy(
        "cli.run:run",
        "Simulate firms and run the whole pipeline; called again, the next night only.",
    ),
    "simulate": Lazy(
        "cli.simulate:app",
        "Write simulated deliveries into the inbox: the history, then one more night per call.",
    ),
    "night": Lazy("cli.nightly:night", "Run the nightly DAG in this process; safe to repeat."),
    "arrivals": Lazy(
        "cli.nightly:arrivals",
        "Assess the firms that waiting deliveries touch, in this process; safe to repeat.",
    ),
    "train": Lazy(
        "cli.nightly:train",
        "Train, evaluate, validate and register a model version in this process.",
    ),
    "accept": Lazy(
        "cli.nightly:accept",
        "Accept a delivery that failed its checks; the next night continues with it.",
    ),
    "checks": Lazy(
        "cli.checks:app", "The checks of a night; accept a failure that is right as it is."
    ),
    "request": Lazy(
        "cli.pull:request",
        "Ask the providers that take requests for the firms with a grant in force; safe to repeat.",
    ),
    "pull": Lazy(
        "cli.pull:pull",
        "Bring the complete deliveries of the configured providers into the inbox; safe to repeat.",
    ),
    "onboard": Lazy(
        "cli.onboard:onboard",
        "Propose a mapping for unknown files, check it, and deliver by it.",
    ),
    "query": Lazy("cli.query:query", "Query the published scores, and note it in the audit chain."),
    "airflow": Lazy(
        "cli.operations:airflow_app",
        "Call Airflow's own command line with the settings of this home folder.",
    ),
    "up": Lazy(
        "cli.operations:up",
        "Start Airflow and MLflow on 127.0.0.1 and wait until they answer.",
    ),
    "down": Lazy("cli.operations:down", "Stop Airflow and MLflow and every process they started."),
    "status": Lazy(
        "cli.status:status",
        "Show whether last night worked, what is late and what needs attention.",
    ),
    "deliveries": Lazy(
        "cli.deliveries:deliveries",
        "Show the outcome of deliveries, newest first, or of one: verdict, counts, lines, rules.",
    ),
    "settings": Lazy(
        "cli.settings:settings",
        "List the settings in force; a key is never shown, nor a password in a URL.",
    ),
    "check-application": Lazy(
        "cli.applications:check_application",
        "Check name, USCC, founding date, licence number and industry; exit code 1 on any error.",
    ),
    "score": Lazy("cli.score:app", "Examine single scores."),
    "report": Lazy("cli.report:app", "Write the portfolio page and reports of firms."),
    "warnings": Lazy(
        "cli.warnings:app",
        "Early warnings: rules, levels, clearing, back-test. 预警管理",
    ),
    "override": Lazy(
        "cli.overrides:app", "Give a firm another grade: one person proposes, another decides."
    ),
    "lender": Lazy("cli.lender:app", "Send results to a lender; verify and open them there."),
    "real": Lazy("cli.real:app", "Run on real provider files."),
    "features": Lazy("cli.catalogue:app", "The features and their definitions."),
    "models": Lazy(
        "cli.models:app",
        "List, compare, promote and withdraw versions of the credit model.",
    ),
    "contracts": Lazy("cli.contracts:app", "The tables that providers deliver."),
    "firms": Lazy(
        "cli.accepted_codes:app",
        "Accept codes that a registry issued outside the standard.",
    ),
    "export": Lazy("cli.export:app", "Files for analysts that identify no single firm."),
    "vault": Lazy("cli.vault:app", "Keys of the encrypted files and the tokens."),
    "consent": Lazy(
        "cli.consent:app", "Grant, look at and revoke a firm's authorisations. 企业授权管理"
    ),
    "audit": Lazy("cli.audit:app", "The hash-chained record of what was done."),
    "backup": Lazy("cli.backup:app", "Copy all zones; verify, restore and destroy copies."),
}
app = typer.Typer(
    cls=group_of(COMMANDS),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Credit assessment of small firms from authorised extracts.",
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"firmpulse {version('firmpulse')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Make the app a group with the commands in `COMMANDS`."""


_LEAST_BYTES = 1 << 20
_NO_ROOM = "{} cannot be written; make room on its disk and call the command again"


def main() -> None:
    """Run the command; an expected error is one sentence on standard error and exit code 1."""
    # Other users of the machine may read nothing that this command or its servers write.
    os.umask(0o077)
    # Airflow alone makes millions of objects that live to the end. Collecting garbage among them
    # again and again, and once more at the end, takes a quarter of a short command's time.
    gc.set_threshold(100_000, 50, 50)
    atexit.register(gc.freeze)
    try:
        app()
    except FirmpulseError as error:
        home = _home()
        _fail(_NO_ROOM.format(home) if _has_no_room(home, error) else str(error))
    except Exception as error:
        if wrong := list(_wrong_settings(error)):
            _fail("; ".join(wrong))
        home = _home()
        if _has_no_room(home, error):
            _fail(_NO_ROOM.format(home))
        if not isinstance(error, OSError) or not Path(str(error.filename)).is_relative_to(home):
            raise
        _fail(f"{error.filename}: {error.strerror}; FIRMPULSE_HOME must be a folder to write into")


def _home() -> Path:
    from firmpulse.settings import Settings

    return Settings().root


def _has_no_room(home: Path, error: Exception) -> bool:
    """Whether a full disk caused an error; a library may wrap it in another error."""
    if is_disk_full(error):
        return True
    return home.exists() and shutil.disk_usage(home).free < _LEAST_BYTES


def _fail(text: str) -> NoReturn:
    from rich.markup import escape

    from cli.progress import make_console

    make_console(stderr=True).print(f"[bold red]firmpulse:[/] {escape(text)}")
    sys.exit(1)


def _wrong_settings(error: Exception) -> Iterator[str]:
    """Name each wrong variable and its problem; never its value, which may be a key."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError) and error.title == "Settings":
        for detail in error.errors():
            name = "_".join(str(part) for part in detail["loc"]).upper()
            yield f"FIRMPULSE_{name}: {detail['msg']}"
