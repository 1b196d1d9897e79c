"""`firmpulse lender`: signed and encrypted results for a lender, and how the lender opens them."""

import csv
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from cli.dates import not_ahead
from cli.progress import make_console
from firmpulse import clock
from firmpulse.calendar import CHINA
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings
from scoring.bundles import hand_over, sealed

app = typer.Typer(
    no_args_is_help=True, help="Send results to a lender; verify and open them there."
)
Recipient = Annotated[str, typer.Argument(help="Recipient as named in the grants.")]
Sender = Annotated[Path, typer.Option("--sender-key", help="The sender's public key, PEM.")]
File = Annotated[Path, typer.Argument(help="The bundle.")]


@app.command()
def add(
    recipient: Recipient,
    public_key: Annotated[Path, typer.Option(help="The recipient's public key, PEM.")],
) -> None:
    """Register a recipient's public key; compare its fingerprint over another channel."""
    found = hand_over.register(Settings(), recipient, _read(public_key))
    make_console().print(f"{recipient}: key {found}", highlight=False)


@app.command("public-key")
def public_key() -> None:
    """Print the key with which recipients verify bundles, and its fingerprint."""
    key = hand_over.signing_key(Settings()).public_key()
    typer.echo(sealed.to_pem(key).decode(), nl=False)
    make_console(stderr=True).print(f"fingerprint {sealed.fingerprint(key)}", highlight=False)


@app.command()
def bundle(
    recipient: Recipient,
    as_of: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], callback=not_ahead, help="Night.")
    ],
    to: Annotated[Path, typer.Option(help="File to write, or the folder for it.")],
) -> None:
    """Write one night's results for a recipient: only firms whose grants name it."""
    settings = Settings()
    if to.is_dir():
        to = to / f"firmpulse-{recipient}-{as_of:%Y-%m-%d}.fpb"
    if to.resolve().is_relative_to(settings.root):
        raise ConfigurationError(
            f"{to} is in the home folder, from which firms are erased; choose another folder"
        )
    made = hand_over.bundle(settings, recipient, as_of.date(), clock.now().astimezone(CHINA))
    _write(to, made.content)
    make_console().print(
        f"{to}: {made.firms} firms for {recipient}, {made.left_out} left out, sha256 of the "
        f"contents {made.sha256}",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def keygen(to: Annotated[Path, typer.Option(help="Folder for the two keys.")]) -> None:
    """On the lender's side: make a key pair; the public key goes to the sender."""
    private = to / "bundle_private.pem"
    if private.exists():
        raise ConfigurationError(f"{private} exists; bundles for it would be unreadable without it")
    _make_folder(to)
    key = X25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(private, pem)
    _write(to / "bundle_public.pem", sealed.to_pem(key.public_key()))
    make_console().print(
        f"{private} stays here; send {to / 'bundle_public.pem'} to the sender and read out its "
        f"fingerprint: {sealed.fingerprint(key.public_key())}",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def verify(file: File, sender_key: Sender) -> None:
    """Check that a bundle is what its sender signed; nothing is decrypted."""
    header = sealed.verify(_read(file), sealed.verification_key(_read(sender_key)))
    make_console().print(
        f"signed by {header.sender_key} for {header.recipient}: {header.firms} firms as of "
        f"{header.as_of}, made {header.created_at}",
        highlight=False,
    )


@app.command("open")
def open_bundle(
    file: File,
    private_key: Annotated[Path, typer.Option(help="The recipient's private key, PEM.")],
    sender_key: Sender,
    to: Annotated[Path, typer.Option(help="Folder for the tables, CSV in UTF-8.")],
) -> None:
    """On the lender's side: verify a bundle, decrypt it and write its tables."""
    found = sealed.unseal(
        _read(file), sealed.verification_key(_read(sender_key)),
        sealed.decryption_key(_read(private_key)),
    )  # fmt: skip
    _make_folder(to)
    for name, rows in found.items():
        _write_csv(to / f"{name}.csv", rows)
        make_console().print(f"{to / f'{name}.csv'}: {len(rows)} rows", highlight=False)


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    # With a BOM, so that Excel shows Chinese.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        path.chmod(0o600)
        if rows:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: object) -> object:
    return ";".join(map(str, value)) if isinstance(value, list) else value


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; choose another --to") from None


def _write(path: Path, content: bytes) -> None:
    _make_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o600)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; choose another --to") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
