"""The outcome of each delivery: its verdict in a sentence, its counts, and its problems.

Read from the warehouse's record, or from the last publication while a task holds it, and from the
inbox. Contains no values of rows; the lines of quarantined rows and the file names are in the vault
(`operations.quarantine`).
"""

import difflib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from extracts import contracts, manifest
from extracts.connectors import pull_delivery
from extracts.manifest import DeliveryRef
from extracts.vault import nightly, problem_records
from firmpulse import runlog
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from firmpulse.sources import SOURCES
from operations import record
from operations.delivery import (
    BROKEN,
    IN_PART,
    INCOMPLETE,
    LANDED,
    REFUSED,
    WAITING,
    Check,
    Delivery,
    Problem,
    TableCounts,
    sentence,
)

Key = tuple[str, str]

_TABLES = """
    select source, delivery_id, provider, as_of, table_name, status, rows_delivered, rows_landed,
        rows_restated, rows_duplicate, rows_refused_by_gate, rows_quarantined,
        rows_in_refused_files, notes
    from warehouse.ops.deliveries order by as_of, table_name
"""
_PROBLEMS = """
    select source, delivery_id, as_of, table_name, file_no, problem, rule, column_name, value_class,
        row_count, reason
    from warehouse.ops.delivery_problems
    order by table_name, file_no, problem, row_count desc, column_name, rule
"""
_CHECKS = """
    select distinct source, delivery_id, suite, passed, broke, accepted_because
    from warehouse.ops.verdicts
    inner join (
        select distinct delivery_seq, source, delivery_id from warehouse.ops.deliveries
    ) using (delivery_seq)
    where broke is not null order by all
"""


@dataclass(frozen=True)
class Known:
    """Every known delivery of the home folder, newest first."""

    deliveries: tuple[Delivery, ...]
    # Whether a task holds the warehouse, so that this is the last publication.
    is_published: bool


@dataclass
class _Found:
    """The record of one delivery."""

    tables: list[Any]
    problems: list[Any]
    checks: list[Any]
    ref: DeliveryRef | None = None
    # Pulled files, and their total.
    pulled: tuple[int, int] | None = None


def known(settings: Settings) -> Known:
    """Return every delivery that landed, was refused, waits or is being pulled."""
    found: dict[Key, _Found] = defaultdict(lambda: _Found([], [], []))
    is_published = False
    if settings.warehouse_path.exists():
        with record.opened(settings) as (connection, is_published):
            _read(connection, found)
    for source in SOURCES:
        for ref in nightly.in_inbox(settings, source):
            found[source, ref.delivery_id].ref = ref
        for ref in _pulling(settings, source):
            files = ref.manifest.files if ref.manifest else ()
            here = sum((ref.folder / file.name).is_file() for file in files)
            found[source, ref.delivery_id].pulled = (here, len(files))
    made = [_delivery(key, one) for key, one in found.items()]
    # A waiting delivery has no night yet: it is newer than all others.
    newest = sorted(made, key=lambda one: (one.as_of or date.max, one.delivery_id), reverse=True)
    return Known(tuple(newest), is_published)


def find(everything: Sequence[Delivery], delivery_id: str, source: str | None = None) -> Delivery:
    """Return one delivery.

    Raises:
        NotReadyError: there is none with this id, or several sources have one.
    """
    mine = [one for one in everything if one.delivery_id == delivery_id]
    chosen = [one for one in mine if source in (None, one.source)]
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        sources = ", ".join(sorted(one.source for one in chosen))
        raise NotReadyError(f"{delivery_id} is a delivery of {sources}; name one with --source")
    ids = list(dict.fromkeys(one.delivery_id for one in everything))
    near = [one.delivery_id for one in mine] or difflib.get_close_matches(delivery_id, ids, 5, 0.5)
    hint = f"did you mean {', '.join(near)}? " if near else ""
    raise NotReadyError(
        f"no delivery {delivery_id!r}{f' of {source}' if source else ''} is in the record or in "
        f"the inbox; {hint}All of them: firmpulse deliveries"
    )


def _read(connection: duckdb.DuckDBPyConnection, found: dict[Key, _Found]) -> None:
    for source, delivery_id, *row in connection.execute(_TABLES).fetchall():
        found[source, delivery_id].tables.append(row)
    for source, delivery_id, *row in connection.execute(_PROBLEMS).fetchall():
        found[source, delivery_id].problems.append(row)
    with runlog.of_this_release():
        rows = connection.execute(_CHECKS).fetchall()
    for source, delivery_id, *row in rows:
        found[source, delivery_id].checks.append(row)


def _pulling(settings: Settings, source: str) -> Iterator[DeliveryRef]:
    folder = pull_delivery.working_folder(settings, source)
    for path in sorted(folder.glob("[!.]*")):
        if path.is_dir():
            yield manifest.read(path, source, contracts.load())


def _delivery(key: Key, found: _Found) -> Delivery:
    landed = [row for row in found.tables if row[2] is not None]
    nights = [row[1] for row in landed or found.tables]
    as_of = max(nights, default=None)
    # A refusal is repeated each night: use the newest, and after a landing only a newer one.
    whole = [row for row in found.problems if row[1] is None]
    latest = max((row[0] for row in whole), default=None)
    kept = [row for row in whole if row[0] == latest and not (landed and row[0] <= as_of)]
    problems = [*kept, *(row for row in found.problems if row[1] is not None)]
    made = tuple(Problem(*row[1:]) for row in problems)
    ref = found.ref
    checks = tuple(Check(suite, broke, because) for suite, _, broke, because in found.checks)
    verdict = _verdict(found, landed, made)
    tables = tuple(TableCounts(*row[2:]) for row in landed)
    providers = [row[0] for row in found.tables if row[0] is not None]
    if ref and ref.manifest:
        providers.insert(0, ref.manifest.provider)
    return Delivery(
        *key,
        provider=providers[-1] if providers else None,
        as_of=as_of,
        delivered_at=ref.delivered_at if ref else None,
        verdict=verdict,
        sentence=sentence(verdict, as_of, tables, made, checks, found.ref, found.pulled),
        tables=tables,
        problems=made,
        checks=checks,
        in_inbox=ref is not None,
    )


def _verdict(found: _Found, landed: Sequence[Any], problems: Sequence[Problem]) -> str:
    if any(not passed for _, passed, *_ in found.checks):
        return BROKEN
    if landed:
        in_part = any(one.problem != problem_records.WARNING for one in problems)
        return IN_PART if in_part else LANDED
    if found.tables:
        return REFUSED
    return WAITING if found.ref else INCOMPLETE
