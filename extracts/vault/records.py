"""The outcome of a delivery: reports, and its records in vault and warehouse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import duckdb

from consent import codes
from extracts.manifest import DeliveryRef
from extracts.reading.chunks import RefusedFile
from extracts.reading.table_bounds import Skipped
from extracts.vault import problem_records
from extracts.vault.landing import Counts
from firmpulse.stored_tables import DELIVERIES, DELIVERY_PROBLEMS, REFUSED_FILES

LANDED, REFUSED = "landed", "refused"

# What has landed is not read again.
_NEW_ID = "send it in a delivery with a new delivery_id"


@dataclass(frozen=True)
class TableReport:
    """One table of a delivery, or a delivery that was refused as a whole."""

    table: str | None
    counts: Counts
    columns_dropped: int
    refused_files: tuple[RefusedFile, ...]
    # Rows announced in the manifest, without titles and totals, and those in refused files.
    rows_delivered: int
    rows_in_refused_files: int
    # Number of landed or repeated rows per warning of the contract.
    warnings: Mapping[str, int] = field(default_factory=dict)
    # Number and name of a file to its lines that are titles or totals.
    skipped: Mapping[tuple[int, str], Skipped] = field(default_factory=dict)
    # Rows that share their key with a different row of the delivery; and a sentence for the
    # operator if they are too many.
    rows_sharing_key: int = 0
    warning: str | None = None
    # Refused when none of the table's files landed.
    status: str = LANDED
    # Quarantined rows whose firm's code a person could accept.
    off_standard: int = 0


@dataclass(frozen=True)
class DeliveryReport:
    """One delivery of a night."""

    delivery_id: str
    status: str
    tables: tuple[TableReport, ...] = ()
    refusal: str | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence per refusal, with file names: for the operator, not to be stored."""
        if self.refusal is not None:
            return (f"{self.delivery_id}: {self.refusal}",)
        refused = (
            f"{self.delivery_id}: {file.name}: {file.reason}; {_NEW_ID}"
            for table in self.tables
            for file in table.refused_files
        )
        off_standard = (
            f"{self.delivery_id}: {table.table}: {table.off_standard:,} rows are in quarantine for "
            f"codes that violate GB 32100; {codes.NEXT_STEP}; then {_NEW_ID}"
            for table in self.tables
            if table.off_standard
        )
        return (*refused, *off_standard)

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence per file with titles or totals, which are not rows; for the operator."""
        return tuple(
            f"{self.delivery_id}: {name}: {lines}"
            for table in self.tables
            for (_, name), lines in table.skipped.items()
        )


@dataclass(frozen=True)
class LandingReport:
    """Everything that one source delivered in a night."""

    source: str
    as_of: date
    deliveries: tuple[DeliveryReport, ...]

    @property
    def totals(self) -> Counts:
        """The verdicts on all rows."""
        counts = [table.counts for d in self.deliveries for table in d.tables]
        return Counts(
            read=sum(c.read for c in counts),
            landed=sum(c.landed for c in counts),
            restated=sum(c.restated for c in counts),
            duplicate=sum(c.duplicate for c in counts),
            refused_by_gate=sum(c.refused_by_gate for c in counts),
            quarantined=sum(c.quarantined for c in counts),
        )

    def summary(self) -> dict[str, int]:
        """Return the report's numbers for a task's result; no identifier, no file name."""
        totals = self.totals
        return {
            "deliveries": len(self.deliveries),
            "refused_deliveries": sum(d.status == REFUSED for d in self.deliveries),
            "refused_files": sum(len(t.refused_files) for d in self.deliveries for t in d.tables),
            "rows_read": totals.read,
            "rows_landed": totals.landed,
            "rows_restated": totals.restated,
            "rows_duplicate": totals.duplicate,
            "rows_refused_by_gate": totals.refused_by_gate,
            "rows_quarantined": totals.quarantined,
        }

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence per delivery, table or file that was refused."""
        return tuple(problem for delivery in self.deliveries for problem in delivery.problems)

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence per file with titles or totals."""
        return tuple(note for delivery in self.deliveries for note in delivery.notes)


# Records of the vault that the warehouse repeats.
_BY_SEQ = (DELIVERIES, DELIVERY_PROBLEMS)


def record_landed(
    connection: duckdb.DuckDBPyConnection,
    ref: DeliveryRef,
    delivery_seq: int,
    as_of: date,
    tables: Sequence[TableReport],
) -> None:
    """Write the vault's record of a landed delivery; part of the landing's transaction."""
    for table in tables:
        row = _row(ref, delivery_seq, as_of, table, table.status, _refusal(table))
        connection.execute(DELIVERIES.insert_sql(row, "vault"), row)
        for file in table.refused_files:
            refused = {
                "delivery_seq": delivery_seq, "delivery_id": ref.delivery_id, "file": file.name,
                "reason": file.reason,
            }  # fmt: skip
            connection.execute(REFUSED_FILES.insert_sql(refused, "vault"), refused)
    problem_records.record(
        connection, ref, delivery_seq, as_of,
        refused={file.number: file.reason for table in tables for file in table.refused_files},
        warnings={table.table: table.warnings for table in tables if table.table},
        shared_keys={
            table.table: (table.rows_sharing_key, table.warning)
            for table in tables if table.table and table.warning
        },
    )  # fmt: skip


def record_refused(
    connection: duckdb.DuckDBPyConnection, ref: DeliveryRef, as_of: date, reason: str
) -> DeliveryReport:
    """Record a delivery that was refused as a whole, once for each night it waits."""
    promised = sum(file.rows for file in ref.manifest.files) if ref.manifest else 0
    whole = TableReport(None, Counts(), 0, (), promised, promised)
    connection.execute("begin")
    forget_refusal(connection, ref, as_of)
    row = _row(ref, None, as_of, whole, REFUSED, reason)
    connection.execute(DELIVERIES.insert_sql(row), row)
    problem_records.record_whole(connection, ref, as_of, reason)
    connection.execute("commit")
    return DeliveryReport(delivery_id=ref.delivery_id, status=REFUSED, refusal=reason)


def publish(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring the warehouse's record up to date with the vault's.

    A transaction writes to one file only, so a crash may occur between the two; then the next
    run adds what is missing.
    """
    connection.execute("begin")
    for table in _BY_SEQ:
        connection.execute(f"""
            insert into warehouse.ops.{table.name} by name
            from vault.ops.{table.name}
            where delivery_seq not in (
                select delivery_seq from warehouse.ops.{table.name} where delivery_seq is not null
            )
        """)  # noqa: S608 — our own names
    connection.execute("commit")


def forget_refusal(connection: duckdb.DuckDBPyConnection, ref: DeliveryRef, as_of: date) -> None:
    """Remove the record of an earlier try of the same night; other nights keep theirs."""
    for table in _BY_SEQ:
        connection.execute(
            f"delete from warehouse.ops.{table.name} "  # noqa: S608 — our own names
            "where source = ? and delivery_id = ? and as_of = ? and delivery_seq is null",
            [ref.source, ref.delivery_id, as_of],
        )


def _row(
    ref: DeliveryRef,
    delivery_seq: int | None,
    as_of: date,
    table: TableReport,
    status: str,
    refusal: str | None,
) -> dict[str, object]:
    counts = table.counts
    return {
        "as_of": as_of,
        "delivery_seq": delivery_seq,
        "delivery_id": ref.delivery_id,
        "source": ref.source,
        "provider": ref.manifest.provider if ref.manifest else None,
        "table_name": table.table,
        "kind": ref.manifest.kind if ref.manifest else None,
        "delivered_at": ref.delivered_at,
        "rows_delivered": table.rows_delivered,
        "rows_in_refused_files": table.rows_in_refused_files,
        "rows_read": counts.read,
        "rows_landed": counts.landed,
        "rows_restated": counts.restated,
        "rows_duplicate": counts.duplicate,
        "rows_refused_by_gate": counts.refused_by_gate,
        "rows_quarantined": counts.quarantined,
        "rows_sharing_key": table.rows_sharing_key,
        "columns_dropped": table.columns_dropped,
        "status": status,
        "refusal": refusal,
        "warning": table.warning,
        "landed_at": datetime.now(UTC),
        "notes": _notes(table),
    }


def _refusal(table: TableReport) -> str | None:
    """Name refused files by their ordinal: the warehouse keeps no file names."""
    if not table.refused_files:
        return None
    return "; ".join(f"file {f.number}: {f.reason}; {_NEW_ID}" for f in table.refused_files)


def _notes(table: TableReport) -> str | None:
    """Name the lines that are titles or totals, by the ordinal of their file."""
    return "; ".join(f"file {n}: {lines}" for (n, _), lines in table.skipped.items()) or None
