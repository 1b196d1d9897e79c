"""YAML of texts alone, whose every value has a line.

A mapping holds account numbers, dates and words such as `no`. YAML would read `0062` as the number
50 and `12:30` as 750, so every value stays the text that was written, and only `null` is none.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

Place = tuple[str | int, ...]

_MOST_BYTES = 1 << 20
_DEEPEST = 20
# Controls but for tab and line ends, and halves of surrogate pairs.
_UNUSUAL = ("Cc", "Cs")


class _Texts(yaml.SafeLoader):
    """Reads every plain value as text, but null, ~ and nothing."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the class's own kind of setting
        first: [("tag:yaml.org,2002:null", re.compile("(?:~|null|Null|NULL|)$"))]
        for first in ("~", "n", "N", "")
    }


class NotTexts(Exception):
    """The text is no YAML of texts; the message says why, `line` where if known."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.line = line


def read(text: str) -> tuple[yaml.Node | None, Any]:
    """Return the nodes of a YAML text, and its values.

    Raises:
        NotTexts: it is not YAML, or has references, tags, control characters or great depth.
    """
    if len(text) > _MOST_BYTES:
        raise NotTexts(f"has more than {_MOST_BYTES:,} characters; is it a mapping?", None)
    try:
        _check(text)
        loader = _Texts(text)
        node = loader.get_single_node()
        return node, loader.construct_document(node) if node else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise NotTexts(f"is not YAML: {error.problem}; correct it", line) from None
    except yaml.YAMLError:
        raise NotTexts("is not YAML: it has a control character; remove it", None) from None


def _check(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Texts):
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise NotTexts("has a reference (& or *); write the value itself, or quote it", line)
        if getattr(event, "tag", None):
            raise NotTexts("has a tag (!); write the value alone, or quote it", line)
        if isinstance(event, yaml.ScalarEvent) and _is_unusual(event.value):
            raise NotTexts("has a control character; remove it", line)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise NotTexts(f"has more than {_DEEPEST} levels; correct it", line)


def _is_unusual(text: str) -> bool:
    return any(unicodedata.category(c) in _UNUSUAL and c not in "\t\n\r" for c in text)


def line_of(node: yaml.Node | None, place: Sequence[str | int]) -> int:
    """Return the line of the value at a place, or of the nearest one around it."""
    line = node.start_mark.line + 1 if node else 1
    for part in place:
        found = _inside(node, part)
        if found is not None:
            key, node = found
            line = key.start_mark.line + 1
    return line


def known_part(node: yaml.Node | None, place: Sequence[str | int]) -> Place:
    """Return a place without the names of kinds that pydantic adds between its parts."""
    kept = list[str | int]()
    for part in place:
        found = _inside(node, part)
        if found is not None:
            node = found[1]
            kept.append(part)
    return tuple(kept)


def repeated(node: yaml.Node | None, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Yield keys that stand twice in one block: YAML would keep the last one without a word."""
    if isinstance(node, yaml.MappingNode):
        counts = Counter(key.value for key, _ in node.value)
        yield from (
            ((*place, key), "stands here twice; leave one") for key, n in counts.items() if n > 1
        )
        for key, value in node.value:
            yield from repeated(value, (*place, key.value))
    if isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from repeated(value, (*place, number))


def _inside(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((k, v) for k, v in node.value if k.value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None
