"""SFTP through sshfs: login, and verification of the host key."""

import base64
import binascii
import logging
import struct
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem

from extracts.connectors.credentials import Credentials
from extracts.connectors.errors import Failures
from extracts.connectors.providers import SFTP_PORT, Place
from firmpulse.errors import ConfigurationError

_CONNECT_SECONDS = 30
# A peer that is silent for three times this long is considered dead.
_KEEPALIVE_SECONDS = 15


def failures() -> Failures:
    """Return which errors of the library are temporary and which are permanent."""
    import asyncssh

    return Failures(
        passing=(asyncssh.ConnectionLost, asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection),
        lasting=(asyncssh.Error,),
    )


def filesystem(place: Place, credentials: Credentials) -> AbstractFileSystem:
    """Connect; only the connection decides the identity, no file or agent of the machine.

    Raises:
        ConfigurationError: the connection lacks something, or the host key differs.
    """
    import asyncssh
    from sshfs import SSHFileSystem

    options = _options(place, credentials)
    # Its log names users and hosts at every step.
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    try:
        return SSHFileSystem(**options, skip_instance_cache=True)
    except asyncssh.HostKeyNotVerifiable:
        raise ConfigurationError(
            f"the host key of the server at {place.host} differs from the one that connection "
            f"{credentials.connection} names, or has another type; nothing was sent to it. "
            f"Ask the provider whether its key was changed, then correct host_key"
        ) from None
    except OSError as error:
        if error.errno is None and type(error) is OSError:
            # asyncio raises this when none of several addresses answers.
            raise ConnectionError from None
        raise


def _options(place: Place, credentials: Credentials) -> dict[str, Any]:
    if credentials.host not in (None, place.host):
        raise credentials.wrong(f"its host is not {place.host}; correct one of the two")
    if credentials.login is None:
        raise credentials.wrong("login is missing; it is the user at the provider's server")
    keys = _client_keys(credentials)
    if keys is None and credentials.password is None:
        raise credentials.wrong("it has neither password nor key_file nor private_key in extra")
    port = place.port or credentials.port or SFTP_PORT
    return {
        "host": place.host,
        "port": port,
        "username": credentials.login,
        "password": credentials.password,
        "client_keys": keys,
        "known_hosts": _known_hosts(place.host, port, credentials),
        "config": None,
        "agent_path": None,
        "gss_host": None,
        "connect_timeout": _CONNECT_SECONDS,
        "login_timeout": _CONNECT_SECONDS,
        "keepalive_interval": _KEEPALIVE_SECONDS,
    }


def _client_keys(credentials: Credentials) -> list[Any] | None:
    import asyncssh

    text, file = credentials.text("private_key"), credentials.text("key_file")
    passphrase = credentials.text("private_key_passphrase")
    if text is None and file is None:
        return None
    try:
        if text is not None:
            return [asyncssh.import_private_key(text, passphrase)]
        return [asyncssh.read_private_key(str(file), passphrase)]
    except OSError as error:
        raise credentials.wrong(f"key_file cannot be read ({type(error).__name__})") from None
    except ValueError:
        raise credentials.wrong(
            "its private key is neither in OpenSSH nor PEM form, or private_key_passphrase is "
            "wrong; a key with a passphrase must be in PEM form (PKCS8)"
        ) from None


def _known_hosts(host: str, port: int, credentials: Credentials) -> bytes | None:
    """Return the allowed host keys; null only where checking is explicitly switched off."""
    key, known = credentials.text("host_key"), credentials.text("known_hosts")
    if key is not None:
        return f"[{host}]:{port} {_typed(key, credentials)}\n".encode()
    if known is not None:
        return _lines(known, credentials)
    if credentials.is_set("no_host_key_check"):
        return None
    raise credentials.wrong(
        f"it names no host key of {host}; get one from the provider, compare it with: "
        f"ssh-keyscan -p {port} {host}, and put `type key` under host_key in extra"
    )


def _typed(key: str, credentials: Credentials) -> str:
    """Return a host key as `type data`; Airflow's connections may leave the type out."""
    import asyncssh

    words = key.split()
    try:
        if len(words) == 1:
            blob = base64.b64decode(words[0], validate=True)
            (length,) = struct.unpack(">I", blob[:4])
            words = [blob[4 : 4 + length].decode("ascii"), words[0]]
        asyncssh.import_public_key(" ".join(words[:2]))
    except (ValueError, struct.error, binascii.Error):
        raise credentials.wrong(
            "host_key is not a public key; write `ssh-ed25519 AAAA…` as ssh-keyscan prints it, "
            "without the host's name"
        ) from None
    return " ".join(words[:2])


def _lines(known: str, credentials: Credentials) -> bytes:
    """Return the lines of known_hosts; extra holds the lines or the path of a file."""
    if any(character.isspace() for character in known.strip()):
        return known.encode()
    try:
        return Path(known).expanduser().read_bytes()
    except OSError as error:
        raise credentials.wrong(f"known_hosts cannot be read ({type(error).__name__})") from None
