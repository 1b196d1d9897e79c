"""The nightly landing: find the waiting deliveries, and land them."""

import shutil
from collections.abc import Sequence
from datetime import date, datetime

import duckdb

from consent import audit, today
from consent.audit import Entry
from consent.chain import Scalar
from extracts import contracts, manifest
from extracts.manifest import DeliveryRef
from extracts.reading import macros
from extracts.vault import raw_tables, records
from extracts.vault.delivery import is_landed, land_delivery
from extracts.vault.records import DeliveryReport, LandingReport
from firmpulse import runlog, warehouse
from firmpulse.calendar import CHINA
from firmpulse.errors import DeliveryRefused, DiskError, is_disk_full
from firmpulse.settings import Settings

__all__ = ["DeliveryRef", "LandingReport", "in_inbox", "land", "pending"]


def pending(settings: Settings, source: str, as_of: date) -> list[DeliveryRef]:
    """Return the deliveries of a source that were handed over by `as_of` and have not landed.

    In the order of their hand-over; those with an unreadable manifest come first.
    """
    with warehouse.connect(settings, vault=True) as connection:
        raw_tables.create_tables(connection, contracts.load())
        return _pending(connection, settings, source, as_of)


def land(settings: Settings, source: str, as_of: date) -> LandingReport:
    """Land every pending delivery of a source; each counts once all of it is stored.

    A delivery that cannot land is recorded and reported; the others land. The files of a landed
    delivery leave the inbox; refused files stay for inspection. A repeated run changes nothing.

    Raises:
        DiskError: the home folder cannot be written; what has not landed still waits.
        DamagedError: a page of a database is damaged; what has not landed still waits.
        ConfigurationError: the night is after today; everything still waits.
        ConfirmationNeeded: the clock has jumped; everything still waits.
    """
    # Rows of firms without a grant on that day would leave the inbox for good.
    today.check(settings, as_of)
    tables = [name for name, contract in contracts.load().items() if contract.source == source]
    with runlog.step(
        settings, as_of, "land", source,
        reads=[f"inbox.{table}" for table in tables],
        writes=[f"vault.raw.{table}" for table in tables],
    ) as step:  # fmt: skip
        report = _land_pending(settings, source, as_of)
        step.rows_out = report.totals.landed
    return report


def _land_pending(settings: Settings, source: str, as_of: date) -> LandingReport:
    known = contracts.load()
    reports = []
    with warehouse.connect(settings, vault=True) as connection:
        raw_tables.create_tables(connection, known)
        macros.install(connection)
        # A killed run may have left a part of a delivery, and copies of files.
        raw_tables.take_back(connection, known)
        shutil.rmtree(settings.inbox / ".reading", ignore_errors=True)
        for ref in _pending(connection, settings, source, as_of):
            reports.append(_land(connection, settings, ref, as_of))
        records.publish(connection)
        done = [ref for ref in in_inbox(settings, source) if is_landed(connection, ref)]
        for ref in done:
            _clear(connection, settings, ref)
    _note_refusals(settings, reports)
    return LandingReport(source=source, as_of=as_of, deliveries=tuple(reports))


def _land(
    connection: duckdb.DuckDBPyConnection, settings: Settings, ref: DeliveryRef, as_of: date
) -> DeliveryReport:
    try:
        report = land_delivery(connection, settings, contracts.load(), ref, as_of)
    except DeliveryRefused as refusal:
        return records.record_refused(connection, ref, as_of, str(refusal))
    except (OSError, OverflowError, duckdb.Error) as error:
        if warehouse.is_damage(error):
            raise
        if isinstance(error, duckdb.IOException) or is_disk_full(error):
            raise DiskError(
                f"{settings.root} cannot be written ({type(error).__name__}); make room on its "
                "disk and run the night again"
            ) from error
        # The error's own text may quote a path or a cell.
        reason = f"the delivery cannot be read ({type(error).__name__}); look at its files"
        return records.record_refused(connection, ref, as_of, reason)
    records.forget_refusal(connection, ref, as_of)
    return report


def _pending(
    connection: duckdb.DuckDBPyConnection, settings: Settings, source: str, as_of: date
) -> list[DeliveryRef]:
    found = in_inbox(settings, source)
    due = [ref for ref in found if ref.manifest is None or ref.manifest.delivered_on <= as_of]
    waiting = [ref for ref in due if not is_landed(connection, ref)]
    return sorted(waiting, key=lambda ref: (_hand_over(ref), ref.delivery_id))


def in_inbox(settings: Settings, source: str) -> list[DeliveryRef]:
    """Return the inbox of a source: waiting deliveries, and leftovers of refused files."""
    known = contracts.load()
    return [
        manifest.read(folder, source, known)
        for folder in sorted((settings.inbox / source).glob("[!.]*"))
        if folder.is_dir()
    ]


def _clear(connection: duckdb.DuckDBPyConnection, settings: Settings, ref: DeliveryRef) -> None:
    """Record the landing in the audit chain and remove what landed from the inbox."""
    refused = connection.execute(
        "select file from vault.ops.refused_files where delivery_seq = ("
        "select delivery_seq from vault.ops.landed where source = ? and delivery_id = ?)",
        [ref.source, ref.delivery_id],
    ).fetchall()
    kept = {ref.folder / name for (name,) in refused} & set(ref.folder.rglob("*"))
    spared = {*kept, ref.folder / manifest.NAME} if kept else set()
    leaving = [p for p in ref.folder.rglob("*") if p.is_file() and p not in spared]
    if leaving:
        entry = Entry("LAND", audit.actor(), None, _counts(connection, ref))
        audit.append_many(settings, [entry])
    if not kept:
        # Hidden in one step: a folder without its manifest would be refused.
        scratch = settings.inbox / ".reading"
        scratch.mkdir(exist_ok=True)
        ref.folder.rename(scratch / ref.folder.name)
        shutil.rmtree(scratch)
        return
    for path in leaving:
        path.unlink()


def _counts(connection: duckdb.DuckDBPyConnection, ref: DeliveryRef) -> dict[str, Scalar]:
    rows = connection.execute(
        "select sum(rows_landed), sum(rows_duplicate), sum(rows_refused_by_gate), "
        "sum(rows_quarantined), sum(rows_in_refused_files) "
        "from vault.ops.deliveries where source = ? and delivery_id = ?",
        [ref.source, ref.delivery_id],
    ).fetchall()[0]
    names = ("landed", "duplicate", "refused_by_gate", "quarantined", "in_refused_files")
    counted = {name: int(count or 0) for name, count in zip(names, rows, strict=True)}
    return {"source": ref.source, "delivery_id": ref.delivery_id, **counted}


def _note_refusals(settings: Settings, reports: Sequence[DeliveryReport]) -> None:
    actor = audit.actor()
    audit.append_many(
        settings,
        [
            Entry("REFUSE", actor, None, {"delivery_id": r.delivery_id, "refusal": r.refusal})
            for r in reports
            if r.status == records.REFUSED
        ],
    )


def _hand_over(ref: DeliveryRef) -> datetime:
    return ref.delivered_at or datetime.min.replace(tzinfo=CHINA)
