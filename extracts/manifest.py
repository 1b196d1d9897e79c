"""What a provider says about a delivery: `manifest.json` beside its files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from extracts.contracts import Contract
from firmpulse.calendar import CHINA
from firmpulse.errors import DeliveryRefused

NAME = "manifest.json"


class DeliveredFile(BaseModel):
    """One file of a delivery."""

    model_config = ConfigDict(frozen=True)

    name: str
    table: str
    format: Literal["csv", "parquet"]
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    rows: int = Field(ge=0)
    # Header in this file to contract column, where it is none of the contract's aliases.
    headers: Mapping[str, str] = {}
    # Contract columns that the file does not carry, as text.
    constants: Mapping[str, str] = {}

    @field_validator("name")
    @classmethod
    def _stays_inside(cls, name: str) -> str:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or name in ("", "."):
            raise ValueError("must be a path inside the delivery")
        return name


class Manifest(BaseModel):
    """One hand-over by a provider."""

    model_config = ConfigDict(frozen=True)

    manifest_version: Literal[1]
    delivery_id: str = Field(min_length=1)
    source: str
    provider: str
    kind: Literal["history", "increment"]
    period_start: date
    period_end: date
    delivered_at: AwareDatetime
    # How the provider identifies firms; `uscc` codes are checked, others are taken as they are.
    id_scheme: str = Field(default="uscc", pattern="^[a-z][a-z0-9_]*$")
    # Empty when the night brought nothing.
    files: tuple[DeliveredFile, ...]

    @property
    def delivered_on(self) -> date:
        """The day of the delivery in China."""
        return self.delivered_at.astimezone(CHINA).date()


@dataclass(frozen=True)
class DeliveryRef:
    """A delivery that waits in the inbox."""

    source: str
    delivery_id: str
    folder: Path
    manifest_sha256: str
    # Null when the manifest cannot be read; `problem` then says why.
    manifest: Manifest | None
    problem: str | None

    @property
    def delivered_at(self) -> datetime | None:
        """When the provider handed it over, null for an unreadable manifest."""
        return self.manifest.delivered_at if self.manifest else None


def read(folder: Path, source: str, contracts: Mapping[str, Contract]) -> DeliveryRef:
    """Return the delivery in `folder`; a wrong manifest becomes its `problem`."""
    content = (folder / NAME).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    try:
        manifest = _checked(content, folder.name, source, contracts)
    except DeliveryRefused as refusal:
        return DeliveryRef(source, folder.name, folder, digest, None, str(refusal))
    return DeliveryRef(source, folder.name, folder, digest, manifest, None)


def _checked(
    content: bytes, folder_name: str, source: str, contracts: Mapping[str, Contract]
) -> Manifest:
    try:
        manifest = Manifest.model_validate(json.loads(content.decode("utf-8-sig")))
    except ValidationError as error:
        raise DeliveryRefused(f"the manifest is wrong: {_first(error)}") from None
    except ValueError:
        raise DeliveryRefused("the manifest is not JSON in UTF-8; send it again") from None
    if manifest.delivery_id != folder_name:
        raise DeliveryRefused("the manifest's delivery_id is not the name of its folder")
    if manifest.source != source:
        raise DeliveryRefused(f"the manifest's source is not {source}, the folder it lies in")
    for number, file in enumerate(manifest.files, 1):
        contract = contracts.get(file.table)
        if contract is None or contract.source != source:
            known = ", ".join(name for name, c in contracts.items() if c.source == source)
            raise DeliveryRefused(f"file {number} is for no table of {source}; known are {known}")
    names = [file.name for file in manifest.files]
    if len(set(names)) < len(names):
        raise DeliveryRefused("the manifest names a file twice")
    return manifest


def _first(error: ValidationError) -> str:
    """Say where and what, without the value: a manifest may carry anything."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "manifest"
    return f"{place}: {first['msg']}"
