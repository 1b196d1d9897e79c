"""The feature contract: definitions of the features of a frame or a model."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from features.registry import FeatureMeta

FILE = "features.json"


def to_json(features: Sequence[FeatureMeta], indent: int | None = None) -> str:
    """Return the definitions in order as a JSON list of objects."""
    content = [asdict(feature) for feature in features]
    return json.dumps(content, ensure_ascii=False, indent=indent, default=str)


def from_json(text: str) -> tuple[FeatureMeta, ...]:
    """Return the definitions written by `to_json`."""
    return tuple(_feature(content) for content in json.loads(text))


def _feature(content: dict[str, Any]) -> FeatureMeta:
    day = content.get("comparable_from")
    read = {
        "sources": tuple(content["sources"]),
        "comparable_from": None if day is None else date.fromisoformat(day),
        "bounds": tuple(content.get("bounds", (None, None))),
    }
    return FeatureMeta(**(content | read))


def save(features: Sequence[FeatureMeta], folder: Path) -> None:
    """Write the contract into an existing folder."""
    (folder / FILE).write_text(to_json(features, indent=1), encoding="utf-8")


def load(folder: Path) -> tuple[FeatureMeta, ...]:
    """Read the contract from its folder."""
    return from_json((folder / FILE).read_text(encoding="utf-8"))
