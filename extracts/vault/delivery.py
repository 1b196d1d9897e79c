"""Land one delivery: read its tables chunk by chunk, judge them, store them."""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import duckdb

from extracts import key_trust
from extracts.contracts import Contract
from extracts.manifest import DeliveryRef, Manifest
from extracts.reading import chunks, row_sql, staging
from extracts.reading.chunks import Chunk, Delivered
from extracts.reading.sql import ident
from extracts.reading.staging import Staged
from extracts.vault import gate, landing, raw_tables, versions
from extracts.vault.landing import Verdicts
from extracts.vault.records import LANDED, REFUSED, DeliveryReport, TableReport, record_landed
from extracts.vault.versions import Place
from firmpulse import stored_tables
from firmpulse.errors import DeliveryRefused, FilesUnreadable
from firmpulse.long_work import RowsDone
from firmpulse.settings import Settings

# Name of the warning that new rows are known already, without a number that is new in this export.
_SENT_WITHOUT = "sent_before_without_a_number"


def land_delivery(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    contracts: Mapping[str, Contract],
    ref: DeliveryRef,
    as_of: date,
) -> DeliveryReport:
    """Read, gate and store one delivery.

    It is stored chunk by chunk and counts once its row is in `ops.landed`; if a delivery fails, its
    stored rows are removed.

    Raises:
        DeliveryRefused: no part of it can land; nothing was stored.
    """
    _require_new(connection, ref)
    if ref.manifest is None:
        raise DeliveryRefused(ref.problem or "the manifest cannot be read")
    scratch = settings.inbox / ".reading"
    names = dict.fromkeys(file.table for file in ref.manifest.files)
    try:
        tables = [
            chunks.inspect(ref, ref.manifest, contracts[name], scratch, settings.threads)
            for name in names
        ]
        landing = _Landing(connection, settings, ref, ref.manifest, as_of)
        reports = None
        while reports is None:
            try:
                reports = landing.store(tables)
            except FilesUnreadable as found:
                raw_tables.take_back(connection, contracts)
                tables = [table.without(found.reasons) for table in tables]
            except BaseException:
                raw_tables.take_back(connection, contracts)
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        staging.drop(connection)
        versions.drop(connection)
    return DeliveryReport(delivery_id=ref.delivery_id, status=LANDED, tables=tuple(reports))


def is_landed(connection: duckdb.DuckDBPyConnection, ref: DeliveryRef) -> bool:
    """Whether exactly this delivery is in the vault already."""
    return _landed_manifest(connection, ref) == ref.manifest_sha256


def _landed_manifest(connection: duckdb.DuckDBPyConnection, ref: DeliveryRef) -> str | None:
    row = connection.execute(
        "select manifest_sha256 from vault.ops.landed where source = ? and delivery_id = ?",
        [ref.source, ref.delivery_id],
    ).fetchone()
    return row[0] if row else None


def _require_new(connection: duckdb.DuckDBPyConnection, ref: DeliveryRef) -> None:
    if _landed_manifest(connection, ref) is not None:
        raise DeliveryRefused(
            "a delivery of this delivery_id has landed with another manifest; "
            "send corrections in a delivery with a new delivery_id"
        )


@dataclass(frozen=True)
class _Landing:
    """One attempt to store a delivery."""

    connection: duckdb.DuckDBPyConnection
    settings: Settings
    ref: DeliveryRef
    manifest: Manifest
    as_of: date

    def store(self, tables: Sequence[Delivered]) -> list[TableReport]:
        """Store every table, then the record that makes the delivery valid."""
        seq, last_row_id = self.connection.execute(
            "select coalesce(max(delivery_seq), 0) + 1, coalesce(max(last_row_id), 0) "
            "from vault.ops.landed"
        ).fetchall()[0]
        place = Place(
            delivery_id=self.ref.delivery_id,
            delivery_seq=seq,
            last_row_id=last_row_id,
            delivered_at=self.manifest.delivered_at,
            delivered_on=self.manifest.delivered_on,
            is_increment=self.manifest.kind == "increment",
        )
        done = RowsDone(self.ref.delivery_id, sum(file.rows for file in self.manifest.files))
        reports = []
        for table in tables:
            report, place = self._store_table(table, place, done)
            reports.append(report)
        self._require_rows(reports)
        self._record(reports, place)
        return reports

    def _store_table(
        self, table: Delivered, place: Place, done: RowsDone
    ) -> tuple[TableReport, Place]:
        connection, contract = self.connection, table.contract
        refused = list(table.refused)
        verdicts = Verdicts()
        counted, named = 0, Counter[int]()
        versions.begin(connection, contract)
        done.add(sum(table.rows[file.number] for file in table.refused))
        for chunk in table.chunks:
            try:
                staged, stored = self._store_chunk(table, chunk, place)
            except staging.UNREADABLE:
                reasons = staging.damaged(connection, chunk)
                if not reasons:
                    raise
                raise FilesUnreadable(reasons) from None
            refused += staged.refused
            counted += staged.counted_lines
            named.update(staged.named)
            verdicts = verdicts.plus(stored)
            place = replace(place, last_row_id=place.last_row_id + staged.size)
            done.add(sum(chunk.counts.values()))
        counts, sharing = landing.finish(connection, contract, place, verdicts)
        numbers = {file.number for file in refused}
        report = TableReport(
            table=contract.table,
            counts=counts,
            columns_dropped=table.columns_dropped,
            refused_files=tuple(sorted(refused, key=lambda file: file.number)),
            rows_delivered=sum(table.rows.values()) - counted,
            rows_in_refused_files=sum(table.rows[number] for number in numbers),
            warnings=_warnings(connection, contract, place),
            skipped=table.skipped(numbers, named),
            rows_sharing_key=sharing,
            warning=key_trust.warning(
                contract.key_trust, " + ".join(contract.key), sharing, counts.read
            ),
            status=LANDED if set(table.rows) - numbers else REFUSED,
            off_standard=verdicts.off_standard,
        )
        return report, place

    def _store_chunk(self, table: Delivered, chunk: Chunk, place: Place) -> tuple[Staged, Verdicts]:
        connection, contract = self.connection, table.contract
        staged = staging.read(connection, self.manifest, table, chunk)
        is_open = gate.open_gate(connection, self.settings, contract, staging.ROWS, self.as_of)
        return staged, landing.store(connection, staged, place, is_open=is_open)

    def _require_rows(self, reports: Sequence[TableReport]) -> None:
        """Refuse a delivery of which no file could land."""
        if not reports or any(report.status == LANDED for report in reports):
            return
        first = min((f for r in reports for f in r.refused_files), key=lambda file: file.number)
        raise DeliveryRefused(
            f"none of its {len(self.manifest.files)} files can land; "
            f"file {first.number}: {first.reason}"
        )

    def _record(self, reports: Sequence[TableReport], place: Place) -> None:
        connection, ref = self.connection, self.ref
        refused = {file.number for report in reports for file in report.refused_files}
        files = {n: f.name for n, f in enumerate(self.manifest.files, 1) if n not in refused}
        connection.execute("begin")
        connection.execute(
            "insert into vault.ops.files (delivery_seq, file_no, file) "
            "select $seq, unnest($numbers), unnest($names)",
            {
                "seq": place.delivery_seq,
                "numbers": list(files),
                "names": list(files.values()),
            },
        )
        record_landed(connection, ref, place.delivery_seq, self.as_of, reports)
        landed = {
            "delivery_id": ref.delivery_id, "source": ref.source,
            "manifest_sha256": ref.manifest_sha256, "delivery_seq": place.delivery_seq,
            "last_row_id": place.last_row_id,
        }  # fmt: skip
        connection.execute(stored_tables.LANDED.insert_sql(landed, "vault"), landed)
        connection.execute("commit")


def _warnings(
    connection: duckdb.DuckDBPyConnection, contract: Contract, place: Place
) -> dict[str, int]:
    counts = {}
    for name, condition in contract.warnings.items():
        query = (
            f"select count(*) from vault.raw.{ident(contract.table)} "  # noqa: S608 — our own contract's SQL
            f"where delivery_seq = $seq and ({condition})"
        )
        counts[name] = connection.execute(query, {"seq": place.delivery_seq}).fetchall()[0][0]
    if row_sql.key_additions(contract):
        counts[_SENT_WITHOUT] = versions.count_sent_without(connection, contract, place)
    return counts
