"""S3 and compatible stores, through s3fs."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from fsspec import AbstractFileSystem

from extracts.connectors.credentials import Credentials
from extracts.connectors.errors import Failures

_CONNECT_SECONDS = 15
_READ_SECONDS = 60
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
# Ways to log in that Airflow's hook supports; ignoring one would use another identity.
_UNSUPPORTED = ("role_arn", "assume_role_method", "profile_name", "session_kwargs")


def failures() -> Failures:
    """Return which errors of the library are temporary and which are permanent."""
    import aiohttp
    from botocore import exceptions as botocore

    return Failures(
        passing=(
            aiohttp.ClientError,
            botocore.EndpointConnectionError,
            botocore.ConnectionClosedError,
            botocore.ConnectTimeoutError,
            botocore.ReadTimeoutError,
            botocore.IncompleteReadError,
            botocore.HTTPClientError,
        ),
        lasting=(botocore.BotoCoreError, botocore.ClientError),
    )


def filesystem(credentials: Credentials | None) -> AbstractFileSystem:
    """Return the filesystem; without credentials, with the machine's own identity.

    Raises:
        ConfigurationError: the connection lacks something.
    """
    from s3fs import S3FileSystem

    options = _options(credentials) if credentials else {}
    opened = S3FileSystem(
        **options,
        config_kwargs={
            "connect_timeout": _CONNECT_SECONDS,
            "read_timeout": _READ_SECONDS,
            "retries": {"total_max_attempts": 1},
        },
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    # Retries are counted in one place, see Store.
    opened.retries = 1
    return opened


def _options(credentials: Credentials) -> dict[str, Any]:
    for name in _UNSUPPORTED:
        if credentials.extra.get(name):
            raise credentials.wrong(
                f"extra.{name} is not supported; use an access key, or remove the connection to "
                f"use the machine's own identity"
            )
    key = credentials.login or credentials.text("aws_access_key_id")
    secret = credentials.password or credentials.text("aws_secret_access_key")
    if (key is None) != (secret is None):
        raise credentials.wrong("it has only one of access key (login) and secret (password)")
    client: dict[str, Any] = {"region_name": credentials.text("region_name")}
    if (verify := credentials.extra.get("verify")) is not None:
        client["verify"] = _verify(verify, credentials)
    return {
        "key": key,
        "secret": secret,
        "token": credentials.text("aws_session_token"),
        "endpoint_url": _endpoint(credentials),
        "client_kwargs": {name: value for name, value in client.items() if value is not None},
    }


def _verify(verify: object, credentials: Credentials) -> str:
    """Return the file of CA certificates; verification cannot be switched off."""
    if not isinstance(verify, str) or verify.lower() in ("false", "0", ""):
        raise credentials.wrong("extra.verify must be the path of a file of CA certificates")
    return verify


def _endpoint(credentials: Credentials) -> str | None:
    service = credentials.extra.get("service_config")
    s3 = service.get("s3") if isinstance(service, Mapping) else None
    url = s3.get("endpoint_url") if isinstance(s3, Mapping) else None
    url = url or credentials.text("endpoint_url")
    if not url:
        return None
    try:
        parts = urlsplit(str(url))
        port_is_a_number = parts.port is None or parts.port > 0
    except ValueError:
        port_is_a_number = False
    if not port_is_a_number or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        raise credentials.wrong("endpoint_url must be https://host[:port], without a user")
    plain_is_meant = parts.hostname in _LOOPBACK or credentials.is_set("allow_plain_http")
    if parts.scheme == "http" and not plain_is_meant:
        raise credentials.wrong(
            "endpoint_url is plain http, which anyone on the network can read; use https, or set "
            "allow_plain_http in extra for a network that you trust"
        )
    return str(url)
