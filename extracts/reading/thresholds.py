"""Thresholds and words for files that say nothing about themselves, from `thresholds.yml`."""

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
    """What `thresholds.yml` says."""

    # Rows among which the header is looked for.
    header_within: int
    # What a total row is called.
    totals: frozenset[str]
    # Characters that may be behind it.
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
