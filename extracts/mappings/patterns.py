"""Patterns of paths: the shortest one that takes the files of one kind and no other."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from firmpulse import uscc

_CODE = re.compile(r"(?<![0-9A-Z])[0-9A-Z]{18}(?![0-9A-Z])")
# What would be more than itself in a pattern, or cannot be written.
_OTHER = re.compile(r"[*?{}]")


def of_files(own: Sequence[str], names: Sequence[str]) -> str:
    """Return the shortest pattern that takes these files and no other of the folder."""
    if len(own) == 1:
        return _literal(own[0])
    for pattern in _patterns(own):
        shape = re.compile(re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*"))
        if {name for name in names if shape.fullmatch(name)} == set(own):
            return pattern
    # It takes others too; two patterns that take one file are told before anything is read.
    return "**/*"


def with_code(own: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the pattern with `{uscc}` where each path has a firm's code; null without one.

    Below a folder that is named by a code it takes files of any name, for those still to come, if
    the folder has no others.
    """
    shapes = set()
    for name in own:
        codes = [code for code in _CODE.findall(name) if uscc.may_be_issued(code)]
        if len(codes) != 1:
            return None
        shapes.add(name.replace(codes[0], "\0"))
    suffix = Path(own[0]).suffix
    if all(shape.startswith("\0/") and shape.count("/") == 1 for shape in shapes):
        wide = re.compile(rf"[0-9A-Z]{{18}}/[^/]*{re.escape(suffix)}")
        if {name for name in names if wide.fullmatch(name)} == set(own):
            return f"{{uscc}}/*{suffix}"
    if len(shapes) == 1:
        return _literal(shapes.pop()).replace("\0", "{uscc}")
    if all(Path(shape).name == f"\0{suffix}" for shape in shapes):
        return f"**/{{uscc}}{suffix}"
    return None


def _literal(name: str) -> str:
    """Return a pattern of one name: a sign that a pattern reads otherwise is any sign."""
    return "".join(c if c == "\0" or c.isprintable() else "?" for c in _OTHER.sub("?", name))


def _patterns(own: Sequence[str]) -> Iterator[str]:
    paths = [Path(name) for name in own]
    suffixes = {path.suffix for path in paths}
    end = suffixes.pop() if len(suffixes) == 1 else ""
    parents = {path.parent.as_posix() for path in paths}
    if len(parents) == 1:
        parent = parents.pop()
        inside = "" if parent == "." else f"{parent}/"
        yield f"{inside}*{end}"
        yield f"{inside}{_common([path.name for path in paths])}*{end}"
        yield f"{inside}*{_common_end([path.name for path in paths])}"
    elif all(path.parent.parent == Path() for path in paths):
        start, rest = _common(sorted(parents)), _common_end(sorted(parents))
        yield f"{start}*{rest}/*{end}"
        yield f"{start}*/*{end}"
        yield f"*{rest}/*{end}"
    yield f"**/*{end}"
    yield f"**/*{_common_end([path.name for path in paths])}"


def _common(texts: Sequence[str]) -> str:
    first = min(texts)
    last = max(texts)
    place = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    return first[:place]


def _common_end(texts: Sequence[str]) -> str:
    return _common([text[::-1] for text in texts])[::-1]
