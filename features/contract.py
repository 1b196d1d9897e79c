"""The feature contract: definitions of the features of a frame or a model."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from features.registry import FeatureMeta

FILE = "features.json"


def to_json(features: Sequence[FeatureMeta], indent: int | None = None) -> str:
    """Return the definitions in order as a JSON list of objects."""
    content = [asdict(feature) for feature in features]
    return json.dumps(content, ensure_ascii=False, indent=indent)


def from_json(text: str) -> tuple[FeatureMeta, ...]:
    """Return the definitions written by `to_json`."""
    return tuple(
        FeatureMeta(**(feature | {"sources": tuple(feature["sources"])}))
        for feature in json.loads(text)
    )


def save(features: Sequence[FeatureMeta], folder: Path) -> None:
    """Write the contract into an existing folder."""
    (folder / FILE).write_text(to_json(features, indent=1), encoding="utf-8")


def load(folder: Path) -> tuple[FeatureMeta, ...]:
    """Read the contract from its folder."""
    return from_json((folder / FILE).read_text(encoding="utf-8"))
