"""Record the grants of a file: a table of signed authorisations, or JSON lines."""

from dataclasses import dataclass
from pathlib import Path

from consent import intake
from consent.codes import Codes
from consent.grants import Grant
from consent.intake import IntakeReport, Refusal
from extracts.grants import columns
from extracts.grants.columns import FIELDS
from extracts.grants.rows import Terms, Wrong, grants_of
from extracts.grants.values import tidy
from extracts.reading import tables
from extracts.reading.table_bounds import Bounds
from extracts.reading.tables import Row
from firmpulse import identifiers
from firmpulse.settings import Settings

_JSON_LINES = (".jsonl", ".json", ".ndjson")


@dataclass(frozen=True)
class Imported:
    """The outcome of a file, and the positions of its columns that were not read, from 1."""

    report: IntakeReport
    ignored: tuple[int, ...] = ()


def import_file(
    settings: Settings, path: Path, *, actor: str, scheme: str = identifiers.USCC
) -> Imported:
    """Record the grants of a file row by row; a second import changes nothing.

    The grants of a row are recorded together or not at all; what is wrong with a row is said of
    each column.

    Args:
        settings: where the ledger is, and the recipient of rows without one.
        path: CSV, Excel or JSON lines.
        actor: who records them.
        scheme: of identifiers without one, in a table.

    Raises:
        DeliveryRefused: the file cannot be read, or its header lacks a column.
        NotReadyError: there is no such file.
    """
    if path.suffix.lower() in _JSON_LINES:
        return Imported(intake.import_grants(settings, path, actor=actor))
    header, rows = tables.read(path, _bounds(path.name), "authorisation")
    places = columns.places(path.name, tuple(header))
    terms = Terms(scheme, settings.recipient, Codes(settings).problem)
    offered: dict[int, tuple[Grant, ...]] = {}
    refusals: list[Refusal] = []
    for number, row in rows:
        grants, wrong = _grants(row, len(header), places, terms)
        refusals += [Refusal(number, one.problem, one.column) for one in wrong]
        if grants:
            offered[number] = grants
    taken = set(places.values())
    ignored = [at for at, title in enumerate(header) if title.strip() and at not in taken]
    report = intake.take(settings, offered, refusals, actor=actor)
    return Imported(report, tuple(at + 1 for at in ignored))


def _bounds(file: str) -> Bounds:
    required = [field.name for field in FIELDS if field.required]
    return Bounds(
        match=lambda header: columns.places(file, header),
        required=lambda header: frozenset(columns.places(file, header)[n] for n in required),
        known=lambda cells: sum(columns.field_of(title) is not None for title in cells),
    )


def _grants(
    row: Row, expected: int, places: dict[str, int], terms: Terms
) -> tuple[tuple[Grant, ...], list[Wrong]]:
    if any(cell.strip() for cell in row[expected:]):
        # The cells are shifted: what is below a header does not belong to it.
        return (), [
            Wrong(f"the row has {len(row)} cells and the header {expected}; move them back")
        ]
    cells = {name: tidy(row[at]) for name, at in places.items() if at < len(row)}
    return grants_of(cells, terms)
