"""`firmpulse vault`: the keys of the encrypted files and of the tokens."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.progress import make_console
from consent import audit
from consent import retoken as ledger
from erasure import withdrawals
from firmpulse import warehouse
from firmpulse.airflow import homelock, servers, services
from firmpulse.errors import FileHeldError, NotReadyError
from firmpulse.keys import envelope, keyring, masterkeys, renewal, retoken, tokens
from firmpulse.keys.renewal import RenewalReport
from firmpulse.settings import Settings
from scoring import publish

_MIB = 1 << 20
_FACTS = ("size", "free blocks", "generation", "made", "data key", "master key")

app = typer.Typer(no_args_is_help=True, help="Keys of the encrypted files and the tokens.")


@app.command()
def rotate(
    master: Annotated[
        bool, typer.Option("--master", help="Change the master keys; the data are not rewritten.")
    ] = False,
    token_keys: Annotated[
        bool, typer.Option("--tokens", help="Bring all tokens to a new version of the token key.")
    ] = False,
) -> None:
    """Rewrite vault and warehouse under new data keys, or change master keys or tokens.

    After an interruption, call the same command again.
    """
    settings = Settings()
    with _undisturbed(settings):
        if master:
            _rotate_master(settings)
        if token_keys:
            _rotate_tokens(settings)
        if not (master or token_keys):
            _rotate_data(settings)


@app.command()
def status() -> None:
    """Show size, free blocks, generation and fingerprints of the keys; never a key."""
    settings, console = Settings(), make_console()
    present = [name for name in envelope.DATABASES if envelope.key_path(settings, name).exists()]
    if present:
        table = Table("", *present)
        for row in zip(_FACTS, *(_facts(settings, name) for name in present), strict=True):
            table.add_row(*row)
        console.print(table)
        version = len(tokens.versions(keyring.load(settings, "token_key")))
        console.print(f"token key: version {version}")
    else:
        console.print("there is no vault yet; it is made when the first grants come in")


@dataclass(frozen=True)
class _Space:
    bytes: int
    free_share: float


@contextmanager
def _undisturbed(settings: Settings) -> Iterator[None]:
    with homelock.alone(settings):
        if any(services.is_running(settings, name) for name in servers.NAMES if name != "mlflow"):
            raise FileHeldError(
                "Airflow runs on this home folder and may start a task at any time; "
                "stop it with: firmpulse down"
            )
        yield


def _rotate_data(settings: Settings) -> None:
    done = 0
    for name in envelope.DATABASES:
        if envelope.key_path(settings, name).exists():
            _tell(settings, name, renewal.renew(settings, name))
            done += 1
    if not done:
        raise NotReadyError("there is no vault yet; it is made when the first grants come in")


def _rotate_master(settings: Settings) -> None:
    for name in envelope.DATABASES:
        if masterkeys.change(settings, name):
            fingerprint = envelope.fingerprint(keyring.load(settings, f"{name}_key"))
            _record(settings, what="master_key", database=name, fingerprint=fingerprint)
            make_console().print(f"{name}: master key {fingerprint} is in force", markup=False)


def _rotate_tokens(settings: Settings) -> None:
    """Bring ledger, warehouse, published scores and vault to the newest version, in this order.

    The vault comes last: while it has the old version, everything else can be repeated.
    """
    present = retoken.version(settings, "vault")
    if present is None:
        raise NotReadyError("there are no tokens yet; they are made when the first grants come in")
    if present == len(tokens.versions(keyring.load(settings, "token_key"))):
        keyring.add_token_version(settings)
    firms = ledger.advance(settings, actor=audit.actor())
    moved = {"warehouse": retoken.advance(settings, "warehouse")}
    _publish_again(settings)
    moved["vault"] = retoken.advance(settings, "vault")
    for name, report in moved.items():
        if report is not None:
            _tell(settings, name, report)
    newest = len(tokens.versions(keyring.load(settings, "token_key")))
    make_console().print(f"tokens are of version {newest}; {firms:,} firms in the ledger")


def _publish_again(settings: Settings) -> None:
    # Reports are found by the token in their names, which is an old one.
    shutil.rmtree(settings.reports_dir / "firms", ignore_errors=True)
    newest = _newest_cleared(settings)
    if newest is not None:
        publish.publish_again(settings, withdrawals.withheld(settings), keep_previous=False)


def _newest_cleared(settings: Settings) -> date | None:
    with warehouse.connect(settings) as connection:
        found = connection.execute(
            "select max(as_of) from warehouse.scoring.cleared_nights"
        ).fetchall()
    newest: date | None = found[0][0]
    return newest


def _tell(settings: Settings, name: str, report: RenewalReport) -> None:
    _record(settings, what="data_key", database=name, generation=report.generation)
    make_console().print(
        f"{name}: generation {report.generation}, {_mib(report.bytes_before)} became "
        f"{_mib(report.bytes_after)} in {report.seconds:.1f} s; the old data key is destroyed",
        markup=False,
    )


def _record(settings: Settings, **details: Any) -> None:
    audit.append(settings, "ROTATE", actor=audit.actor(), **details)


def _facts(settings: Settings, name: str) -> tuple[str, ...]:
    space = _space(settings, name)
    (key,) = envelope.read(settings, name).keys
    master = envelope.fingerprint(keyring.load(settings, f"{name}_key"))
    return (
        _mib(space.bytes),
        f"{space.free_share:.0%}",
        str(key.generation),
        key.created_at,
        envelope.fingerprint(key.secret),
        master,
    )


def _space(settings: Settings, name: str) -> _Space:
    only_vault = name == "vault"
    with warehouse.connect(settings, vault=only_vault, warehouse=not only_vault) as connection:
        ((total, free),) = connection.execute(
            "select total_blocks, free_blocks from pragma_database_size() where database_name = ?",
            [name],
        ).fetchall()
    size = envelope.database_path(settings, name).stat().st_size
    return _Space(size, free / total if total else 0.0)


def _mib(size: int) -> str:
    return f"{size / _MIB:.1f} MiB"
