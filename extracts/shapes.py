"""Shapes of existing files that were not made for Firmpulse: deliver them into the inbox.

A shape says which file is which table and which header is which column. The files themselves
stay unchanged.
"""

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Literal

import pyarrow.compute
import pyarrow.parquet
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from consent import audit, datasets
from extracts import manifest
from firmpulse import yaml_files
from firmpulse.calendar import CHINA
from firmpulse.errors import ConfigurationError, ContractError, NotReadyError
from firmpulse.settings import Settings
from firmpulse.sources import GRANTED_SOURCES

FOLDER = Path(__file__).parent / "shapes"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ShapedFiles(_Strict):
    """Files of one table, found by a pattern under the folder."""

    pattern: str
    table: str
    format: Literal["csv", "parquet"]
    headers: Mapping[str, str] = {}
    constants: Mapping[str, str] = {}


class ShapedDelivery(_Strict):
    """What goes to one source."""

    source: str
    files: tuple[ShapedFiles, ...]


class FirmList(_Strict):
    """The file and the header that list every firm."""

    file: str
    header: str


class Shape(_Strict):
    """How the files of one provider become deliveries."""

    provider: str
    id_scheme: str
    delivered_at: AwareDatetime
    period_start: date
    period_end: date
    firms: FirmList
    deliveries: tuple[ShapedDelivery, ...]


def names() -> tuple[str, ...]:
    """Return the names of the shapes."""
    return tuple(path.stem for path in sorted(FOLDER.glob("*.yml")))


def load(name: str) -> Shape:
    """Return a shape by name.

    Raises:
        ConfigurationError: there is no such shape.
        ContractError: its file is malformed.
    """
    if name not in names():
        raise ConfigurationError(f"unknown shape {name}; use one of {', '.join(names())}")
    content = (FOLDER / f"{name}.yml").read_text(encoding="utf-8")
    try:
        return Shape.model_validate(yaml_files.parse(content))
    except ValidationError as error:
        raise ContractError(f"shape {name}: {error}") from None


def delivered_on(name: str) -> date:
    """Return the day on which a shape's files were handed over, in China."""
    return load(name).delivered_at.astimezone(CHINA).date()


def deliver(settings: Settings, name: str, folder: Path) -> list[str]:
    """Put the files of `folder` into the inbox and record grants for their firms.

    Returns:
        The delivery ids, in the order of the shape.

    Raises:
        NotReadyError: a file of the shape is not in the folder.
    """
    shape = load(name)
    delivered = [_deliver(settings, name, shape, part, folder) for part in shape.deliveries]
    sources = [part.source for part in shape.deliveries if part.source in GRANTED_SOURCES]
    if sources:
        datasets.grant(
            settings,
            dict(enumerate(sorted(set(_firms(shape, folder))), 1)),
            sources,
            because="the data set was published for research and teaching",
            actor=audit.actor(),
            text_version=datasets.OPEN_DATA,
        )
    return delivered


def _deliver(
    settings: Settings, name: str, shape: Shape, part: ShapedDelivery, folder: Path
) -> str:
    delivery_id = f"{name}-{part.source}"
    target = settings.inbox / part.source / delivery_id
    entries = []
    for files in part.files:
        found = sorted(folder.glob(files.pattern))
        if not found:
            raise NotReadyError(f"there is no {files.pattern} in the folder given for {name}")
        for path in found:
            inside = path.relative_to(folder)
            _place(path, target / inside)
            entries.append(_entry(path, inside, files))
    document = {
        "manifest_version": 1,
        "delivery_id": delivery_id,
        "source": part.source,
        "provider": shape.provider,
        "kind": "history",
        "period_start": shape.period_start.isoformat(),
        "period_end": shape.period_end.isoformat(),
        "delivered_at": shape.delivered_at.isoformat(),
        "id_scheme": shape.id_scheme,
        "files": entries,
    }
    text = json.dumps(document, ensure_ascii=False, indent=1)
    (target / manifest.NAME).write_text(text, encoding="utf-8")
    return delivery_id


def _place(path: Path, target: Path) -> None:
    """Link the file into the inbox, or copy it where the file systems differ."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def _entry(path: Path, inside: Path, files: ShapedFiles) -> dict[str, object]:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "name": inside.as_posix(),
        "table": files.table,
        "format": files.format,
        "sha256": digest,
        "rows": sum(1 for _ in _records(path)) if files.format == "csv" else _parquet_rows(path),
        "headers": dict(files.headers),
        "constants": dict(files.constants),
    }


def _records(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        yield from csv.DictReader(stream)


def _parquet_rows(path: Path) -> int:
    return int(pyarrow.parquet.read_metadata(path).num_rows)


def _firms(shape: Shape, folder: Path) -> Iterator[str]:
    path = folder / shape.firms.file
    if path.suffix == ".parquet":
        column = pyarrow.parquet.read_table(path, columns=[shape.firms.header]).column(0)
        values = pyarrow.compute.unique(column).to_pylist()
    else:
        values = [record[shape.firms.header] for record in _records(path)]
    return (f"{shape.id_scheme}:{value}" for value in values)
