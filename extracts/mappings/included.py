"""Mappings that come with the package, by the header of the files that they are for."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from extracts.mappings import files
from extracts.mappings.model import MappedFiles
from extracts.reading import headers


@dataclass(frozen=True)
class Included:
    """A block of an included mapping."""

    name: str
    block: MappedFiles


@cache
def all_blocks() -> tuple[Included, ...]:
    """Return the blocks of every included mapping."""
    return tuple(
        Included(path.stem, block)
        for path in sorted(files.INCLUDED.glob("*.yml"))
        for block in files.read(path).files
    )


def of(header: Sequence[str]) -> Included | None:
    """Return the included mapping with a header, in any order; null without one."""
    texts = sorted(map(headers.comparable, header))
    for one in all_blocks():
        if one.block.header and sorted(map(headers.comparable, one.block.header)) == texts:
            return one
    return None
