"""Files of one delivery and its manifest."""

import hashlib
import json
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl

from firmpulse.origin import SIMULATED_PREFIX
from firmpulse.sources import GRANTED_SOURCES
from simulator.dirt import KINDS
from simulator.grants import Grants
from simulator.spelling import csv_bytes
from simulator.tables import Table

UNGRANTED = "ungranted"
OUTSIDE_WINDOW = "outside_window"
EXTRA_COLUMN = "extra_column"
LATE = "late"


@dataclass(frozen=True)
class DeliveryCounts:
    """What was written, to test the reader.

    `dirt[table][kind]` counts rows: exact_duplicate, missing_required, bad_date, bad_amount,
    scientific_id, invalid_uscc (all for plainly granted firms, so that no row has two kinds),
    ungranted, outside_window (counted over all readable rows, judged on the night of the
    delivery) and late (readable, but delivered after its availability). Kind extra_column counts
    unknown columns of files. `habits[table]` counts rows with odd but readable spelling.
    """

    deliveries: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    dirt: dict[str, dict[str, int]] = field(default_factory=dict)
    habits: dict[str, int] = field(default_factory=dict)

    @property
    def total_rows(self) -> int:
        """Return the rows of all tables."""
        return sum(self.rows.values())

    def kind(self, kind: str) -> int:
        """Return the count of one kind of dirt over all tables."""
        return sum(kinds.get(kind, 0) for kinds in self.dirt.values())


class Tally:
    """Sums up what is written."""

    def __init__(self, grants: Grants) -> None:
        self._grants = grants
        self.deliveries = 0
        self.rows: dict[str, int] = {}
        self.dirt: dict[str, dict[str, int]] = {}
        self.habits: dict[str, int] = {}

    def add(self, table: Table, frame: pl.DataFrame, night: int, *, increment: bool) -> None:
        """Count one file; `night` in days since 1970."""
        self.rows[table.name] = self.rows.get(table.name, 0) + len(frame)
        habits = int(frame["_habit"].sum())
        self.habits[table.name] = self.habits.get(table.name, 0) + habits
        codes = np.bincount(frame["_dirt"].to_numpy(), minlength=len(KINDS))
        for kind, count in zip(KINDS[1:], codes.tolist()[1:], strict=True):
            self._count(table, kind, count)
        if table.extra:
            self._count(table, EXTRA_COLUMN, 1)
        if increment:
            late = int((frame["_deliver"] > frame["_available"]).sum())
            self._count(table, LATE, late)
        if table.source in GRANTED_SOURCES:
            event = frame["_event"].to_numpy() if table.windowed else None
            firm = frame["_firm"].to_numpy()
            ungranted, outside = self._grants.refused(table.source, firm, event, night)
            self._count(table, UNGRANTED, int(ungranted.sum()))
            self._count(table, OUTSIDE_WINDOW, int(outside.sum()))

    def _count(self, table: Table, kind: str, count: int) -> None:
        if count:
            kinds = self.dirt.setdefault(table.name, {})
            kinds[kind] = kinds.get(kind, 0) + count

    def counts(self) -> DeliveryCounts:
        """Return the sums."""
        return DeliveryCounts(self.deliveries, self.rows, self.dirt, self.habits)


class Delivery:
    """One delivery being written; leaving the block writes the manifest, so none is half read.

    A file is written while the caller makes the rows of the next one.
    """

    def __init__(self, inbox: Path, source: str, kind: str, start: date, night: date) -> None:
        self._id = f"{source.replace('_', '-')}-{night:%Y%m%d}"
        self._folder = inbox / source / self._id
        if self._folder.exists():
            shutil.rmtree(self._folder)
        self._folder.mkdir(parents=True)
        self._files: list[dict[str, str | int]] = []
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._writing: Future[None] | None = None
        self._head = {
            "manifest_version": 1,
            "delivery_id": self._id,
            "source": source,
            "provider": f"{SIMULATED_PREFIX}{source.replace('_', '-')}",
            "kind": kind,
            "period_start": start.isoformat(),
            "period_end": night.isoformat(),
            "delivered_at": f"{night.isoformat()}T22:00:00+08:00",
            "id_scheme": "uscc",
        }

    def __enter__(self) -> Self:
        """Return the delivery."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for the last file; write the manifest unless something failed."""
        self._pool.shutdown()
        if error is None:
            self._finished()
            self._manifest()

    def write(self, table: Table, frame: pl.DataFrame, suffix: str) -> None:
        """Start writing a file once the previous one is done."""
        self._finished()
        self._writing = self._pool.submit(self._write, table, frame, suffix)

    def _finished(self) -> None:
        if self._writing is not None:
            self._writing.result()

    def _write(self, table: Table, frame: pl.DataFrame, suffix: str) -> None:
        form = "csv" if table.encoding else "parquet"
        path = self._folder / f"{table.name}_{suffix}.{form}"
        if table.encoding:
            path.write_bytes(csv_bytes(frame, table))
        else:
            shown = frame.select(pl.exclude(r"^_.*$"))
            shown.write_parquet(path, compression="zstd", compression_level=1)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        entry = {"name": path.name, "table": table.name, "format": form}
        self._files.append({**entry, "sha256": digest, "rows": len(frame)})

    def _manifest(self) -> None:
        files = sorted(self._files, key=lambda entry: str(entry["name"]))
        manifest = json.dumps({**self._head, "files": files}, ensure_ascii=False, indent=1)
        (self._folder / "manifest.json").write_text(manifest + "\n", encoding="utf-8")
