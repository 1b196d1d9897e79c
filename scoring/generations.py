"""Every publication in separate files, with links to the newest.

DuckDB follows a link before it names the files that it writes beside a database. So leftovers of a
client, such as the write-ahead log of a killed one, are beside the file of one publication, and
never affect the next one, which has another name. Other files in the folder are not touched.
"""

import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

# Link to the folder of Parquet files in the folder of scores.
PARQUET = "parquet"
_BUILDING, _TURNING = "building", "turning"
# Our number, then suffixes of files that DuckDB's clients write beside a file.
_NUMBERED = r"-(?P<number>[0-9a-f]{12})(?:\..*)?"


def begin(folder: Path) -> Path:
    """Return a new folder for building a publication; removes leftovers of a crash."""
    folder.mkdir(parents=True, exist_ok=True)
    for left, _ in _ours(folder, (_BUILDING, _TURNING)):
        _remove(left)
    building = folder / f"{_BUILDING}-{uuid.uuid4().hex[:12]}"
    building.mkdir()
    return building


def put_out(building: Path, database: Path, *, keep_previous: bool) -> None:
    """Point the links to the new publication, and remove earlier ones.

    Args:
        building: the folder from `begin`, with the database and its Parquet copies.
        database: link that readers open; `building` contains a file of this name.
        keep_previous: keep the last publication for its readers; an erasure does not.
    """
    folder, number = building.parent, building.name.removeprefix(f"{_BUILDING}-")
    targets = {
        database: folder / f"{database.stem}-{number}{database.suffix}",
        folder / PARQUET: folder / f"{PARQUET}-{number}",
    }
    previous = {link.readlink().name for link in targets if link.is_symlink()}
    (building / database.name).rename(targets[database])
    building.rename(targets[folder / PARQUET])
    for link, target in targets.items():
        _turn(link, target, number)
    published = tuple(_ours(folder, (database.stem, PARQUET)))
    kept = {number}
    if keep_previous:
        kept |= {of_number for old, of_number in published if old.name in previous}
    # Leftovers of a database that was not a link, as in a copy that followed links.
    beside = (*folder.glob(f"{database.name}.wal*"), *folder.glob(f"{database.name}.tmp"))
    for old in (*(old for old, of_number in published if of_number not in kept), *beside):
        _remove(old, must=not keep_previous)


def _turn(link: Path, target: Path, number: str) -> None:
    if link.is_dir() and not link.is_symlink():
        # A copy of a home folder that followed links has the files here.
        shutil.rmtree(link)
    turning = link.with_name(f"{_TURNING}-{number}")
    turning.symlink_to(target.name)
    turning.replace(link)


def _ours(folder: Path, kinds: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    """Yield the files of publications and of their clients, each with its number."""
    pattern = re.compile(rf"(?:{'|'.join(kinds)}){_NUMBERED}")
    for path in sorted(folder.iterdir()):
        if found := pattern.fullmatch(path.name):
            yield path, found["number"]


def _remove(path: Path, *, must: bool = True) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        # A client may still be writing there; the next publication removes it.
        if must:
            raise
