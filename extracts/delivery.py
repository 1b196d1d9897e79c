"""Land one delivery: read its tables, judge them, store them in one transaction."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import date

import duckdb

from extracts import gate, staging
from extracts.contracts import Contract
from extracts.landing import Counts, land
from extracts.manifest import DeliveryRef, Manifest
from extracts.records import LANDED, REFUSED, DeliveryReport, TableReport, record_landed
from extracts.sql import ident
from extracts.staging import Staged
from extracts.versions import Place
from firmpulse.errors import DeliveryRefused
from firmpulse.settings import Settings


def land_delivery(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    contracts: Mapping[str, Contract],
    ref: DeliveryRef,
    as_of: date,
) -> DeliveryReport:
    """Read, gate and store one delivery.

    Raises:
        DeliveryRefused: nothing of it can be taken; nothing was stored.
    """
    _require_new(connection, ref)
    if ref.manifest is None:
        raise DeliveryRefused(ref.problem or "the manifest cannot be read")
    scratch = settings.inbox / ".reading"
    tables = dict.fromkeys(file.table for file in ref.manifest.files)
    try:
        staged = [
            staging.stage(connection, ref, ref.manifest, contracts[table], scratch)
            for table in tables
        ]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _require_rows(staged, ref.manifest)
    try:
        reports = _store(connection, settings, ref, ref.manifest, staged, as_of)
    finally:
        _drop(connection, staged)
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


def _require_rows(staged: Sequence[Staged], manifest: Manifest) -> None:
    """Refuse a delivery of which no file could be taken."""
    if not staged or any(table.files for table in staged):
        return
    first = min((file for t in staged for file in t.refused), key=lambda file: file.number)
    raise DeliveryRefused(
        f"none of its {len(manifest.files)} files can be taken; file {first.number}: {first.reason}"
    )


def _store(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    ref: DeliveryRef,
    manifest: Manifest,
    staged: Sequence[Staged],
    as_of: date,
) -> list[TableReport]:
    connection.execute("begin")
    try:
        seq, last_row_id = connection.execute(
            "select coalesce(max(delivery_seq), 0) + 1, coalesce(max(last_row_id), 0) "
            "from vault.ops.landed"
        ).fetchall()[0]
        reports = []
        for table in staged:
            place = Place(
                delivery_id=ref.delivery_id,
                delivery_seq=seq,
                last_row_id=last_row_id,
                delivered_at=manifest.delivered_at,
                delivered_on=manifest.delivered_on,
                is_increment=manifest.kind == "increment",
            )
            reports.append(_store_table(connection, settings, table, place, as_of))
            last_row_id += _size(connection, table)
        record_landed(connection, ref, seq, as_of, reports)
        connection.execute(
            "insert into vault.ops.landed values (?, ?, ?, ?, ?)",
            [ref.delivery_id, ref.source, ref.manifest_sha256, seq, last_row_id],
        )
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return reports


def _store_table(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    staged: Staged,
    place: Place,
    as_of: date,
) -> TableReport:
    contract = staged.contract
    if not staged.files:
        return TableReport(
            contract.table, Counts(), staged.columns_dropped, staged.refused, status=REFUSED
        )
    gate.open_gate(connection, settings, contract, staged.rows, as_of)
    counts = land(connection, staged, place)
    connection.execute(
        "insert into vault.ops.files select $seq, unnest($numbers), unnest($names)",
        {
            "seq": place.delivery_seq,
            "numbers": list(staged.files),
            "names": list(staged.files.values()),
        },
    )
    return TableReport(
        table=contract.table,
        counts=counts,
        columns_dropped=staged.columns_dropped,
        refused_files=staged.refused,
        warnings=_warnings(connection, staged, place),
    )


def _warnings(
    connection: duckdb.DuckDBPyConnection, staged: Staged, place: Place
) -> dict[str, int]:
    table = ident(staged.contract.table)
    counts = {}
    for name, condition in staged.contract.warnings.items():
        query = (
            f"select count(*) from vault.raw.{table} where delivery_seq = $seq and ({condition})"  # noqa: S608 — our own contract's SQL
        )
        counts[name] = connection.execute(query, {"seq": place.delivery_seq}).fetchall()[0][0]
    return counts


def _size(connection: duckdb.DuckDBPyConnection, staged: Staged) -> int:
    """Return the number of row ids that a staging table may have used up."""
    query = f"select coalesce(max(rowid), -1) + 1 from {ident(staged.rows)}"  # noqa: S608 — quoted
    return int(connection.execute(query).fetchall()[0][0])


def _drop(connection: duckdb.DuckDBPyConnection, staged: Sequence[Staged]) -> None:
    for table in staged:
        for name in (table.rows, table.broken, table.starts):
            connection.execute(f"drop table if exists {ident(name)}")
