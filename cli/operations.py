"""`firmpulse up` and `firmpulse down`: Airflow and MLflow on this machine."""

import os
import subprocess
import sys
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from cli.progress import make_console
from firmpulse.airflow import environment, servers, services
from firmpulse.settings import Settings

# Attempts to create a backfill, a second apart.
_ATTEMPTS = 10


def up(
    airflow_port: Annotated[int, typer.Option(help="Port of Airflow; the next if taken.")] = 8080,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow; the next if taken.")] = 5000,
) -> None:
    """Start Airflow and MLflow on 127.0.0.1 and wait until they answer."""
    settings, console = Settings(), make_console()
    known = servers.running(settings)
    if known is None:
        console.print("Starting Airflow and MLflow; this takes about half a minute ...")
        known = servers.up(settings, airflow_port, mlflow_port)
        console.print("Both are up.")
    else:
        console.print("Airflow and MLflow are running already.")
    _show(known, settings, console)


def _show(known: servers.Addresses, settings: Settings, console: Console) -> None:
    console.print(
        f"\n[bold]Airflow[/]  {known.airflow}  "
        f"user {escape(known.user)}, password {escape(known.password)}"
    )
    # Its front page is about language models; this one has experiments and the model registry.
    console.print(f"[bold]MLflow[/]   {known.mlflow}/#/experiments?workflowType=machine_learning")
    console.print(f"Logs in {escape(str(settings.logs_dir))}; stop both with: firmpulse down\n")
    console.print("Run a night (the scheduler runs every night from now on):")
    print(*servers.trigger_lines(known, servers.newest_night(settings)), sep="\n")


def down() -> None:
    """Stop Airflow and MLflow and every process they started."""
    stopped = servers.down(Settings())
    text = f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running."
    make_console().print(text, markup=False)


def airflow(context: typer.Context) -> None:
    """Call Airflow's own command line with the settings of this home folder."""
    settings = Settings()
    server = services.find(settings, "airflow-api-server")
    port = int(server.address.rpartition(":")[2]) if server else environment.DEFAULT_PORT
    env = environment.environment(settings, port) | environment.server_secret(settings)
    command = [sys.executable, "-m", "airflow", *context.args]
    if context.args[:2] == ["backfill", "create"] and settings.airflow_url.startswith("sqlite"):
        raise typer.Exit(_until_not_locked(command, {**os.environ, **env}))
    os.execve(sys.executable, command, {**os.environ, **env})  # noqa: S606 - no shell


def _until_not_locked(command: list[str], env: dict[str, str]) -> int:
    """Run a command that Airflow rolls back when another process wrote to SQLite meanwhile."""
    for left in reversed(range(_ATTEMPTS)):
        done = subprocess.run(  # noqa: S603 - no shell
            command,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode == 0 or "database is locked" not in done.stdout or not left:
            break
        time.sleep(1)
    print(done.stdout, end="")
    return done.returncode


airflow_app = typer.Typer()
_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
airflow_app.command(context_settings=_PASSED_ON, add_help_option=False)(airflow)
