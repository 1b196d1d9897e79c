"""Divide the files of a delivery into chunks that are landed one after the other."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from extracts.contracts import Contract
from extracts.manifest import DeliveredFile, DeliveryRef, Manifest
from extracts.reading import inspection
from extracts.reading.inspection import Inspected
from extracts.reading.table_bounds import Skipped
from firmpulse.errors import DeliveryRefused

# Rows that are read, judged and stored at once; bounds memory for any delivery.
CHUNK_ROWS = 1_000_000


@dataclass(frozen=True)
class RefusedFile:
    """A refused file: its ordinal in the manifest, its name, the reason."""

    number: int
    name: str
    reason: str


@dataclass(frozen=True)
class Chunk:
    """Files of one layout that are read together, or some rows of one Parquet file."""

    files: tuple[Inspected, ...]
    # Counted from 0; null for all rows of all files.
    rows: range | None = None

    @property
    def counts(self) -> Mapping[int, int]:
        """Rows of each file, by ordinal."""
        if self.rows is not None:
            return {self.files[0].number: len(self.rows)}
        return {file.number: file.file.rows for file in self.files}


@dataclass(frozen=True)
class Delivered:
    """One table of a delivery, inspected but not yet read."""

    contract: Contract
    chunks: tuple[Chunk, ...]
    refused: tuple[RefusedFile, ...]
    # Name and announced rows of each file of the table, by ordinal.
    names: Mapping[int, str]
    rows: Mapping[int, int]
    columns_dropped: int

    def without(self, unreadable: Mapping[int, str]) -> "Delivered":
        """Return the table without the given unreadable files; `reasons` are recorded."""
        own = {n: reason for n, reason in unreadable.items() if n in self.names}
        files = {file.number: file for chunk in self.chunks for file in chunk.files}
        return replace(
            self,
            chunks=tuple(_chunks(file for n, file in files.items() if n not in own)),
            refused=(*self.refused, *(RefusedFile(n, self.names[n], own[n]) for n in own)),
        )

    def skipped(
        self, refused: Collection[int], named: Mapping[int, int]
    ) -> Mapping[tuple[int, str], Skipped]:
        """Return the lines that are no rows of the files that are not refused, by number and name.

        `named` has the number of those that a mapping names, by ordinal of the file.
        """
        files = {file.number: file for chunk in self.chunks for file in chunk.files}
        found = {
            (number, self.names[number]): replace(file.skipped, named=named.get(number, 0))
            for number, file in sorted(files.items())
            if number not in refused
        }
        return {place: skipped for place, skipped in found.items() if skipped != Skipped()}


def inspect(
    ref: DeliveryRef, manifest: Manifest, contract: Contract, scratch: Path, threads: int
) -> Delivered:
    """Inspect the files of one table, several at once; unusable files are among the refused."""
    own = {n: file for n, file in enumerate(manifest.files, 1) if file.table == contract.table}

    def inspected(number: int) -> Inspected | RefusedFile:
        file = own[number]
        try:
            return inspection.inspect(ref.folder, file, number, contract, scratch)
        except DeliveryRefused as refusal:
            return RefusedFile(number, file.name, str(refusal))

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(inspected, own))
    return delivered(contract, own, found)


def delivered(
    contract: Contract, own: Mapping[int, DeliveredFile], found: Iterable[Inspected | RefusedFile]
) -> Delivered:
    """Return a table of which every file, by its ordinal, was inspected."""
    found = list(found)
    good = [file for file in found if isinstance(file, Inspected)]
    refused = [file for file in found if isinstance(file, RefusedFile)]
    return Delivered(
        contract=contract,
        chunks=tuple(_chunks(good)),
        refused=tuple(refused),
        names={number: file.name for number, file in own.items()},
        rows={number: file.rows for number, file in own.items()},
        columns_dropped=len({name for file in good for name in file.layout.dropped}),
    )


def _chunks(files: Iterable[Inspected]) -> Iterator[Chunk]:
    """Divide files into chunks of about CHUNK_ROWS rows.

    Files of one layout are combined, so that hundreds of small files cost one statement.
    """
    groups: dict[tuple[object, ...], list[Inspected]] = {}
    for file in files:
        groups.setdefault(file.layout.identity, []).append(file)
    for group in groups.values():
        batch: list[Inspected] = []
        for file in group:
            if batch and sum(f.file.rows for f in batch) + file.file.rows > CHUNK_ROWS:
                yield from _divided(batch)
                batch = []
            batch.append(file)
        yield from _divided(batch)


def _divided(files: Sequence[Inspected]) -> Iterator[Chunk]:
    (first, *others) = files
    if others or first.layout.format != "parquet" or first.file.rows <= CHUNK_ROWS:
        yield Chunk(tuple(files))
        return
    for start in range(0, first.file.rows, CHUNK_ROWS):
        yield Chunk((first,), range(start, min(start + CHUNK_ROWS, first.file.rows)))
