"""Thresholds and words for files that do not describe themselves, from `thresholds.yml`."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from firmpulse import yaml_files

_FILE = Path(__file__).with_name("thresholds.yml")


@dataclass(frozen=True)
class Encoding:
    """When text counts as Chinese."""

    sample: int
    chinese_share: float
    sure_share: float
    sure_letters: int


@dataclass(frozen=True)
class Reading:
    """Contents of `thresholds.yml`."""

    # Rows that are searched for the header.
    header_within: int
    # Labels of a total row.
    totals: frozenset[str]
    # Characters that may follow the label.
    counted_in: str
    encoding: Encoding


@cache
def load() -> Reading:
    """Return the file."""
    content = yaml_files.read(_FILE)
    return Reading(
        header_within=content["header_within"],
        totals=frozenset(content["totals"]),
        counted_in=content["counted_in"],
        encoding=Encoding(**content["encoding"]),
    )
