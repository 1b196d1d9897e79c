"""Read YAML, with the C parser if PyYAML has it: it is eight times as fast."""

from pathlib import Path
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(text: str) -> Any:
    """Return the content of a YAML text; only plain values, no objects.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - both loaders are the safe ones


def read(path: Path) -> Any:
    """Return the content of a YAML file in UTF-8.

    Raises:
        yaml.YAMLError: it is not YAML.
        OSError: it cannot be read.
    """
    return parse(path.read_text(encoding="utf-8"))
