"""`firmpulse backup`: copy all zones, verify and restore copies, destroy those with erased rows."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.markup import escape

from cli.progress import make_console
from erasure import withdrawals
from firmpulse.keys import keyring as master_keys
from firmpulse.settings import Settings
from operations import backup
from operations.backup import Backup
from scoring import publish

app = typer.Typer(no_args_is_help=True, help="Copy all zones; verify, restore and destroy copies.")
Copy = Annotated[Path, typer.Argument(help="Folder of the copy.", exists=True, file_okay=False)]
Keys = Annotated[Path, typer.Option("--keys", help="Folder of its wrapped data keys.")]


@app.command()
def make(
    to: Annotated[Path, typer.Option(help="Folder in which the copy gets its own folder.")],
    keys_to: Annotated[Path, typer.Option(help="A different place, for the wrapped data keys.")],
) -> None:
    """Copy all zones while tasks wait and analysts keep reading."""
    made = backup.make(Settings(), to, keys_to)
    console = make_console()
    console.print(f"[bold]{escape(str(made.folder))}[/]  {made.bytes / 1e6:,.0f} MB")
    console.print(f"its data keys: {escape(str(made.key_folder))}; keep them apart")
    console.print("Not in it: the master keys, the inbox, published scores and reports.")


@app.command()
def verify(folder: Copy, keys: Keys) -> None:
    """Restore a copy into a temporary folder, with the present master keys, and compare."""
    settings = Settings()
    names = ("vault_key", "warehouse_key", "token_key", "audit_key")
    with TemporaryDirectory(prefix="firmpulse-verify-") as temporary:
        secrets = {name: master_keys.load(settings, name) for name in names}
        elsewhere = settings.model_copy(update={"home": Path(temporary) / "home", **secrets})
        found = backup.restore(elsewhere, folder, keys)
    _tell("verified", found)


@app.command()
def restore(folder: Copy, keys: Keys) -> None:
    """Put a copy into an empty home folder, verify it and publish its scores again."""
    settings = Settings()
    found = backup.restore(settings, folder, keys)
    publish.publish_again(settings, withdrawals.withheld(settings))
    _tell("restored", found)
    make_console().print(
        f"[yellow]What firms granted or withdrew after {found.made_at} is not in it[/]: put those "
        f"grants into the inbox, and withdraw again, before a night runs."
    )


@app.command()
def forget(
    keys: Annotated[Path, typer.Option("--keys", help="Folder with the keys of all copies.")],
) -> None:
    """Destroy the keys of copies made before the last erasure or rotation: no one can read them."""
    gone = backup.forget(Settings(), keys)
    text = f"Ended: {', '.join(gone)}." if gone else "No copy is older than the keys in force."
    make_console().print(text, markup=False)


def _tell(what: str, found: Backup) -> None:
    make_console().print(
        f"{what}: copy of {found.made_at}, {len(found.rows)} tables, "
        f"{sum(found.rows.values()):,} rows",
        markup=False,
    )
