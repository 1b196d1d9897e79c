"""Erase what is left of a firm in the inbox: files that did not land, and pulls that broke off.

Whatever could be landed has gone through the gate and is not here any more. A file that stayed
behind and names a firm that is going, or cannot be searched, is destroyed whole: its rows of other
firms were never taken, and the provider sends them again.
"""

import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow
import pyarrow.parquet

from firmpulse import uscc
from firmpulse.settings import Settings

_TEXT_SUFFIXES = frozenset({".csv", ".json", ".jsonl", ".txt", ".tsv"})
# A manifest has no cells of a firm; the gate of deliveries keeps identifiers out of its texts.
_KEPT = "manifest.json"
_ENCODINGS = ("utf-8-sig", "gb18030")
_CHUNK_CHARACTERS = 8 << 20


@dataclass(frozen=True)
class Destroyed:
    """A file of the inbox that was destroyed."""

    # Source and folder of the delivery: the name of the file may itself be an identifier.
    place: str
    # Firms that it named; all that are going where it could not be searched.
    firm_ids: tuple[str, ...]


def erase(settings: Settings, identifiers: Mapping[str, str]) -> tuple[Destroyed, ...]:
    """Destroy what names a firm; `identifiers` is firm_id → scheme:value.

    Files of transient copies and broken pulls go in any case.
    """
    if not identifiers or not settings.inbox.is_dir():
        return ()
    for leftover in (settings.inbox / ".reading", *settings.inbox.glob("*/.pulling")):
        shutil.rmtree(leftover, ignore_errors=True)
    _rewrite_grants(settings.inbox / "consent", identifiers.values())
    destroyed = []
    for path in sorted(_files(settings.inbox)):
        if found := _named_in(path, identifiers):
            folder = path.relative_to(settings.inbox).parts[:2]
            path.unlink()
            destroyed.append(Destroyed("inbox/" + "/".join(folder), found))
    return tuple(destroyed)


def _files(inbox: Path) -> Iterator[Path]:
    for path in inbox.rglob("*"):
        is_grant = path.is_relative_to(inbox / "consent")
        if path.is_file() and not path.is_symlink() and path.name != _KEPT and not is_grant:
            yield path


def _named_in(path: Path, identifiers: Mapping[str, str]) -> tuple[str, ...]:
    wanted = {_folded(firm.partition(":")[2]): firm_id for firm_id, firm in identifiers.items()}
    try:
        found = {value for text in _texts(path) for value in wanted if value in text}
    except (OSError, ValueError, pyarrow.ArrowException):
        return tuple(sorted(identifiers))
    return tuple(sorted(wanted[value] for value in found))


def _texts(path: Path) -> Iterator[str]:
    """Yield a file's content, folded, in pieces that no identifier is cut by.

    Raises:
        ValueError: the file's kind cannot be searched.
    """
    yield _folded(path.name)
    if path.suffix.lower() in _TEXT_SUFFIXES:
        yield from _text_file(path)
    elif path.suffix.lower() == ".parquet":
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from (_folded("\n".join(map(str, c.to_pylist()))) for c in batch.columns)
    else:
        raise ValueError("only texts and Parquet can be searched")


def _text_file(path: Path) -> Iterator[str]:
    for encoding in _ENCODINGS:
        try:
            with path.open(encoding=encoding) as stream:
                while stream.read(_CHUNK_CHARACTERS):
                    pass
        except UnicodeDecodeError:
            continue
        with path.open(encoding=encoding) as stream:
            rest = ""
            while chunk := stream.read(_CHUNK_CHARACTERS):
                text = rest + _folded(chunk)
                yield text
                rest = text[-256:]
        return
    raise ValueError("the text is in no known encoding")


def _folded(text: str) -> str:
    """Fold as the reading of a code does: half-width upper case, no spaces, hyphens, guards."""
    return uscc.normalise(unicodedata.normalize("NFKC", text))


def _rewrite_grants(folder: Path, firms: Iterable[str]) -> None:
    """Leave out the lines of a grants file that name a firm."""
    wanted = {_folded(firm.partition(":")[2]) for firm in firms}
    for path in folder.glob("*.jsonl") if folder.is_dir() else ():
        lines = path.read_bytes().splitlines(keepends=True)
        kept = [
            line
            for line in lines
            if not any(value in _folded(line.decode("utf-8", "replace")) for value in wanted)
        ]
        if len(kept) < len(lines):
            part = path.with_suffix(".part")
            part.write_bytes(b"".join(kept))
            part.replace(path)
