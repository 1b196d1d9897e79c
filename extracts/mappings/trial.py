"""Read a folder by its mapping without landing anything: what would land, what would not."""

import fcntl
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import duckdb

from extracts import contracts
from extracts.contracts import Contract
from extracts.manifest import NAME, DeliveredFile, Manifest, fitting_name
from extracts.mappings import found
from extracts.mappings.found import Found
from extracts.mappings.manifests import manifest_of
from extracts.mappings.model import ExportMapping
from extracts.mappings.seen import Seen, TriedTable
from extracts.reading import chunks, inspection, macros, row_sql, staging
from extracts.reading.chunks import Delivered
from extracts.reading.inspection import Inspected
from firmpulse import clock
from firmpulse.errors import DeliveryRefused, FileHeldError, FilesUnreadable, NotReadyError
from firmpulse.settings import Settings


@dataclass(frozen=True)
class Tried:
    """What a folder would bring."""

    tables: tuple[TriedTable, ...]
    # Files of the folder that no pattern of the mapping takes.
    others: tuple[str, ...]
    # Patterns of the mapping that take no file.
    without_files: tuple[str, ...]
    # Entries of manifests with their rows, by source.
    entries: Mapping[str, tuple[DeliveredFile, ...]]
    # Name in the manifest to the file.
    paths: Mapping[str, Path]

    @property
    def refused(self) -> tuple[tuple[str, str], ...]:
        """Files that cannot be taken, and why."""
        return tuple(refusal for table in self.tables for refusal in table.refused)

    @property
    def days(self) -> tuple[date, date] | None:
        """The first and the last day of a good row."""
        days = [d for t in self.tables for d in (t.first_day, t.last_day) if d is not None]
        return (min(days), max(days)) if days else None


def run(settings: Settings, mapping: ExportMapping, folder: Path) -> Tried:
    """Read every file of a folder that a mapping names.

    Raises:
        NotReadyError: the folder has none of them.
        ConfigurationError: two blocks of the mapping take the same file.
        FileHeldError: another trial runs in this home folder.
    """
    with scratch_of(settings) as scratch:
        return read(settings, mapping, found.files_in(folder), scratch)


def read(
    settings: Settings, mapping: ExportMapping, offered: Sequence[tuple[Path, str]], scratch: Path
) -> Tried:
    """Read those of the offered files, paths with names, that a mapping names.

    Raises:
        NotReadyError: it names none of them.
        ConfigurationError: two blocks of the mapping take the same file.
    """
    files = found.find(mapping, offered)
    if not files:
        patterns = ", ".join(block.pattern for block in mapping.files)
        raise NotReadyError(f"there is no {patterns} among the {len(offered)} files")
    with _reader(settings) as connection:
        tables, entries, paths = [], dict[str, list[DeliveredFile]](), dict[str, Path]()
        for table in dict.fromkeys(file.files.table for file in files):
            own = [file for file in files if file.files.table == table]
            contract = contracts.load()[table]
            reading = _Reading(connection, settings, mapping, contract, scratch)
            tried, accepted = reading.table(own, paths)
            tables.append(tried)
            entries.setdefault(contract.source, []).extend(accepted)
    taken = {file.name for file in files}
    numbers = {file.number for file in files}
    return Tried(
        tables=tuple(tables),
        others=tuple(fitting_name(name) for _, name in offered if name not in taken),
        without_files=tuple(
            block.pattern for n, block in enumerate(mapping.files, 1) if n not in numbers
        ),
        entries={source: tuple(listed) for source, listed in entries.items() if listed},
        paths=paths,
    )


@contextmanager
def scratch_of(settings: Settings) -> Iterator[Path]:
    """Yield a folder for copies of what is looked at; nothing of them stays.

    Raises:
        FileHeldError: another process has it.
    """
    folder = settings.inbox / ".trial"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileHeldError(
                "another firmpulse onboard runs in this home folder; wait for it to end"
            ) from None
        copies = folder / "copies"
        # A killed run may have left some.
        shutil.rmtree(copies, ignore_errors=True)
        copies.mkdir(mode=0o700)
        try:
            yield copies
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _reader(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a session in memory that writes nothing to disk: its rows are raw."""
    options: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": settings.memory_limit, "threads": str(settings.threads),
        "temp_directory": "", "preserve_insertion_order": "true",
    }  # fmt: skip
    with duckdb.connect(config=options) as connection:
        macros.install(connection)
        yield connection


@dataclass(frozen=True)
class _Reading:
    """How one table is tried."""

    connection: duckdb.DuckDBPyConnection
    settings: Settings
    mapping: ExportMapping
    contract: Contract
    scratch: Path

    def table(
        self, files: Sequence[Found], paths: dict[str, Path]
    ) -> tuple[TriedTable, list[DeliveredFile]]:
        """Read the files of the table; their names in a manifest go into `paths`."""
        refused, inspected = list[tuple[str, str]](), list[Inspected]()
        for file in files:
            name = _free(fitting_name(file.name), paths)
            try:
                listed = found.entry(file, name, self.scratch)
                put(file.path, self._place / name)
                inspected.append(self._inspected(listed, len(inspected) + 1))
            except DeliveryRefused as refusal:
                block = f"block {file.number} of the mapping, line {file.files.line}"
                refused.append((name, f"{refusal} ({block})"))
                continue
            except OSError as error:
                refused.append((name, f"it cannot be read ({type(error).__name__})"))
                continue
            paths[name] = file.path
        tried, entries = self._read(inspected)
        lines = tuple(dict.fromkeys(file.files.line for file in files))
        whole = replace(tried, files=len(files), refused=(*refused, *tried.refused), lines=lines)
        return whole, entries

    @property
    def _place(self) -> Path:
        return self.scratch / "files"

    def _inspected(self, file: DeliveredFile, number: int) -> Inspected:
        """Return an inspected file with its rows, as a provider would count them.

        Raises:
            DeliveryRefused: the file cannot be read.
        """
        copies = self.scratch / self.contract.table
        inspected = inspection.inspect(self._place, file, number, self.contract, copies)
        if file.format == "parquet":
            return inspected
        rows = len(inspected.broken_lines) + self._records(inspected)
        return replace(inspected, file=file.model_copy(update={"rows": rows}))

    def _records(self, file: Inspected) -> int:
        for table in ("broken_lines", "broken_scans"):
            self.connection.execute(f"drop table if exists {table}")
        try:
            (rows,) = self.connection.execute(row_sql.counting(file)).fetchall()[0]
        except staging.UNREADABLE as error:
            raise DeliveryRefused(
                f"the file cannot be read as {file.file.format} ({type(error).__name__})"
            ) from None
        (broken,) = self.connection.execute(
            "select count(distinct line) from broken_lines"
        ).fetchall()[0]
        return int(rows) + int(broken)

    def _read(self, inspected: list[Inspected]) -> tuple[TriedTable, list[DeliveredFile]]:
        """Read what would land, chunk by chunk as landing does; return the files that would."""
        entries = [file.file for file in inspected]
        manifest = manifest_of(self.mapping, self.contract.source, "trial", entries, at=clock.now())
        delivered = chunks.delivered(self.contract, dict(enumerate(entries, 1)), inspected)
        seen = None
        while seen is None:
            try:
                seen, refused = self._see(manifest, delivered)
            except FilesUnreadable as unreadable:
                delivered = delivered.without(unreadable.reasons)
        staging.drop(self.connection)
        refused = [*((file.name, file.reason) for file in delivered.refused), *refused]
        dropped = {
            name for chunk in delivered.chunks for file in chunk.files
            for name in file.layout.dropped
        }  # fmt: skip
        names = {name for name, _ in refused}
        kept = [file for file in entries if file.name not in names]
        return seen.table(tuple(refused), tuple(sorted(dropped))), kept

    def _see(self, manifest: Manifest, delivered: Delivered) -> tuple[Seen, list[tuple[str, str]]]:
        """Read the chunks of a table.

        Raises:
            FilesUnreadable: some files turn out to be damaged.
        """
        seen, refused = Seen(self.contract), list[tuple[str, str]]()
        for chunk in delivered.chunks:
            try:
                staged = staging.read(self.connection, manifest, delivered, chunk)
                seen.take(self.connection, staged)
            except staging.UNREADABLE:
                if reasons := staging.damaged(self.connection, chunk):
                    raise FilesUnreadable(reasons) from None
                raise
            refused += [(file.name, file.reason) for file in staged.refused]
        return seen, refused


def put(path: Path, target: Path) -> None:
    """Link a file to its place, or copy it where the file systems differ.

    Raises:
        OSError: it cannot be read.
    """
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(path.resolve())
    except OSError:
        shutil.copyfile(path, target)


def _free(name: str, taken: Mapping[str, Path]) -> str:
    """Return a name that no other file of the delivery has: two sheets come from one workbook."""
    path, number = Path(name), 1
    while name in taken or name == NAME:
        number += 1
        name = path.with_stem(f"{path.stem}~{number}").as_posix()
    return name
