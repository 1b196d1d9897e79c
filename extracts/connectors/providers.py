"""The providers: where their deliveries are, and where requests go."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self
from urllib.parse import unquote, urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from extracts import contracts
from extracts.manifest import ProviderName
from firmpulse import yaml_files
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings

Scheme = Literal["file", "s3", "sftp"]
SFTP_PORT = 22


@dataclass(frozen=True)
class Place:
    """A folder of a provider."""

    scheme: Scheme
    # SFTP host or S3 bucket, empty for a local folder.
    host: str
    port: int | None
    # Absolute path without a trailing slash; for S3 the prefix of the keys, possibly empty.
    path: str

    @property
    def root(self) -> str:
        """The folder as the filesystem of its scheme names it."""
        return f"{self.host}{self.path}" if self.scheme == "s3" else self.path or "/"


def place(uri: str) -> Place:
    """Return the place that a URI names.

    Raises:
        ValueError: it has none of the three forms, or contains credentials; the message omits it.
    """
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URI; check host and port") from None
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise ValueError(
            "contains a user or password; put them into an Airflow connection, name it under "
            "`connection`, and change a password that was here"
        )
    if parts.query or parts.fragment:
        raise ValueError("must have neither ? nor #")
    path = unquote(parts.path).rstrip("/")
    if ".." in PurePosixPath(path).parts or not path.isprintable():
        raise ValueError("must not have .. or line breaks")
    if parts.scheme == "file" and not parts.netloc and path:
        return Place("file", "", None, path)
    if parts.scheme == "s3" and parts.hostname and port is None:
        return Place("s3", parts.netloc, None, path)
    if parts.scheme == "sftp" and parts.hostname:
        return Place("sftp", parts.hostname, port, path)
    raise ValueError("must be file:///folder, s3://bucket/prefix or sftp://host[:port]/folder")


def _is_place(uri: str) -> str:
    place(uri)
    return uri


def _is_printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError("must not have line breaks")
    return name


Uri = Annotated[str, AfterValidator(_is_place)]


class Provider(BaseModel):
    """One provider of one source."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    # What its manifests call it; begins with `sim-` where its firms are simulated.
    name: Annotated[ProviderName, Field(min_length=1), AfterValidator(_is_printable)]
    source: str
    # Contains one folder per delivery.
    uri: Uri
    # Airflow connection with the credentials.
    connection: Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9_]*$")] | None = None
    # Mapping of plain files; empty for a provider that puts manifests.
    mapping: Annotated[str, Field(pattern="^[a-z0-9_-]+$", max_length=64)] | None = None
    # Where requests are put; empty for a provider that needs none.
    request_uri: Uri | None = None
    # Consecutive tries that may fail without progress.
    attempts: int = Field(default=5, ge=1, le=20)
    # Wait before the second try; doubles with each try, up to a minute.
    first_wait_seconds: float = Field(default=2.0, ge=0, le=60)

    @field_validator("source")
    @classmethod
    def _is_known(cls, source: str) -> str:
        known = dict.fromkeys(contract.source for contract in contracts.load().values())
        if source not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return source

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.place.scheme == "sftp" and self.connection is None:
            raise ValueError("an sftp:// uri needs `connection`, an Airflow connection")
        if self.place.scheme == "file" and self.connection is not None:
            raise ValueError("a file:// uri has no credentials; remove `connection`")
        other = self.request_place
        mine = (self.place.scheme, self.place.scheme == "sftp" and self.place.host, self.place.port)
        if other and (other.scheme, other.scheme == "sftp" and other.host, other.port) != mine:
            raise ValueError("request_uri must have the scheme, host and port of uri")
        return self

    @cached_property
    def place(self) -> Place:
        """Where its deliveries are."""
        return place(self.uri)

    @cached_property
    def request_place(self) -> Place | None:
        """Where requests are put."""
        return place(self.request_uri) if self.request_uri else None


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    version: Literal[1]
    providers: list[Provider]

    @model_validator(mode="after")
    def _has_no_twins(self) -> Self:
        seen: set[tuple[str, str]] = set()
        for number, provider in enumerate(self.providers, 1):
            if (provider.source, provider.name) in seen:
                raise ValueError(f"provider {number} has the name and source of an earlier one")
            seen.add((provider.source, provider.name))
        return self


def load(settings: Settings, source: str | None = None) -> tuple[Provider, ...]:
    """Return the configured providers, of one source if it is named; none without a file.

    Raises:
        ConfigurationError: the file is wrong; the message names the place, not the value.
    """
    path = settings.providers_path
    if not path.exists() and settings.providers is None:
        return ()
    document = _document(path)
    try:
        found = _File.model_validate(document).providers
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(
            f"{path.name}: {where + ': ' if where else ''}{first['msg']}; docs/connectors.md "
            f"shows a file"
        ) from None
    return tuple(provider for provider in found if source in (None, provider.source))


def _document(path: Path) -> object:
    try:
        return yaml_files.read(path)
    except FileNotFoundError:
        raise ConfigurationError(
            f"FIRMPULSE_PROVIDERS names {path}, which does not exist; write it or unset it"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; make it readable") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{path.name} is not YAML in UTF-8{line}; correct it") from None
