"""Erase what is left of a firm in the inbox: refused files and interrupted pulls.

A waiting delivery is left to the gate, which drops the firm's rows when it lands. A refused file
that names a firm to be erased, or cannot be searched, is destroyed as a whole: its rows of other
firms never landed, and the provider sends them again.
"""

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path

import pyarrow
import pyarrow.parquet

from extracts import contracts, manifest
from firmpulse.identifiers import folded, folded_value
from firmpulse.settings import Settings

_TEXT_SUFFIXES = frozenset({".csv", ".json", ".jsonl", ".txt", ".tsv"})
_MANIFEST = "manifest.json"
# A folder without a manifest is being filled; after this long it is abandoned.
_ABANDONED_SECONDS = 86_400
_ENCODINGS = ("utf-8-sig", "gb18030")
_CHUNK_CHARACTERS = 8 << 20


@dataclass(frozen=True)
class Destroyed:
    """A file of the inbox that was destroyed."""

    # Source and folder of the delivery; the file name may itself be an identifier.
    place: str
    # Firms that it named; all firms to be erased if it could not be searched.
    firm_ids: tuple[str, ...]


@dataclass(frozen=True)
class Reach:
    """A firm to be erased, and the sources in whose folders its files are erased."""

    firm_id: str
    # scheme:value.
    firm: str
    sources: frozenset[str]
    everywhere: bool


def erase(settings: Settings, on: date, going: Sequence[Reach]) -> tuple[Destroyed, ...]:
    """Destroy refused files that name a firm, and all transient copies and broken pulls."""
    if not going or not settings.inbox.is_dir():
        return ()
    copies = (settings.inbox / ".reading", settings.inbox / ".trial")
    for leftover in (*copies, *settings.inbox.glob("*/.pulling")):
        shutil.rmtree(leftover, ignore_errors=True)
    _rewrite_refused_grants(settings.inbox / "consent", [reach.firm for reach in going])
    destroyed: list[Destroyed] = []
    for folder in sorted(settings.inbox.glob("*/*")):
        source = folder.parent.name
        reached = {r.firm_id: r.firm for r in going if r.everywhere or source in r.sources}
        if reached and source != "consent" and folder.is_dir() and not _waits(folder, source, on):
            destroyed += _erase_from(folder, f"inbox/{source}/{folder.name}", reached)
    return tuple(destroyed)


def _waits(folder: Path, source: str, on: date) -> bool:
    """Whether a delivery is still being filled, or was handed over after the day of the erasure."""
    if not (folder / _MANIFEST).exists():
        changed = max((p.stat().st_mtime for p in folder.rglob("*")), default=0.0)
        return time.time() - changed < _ABANDONED_SECONDS
    ref = manifest.read(folder, source, contracts.load())
    return ref.manifest is not None and ref.manifest.delivered_on > on


def _erase_from(folder: Path, place: str, reached: Mapping[str, str]) -> list[Destroyed]:
    destroyed = []
    constants = _constants(folder)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or path.is_symlink():
            continue
        # A firm may be named by the folder of its files, or for all rows by the manifest.
        if found := _named_in(path, [name, *constants.get(name, ())], reached):
            path.unlink()
            destroyed.append(Destroyed(place, found))
    return destroyed


def _constants(folder: Path) -> Mapping[str, tuple[str, ...]]:
    """Return the values that the manifest says of all rows of a file, by its name."""
    ref = manifest.read(folder, folder.parent.name, contracts.load())
    files = ref.manifest.files if ref.manifest else ()
    return {file.name: tuple(file.constants.values()) for file in files}


def _named_in(path: Path, told: Sequence[str], identifiers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the firms that a file names, in its content or in what is told of it."""
    wanted = {folded_value(firm): firm_id for firm_id, firm in identifiers.items()}
    try:
        texts = chain(map(folded, told), _texts(path))
        found = {value for text in texts for value in wanted if value in text}
    except (OSError, ValueError, pyarrow.ArrowException):
        return tuple(sorted(identifiers))
    return tuple(sorted(wanted[value] for value in found))


def _texts(path: Path) -> Iterator[str]:
    """Yield a file's content, folded, in pieces that do not split an identifier.

    Raises:
        ValueError: the file's kind cannot be searched.
    """
    if path.suffix.lower() in _TEXT_SUFFIXES:
        yield from _text_file(path)
    elif path.suffix.lower() == ".parquet":
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from (folded("\n".join(map(str, c.to_pylist()))) for c in batch.columns)
    else:
        raise ValueError("only text and Parquet files can be searched")


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
                text = rest + folded(chunk)
                yield text
                rest = text[-256:]
        return
    raise ValueError("the text is in no known encoding")


def _rewrite_refused_grants(folder: Path, firms: Iterable[str]) -> None:
    """Remove refused grant lines that name a firm; new lines were already imported."""
    wanted = {folded_value(firm) for firm in firms}
    path = folder / "grants.refused.jsonl"
    if not path.is_file():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    texts = [folded(line.decode("utf-8", "replace")) for line in lines]
    kept = [
        line
        for line, text in zip(lines, texts, strict=True)
        if not any(value in text for value in wanted)
    ]
    part = path.with_suffix(".part")
    part.write_bytes(b"".join(kept))
    part.replace(path)
