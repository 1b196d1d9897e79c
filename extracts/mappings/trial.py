"""Read a folder by its mapping without landing anything: what would land, what would not."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from extracts import contracts
from extracts.contracts import Contract
from extracts.manifest import DeliveredFile, DeliveryRef, Manifest
from extracts.mappings import found
from extracts.mappings.found import Found
from extracts.mappings.model import ExportMapping
from extracts.reading import chunks, inspection, macros, row_sql, staging
from extracts.reading.inspection import Inspected
from extracts.reading.sql import ident
from firmpulse import clock
from firmpulse.errors import DeliveryRefused, NotReadyError
from firmpulse.settings import Settings

# Rows of a preview.
SHOWN = 5
# Texts of a column that are shown if none of them is known.
TEXTS_SHOWN = 12


@dataclass(frozen=True)
class Problem:
    """Rows that would go to quarantine for one reason."""

    column: str
    rule: str
    value_class: str
    rows: int
    # Line and file of the first.
    file: str
    line: int
    # Unknown texts of an enum with their rows; null where the contract does not let them out.
    texts: Mapping[str, int] | None


@dataclass(frozen=True)
class TriedTable:
    """What one table of a delivery would bring."""

    table: str
    files: int
    # Name of a refused file, and why.
    refused: tuple[tuple[str, str], ...]
    rows: int
    good: int
    # Lines that are no rows.
    not_rows: int
    firms: int
    first_day: date | None
    last_day: date | None
    problems: tuple[Problem, ...]
    # Contract column to the texts of some rows, null where the contract keeps it in the vault.
    preview: Mapping[str, tuple[str, ...] | None]
    # Headers of files that are not read.
    dropped: tuple[str, ...]


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
    """
    files = found.find(mapping, folder)
    if not files:
        patterns = ", ".join(files.pattern for files in mapping.files)
        raise NotReadyError(f"there is no {patterns} in {folder}")
    found.one_per_path(files)
    with _scratch(settings) as scratch, _reader(settings) as connection:
        tables, entries, paths = [], dict[str, list[DeliveredFile]](), dict[str, Path]()
        for table in dict.fromkeys(file.files.table for file in files):
            own = [file for file in files if file.files.table == table]
            contract = contracts.load()[table]
            reading = _Reading(connection, settings, mapping, contract, folder, scratch)
            tried, accepted = reading.table(own, paths)
            tables.append(tried)
            entries.setdefault(contract.source, []).extend(accepted)
    taken = {file.name for file in files}
    numbers = {file.number for file in files}
    return Tried(
        tables=tuple(tables),
        others=tuple(
            name
            for path in sorted(folder.rglob("*"))
            if path.is_file() and (name := path.relative_to(folder).as_posix()) not in taken
        ),
        without_files=tuple(
            files.pattern for n, files in enumerate(mapping.files, 1) if n not in numbers
        ),
        entries={source: tuple(listed) for source, listed in entries.items()},
        paths=paths,
    )


@contextmanager
def _scratch(settings: Settings) -> Iterator[Path]:
    """Yield a folder for copies, beside those of landing; it is removed afterwards."""
    folder = settings.inbox / ".trial"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
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
    folder: Path
    scratch: Path

    def table(
        self, files: Sequence[Found], paths: dict[str, Path]
    ) -> tuple[TriedTable, list[DeliveredFile]]:
        """Read the files of the table; their names in a manifest go into `paths`."""
        refused, entries = list[tuple[str, str]](), list[DeliveredFile]()
        for file in files:
            try:
                listed = found.entry(file, self.scratch)
                counted = listed.model_copy(update={"rows": self._rows(listed)})
            except DeliveryRefused as refusal:
                refused.append((file.name, str(refusal)))
                continue
            name = _free(file.name, paths)
            paths[name] = file.path
            entries.append(counted.model_copy(update={"name": name}))
        tried = self._read(entries, paths)
        return replace(tried, files=len(files), refused=(*refused, *tried.refused)), entries

    def _rows(self, file: DeliveredFile) -> int:
        """Return the rows of a file, as a provider would count them.

        Raises:
            DeliveryRefused: the file cannot be read.
        """
        inspected = inspection.inspect(self.folder, file, 1, self.contract, self.scratch)
        if file.format == "parquet":
            return file.rows
        return len(inspected.broken_lines) + self._records(inspected)

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

    def _read(self, entries: Sequence[DeliveredFile], paths: Mapping[str, Path]) -> TriedTable:
        """Read what would land, chunk by chunk as landing does."""
        place = self.scratch / "files"
        for file in entries:
            link = place / file.name
            link.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            link.unlink(missing_ok=True)
            put(paths[file.name], link)
        manifest = manifest_of(self.mapping, self.contract.source, "trial", entries)
        ref = DeliveryRef(self.contract.source, "trial", place, "", manifest, None)
        delivered = chunks.inspect(
            ref, manifest, self.contract, self.scratch / "copies", self.settings.threads
        )
        seen = _Seen(self.contract)
        refused = [(file.name, file.reason) for file in delivered.refused]
        for chunk in delivered.chunks:
            staged = staging.read(self.connection, manifest, delivered, chunk)
            refused += [(file.name, file.reason) for file in staged.refused]
            seen.take(self.connection, staged)
        staging.drop(self.connection)
        dropped = {
            name for chunk in delivered.chunks for file in chunk.files
            for name in file.layout.dropped
        }  # fmt: skip
        return seen.table(tuple(refused), tuple(sorted(dropped)))


class _Seen:
    """What was read of one table."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._rows = self._good = self._not_rows = 0
        self._firms: set[str] = set()
        self._days: list[date] = []
        self._problems: dict[tuple[str, str, str], list[Any]] = {}
        self._texts: dict[tuple[str, str, str], Counter[str]] = {}
        self._preview: list[tuple[Any, ...]] = []

    def take(self, connection: duckdb.DuckDBPyConnection, staged: staging.Staged) -> None:
        self._rows += staged.rows + staged.broken_lines
        self._not_rows += sum(staged.named.values())
        good, first, last = connection.execute(
            f"select count(*), min(event_at), max(event_at) from {staging.ROWS} "  # noqa: S608 — our own names
            "where finding is null"
        ).fetchall()[0]
        self._good += good
        self._days += [day for day in (first, last) if day is not None]
        self._firms |= {
            firm for (firm,) in connection.execute(
                f"select distinct firm from {staging.ROWS} where finding is null"  # noqa: S608 — our own names
            ).fetchall()
        }  # fmt: skip
        self._take_problems(connection, staged)
        if len(self._preview) < SHOWN:
            columns = ", ".join(f"{ident(c.name)}::varchar" for c in self._contract.columns)
            self._preview += connection.execute(
                f"select {columns} from {staging.ROWS} where finding is null limit {SHOWN}"  # noqa: S608 — quoted
            ).fetchall()

    def _take_problems(self, connection: duckdb.DuckDBPyConnection, staged: staging.Staged) -> None:
        for name, line, finding in connection.execute(
            f"select file_no, line, finding from {staging.ROWS} where finding is not null "  # noqa: S608 — our own names
            f"union all select file_no, line, finding from {staging.BROKEN} order by 1, 2"
        ).fetchall():
            told = json.loads(finding)
            key = (told["column"] or "", told["rule"], told["value_class"])
            found = self._problems.setdefault(key, [0, staged.names[name], line])
            found[0] += 1
            if text := self._leaves(told):
                self._texts.setdefault(key, Counter())[text] += 1

    def _leaves(self, told: Mapping[str, Any]) -> str | None:
        """Return the cell of an unknown text, if the contract keeps its column."""
        column = next((c for c in self._contract.columns if c.name == told["column"]), None)
        if told["rule"] != "enum" or column is None or column.mask != "keep" or column.personal:
            return None
        text = told["record"].get(column.name)
        return str(text)[:40] if text is not None else None

    def table(self, refused: tuple[tuple[str, str], ...], dropped: tuple[str, ...]) -> TriedTable:
        problems = [
            Problem(
                *key, rows=count, file=file, line=line,
                texts=dict(self._texts[key].most_common(TEXTS_SHOWN)) if key in self._texts
                else None,
            )
            for key, (count, file, line) in self._problems.items()
        ]  # fmt: skip
        preview = {
            column.name: tuple("" if row[at] is None else str(row[at]) for row in self._preview)
            if column.mask == "keep" and not column.personal else None
            for at, column in enumerate(self._contract.columns)
            if any(row[at] is not None for row in self._preview)
        }  # fmt: skip
        return TriedTable(
            table=self._contract.table,
            files=0,
            refused=refused,
            rows=self._rows,
            good=self._good,
            not_rows=self._not_rows,
            firms=len(self._firms),
            first_day=min(self._days, default=None),
            last_day=max(self._days, default=None),
            problems=tuple(sorted(problems, key=lambda problem: -problem.rows)),
            preview=preview,
            dropped=dropped,
        )


def manifest_of(
    mapping: ExportMapping,
    source: str,
    delivery_id: str,
    entries: Sequence[DeliveredFile],
    **others: Any,
) -> Manifest:
    """Return the manifest of a delivery; `others` are its kind, its period and its time."""
    today = clock.today()
    return Manifest(
        manifest_version=1,
        delivery_id=delivery_id,
        source=source,
        provider=mapping.provider,
        id_scheme=mapping.id_scheme,
        files=tuple(entries),
        **{
            "kind": "history", "period_start": mapping.period_start or today,
            "period_end": mapping.period_end or today,
            "delivered_at": mapping.delivered_at or clock.now(), **others,
        },
    )  # fmt: skip


def put(path: Path, target: Path) -> None:
    """Link a file to its place, or copy it where the file systems differ."""
    try:
        target.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, target)


def _free(name: str, taken: Mapping[str, Path]) -> str:
    """Return a name that no other file of the delivery has: two sheets come from one workbook."""
    path, number = Path(name), 1
    while name in taken:
        number += 1
        name = path.with_stem(f"{path.stem}~{number}").as_posix()
    return name


def digest(entries: Sequence[DeliveredFile]) -> str:
    """Return four letters that depend on the content of the files alone."""
    content = hashlib.sha256("".join(sorted(file.sha256 for file in entries)).encode()).hexdigest()
    return "".join(chr(ord("a") + int(character, 16)) for character in content[:4])
