"""A parsed firm's report: tables row by row, tiles, lists, and all other texts."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import lxml.html

Cells = tuple[str, ...]


def _by_section() -> dict[int, list[Any]]:
    return defaultdict(list)


@dataclass
class Page:
    """The content of a page by section; section 0 is what comes before the first."""

    rows: dict[int, list[Cells]] = field(default_factory=_by_section)
    # Label and value.
    facts: dict[int, list[Cells]] = field(default_factory=_by_section)
    meters: dict[int, list[Cells]] = field(default_factory=_by_section)
    # Label, value and note.
    tiles: dict[int, list[Cells]] = field(default_factory=_by_section)
    items: dict[int, list[str]] = field(default_factory=_by_section)
    charts: dict[int, list[str]] = field(default_factory=_by_section)
    # Every other text.
    texts: dict[int, list[str]] = field(default_factory=_by_section)


def read(html: str) -> Page:
    """Parse a page."""
    page, section = Page(), 0
    for element in lxml.html.fromstring(html).iter():
        name = str(element.get("id") or "")
        if name.startswith("s") and name[1:].isdigit():
            section = int(name[1:])
        _take(page, section, element)
    return page


def _take(page: Page, section: int, element: Any) -> None:
    kinds = str(element.get("class") or "").split()
    children = tuple(text_of(child) for child in element)
    if element.tag == "tr":
        page.rows[section].append(children)
    elif element.tag == "dl":
        page.facts[section] += list(zip(children[::2], children[1::2], strict=True))
    elif "meter" in kinds:
        page.meters[section].append((children[0], children[-1]))
    elif "tile" in kinds:
        page.tiles[section].append(children)
    elif element.tag == "li":
        page.items[section].append(text_of(element))
    elif "chart" in kinds:
        page.charts[section].append(text_of(element))
    elif element.tag in ("p", "h1", "h2", "h3", "caption"):
        page.texts[section].append(text_of(element))


def text_of(element: Any) -> str:
    """Return all its text, blanks joined."""
    return " ".join(str(element.text_content()).split())
