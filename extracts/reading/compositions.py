"""How a file splits a column over several cells, or encodes it in a sign."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from extracts.column_reading import AS_IN_CONTRACT, ColumnReading
from extracts.contracts import Column, Contract, normalise_header, normalise_text
from extracts.manifest import DeliveredFile
from extracts.reading.alternatives import ByDirection, DayAndClock, Part
from firmpulse.errors import DeliveryRefused

How = Literal["filled", "day_and_clock", "split", "signed", "chosen"]


@dataclass(frozen=True)
class Composed:
    """A contract column composed of several cells of a row, or of one cell and its sign."""

    column: str
    how: How
    # In the order of the contract's declaration; the first of `headers` is the one in the file.
    cells: tuple[Column, ...]
    # Second column from the same cells: the direction of an amount.
    gives: str | None = None


@dataclass(frozen=True)
class Source:
    """A column of a file: its position, and its header in comparable form."""

    position: int
    header: str


# Columns of a file by the contract column or part that they hold.
Sources = dict[str, list[Source]]


def compose(
    column: Column, contract: Contract, file: DeliveredFile, sources: Sources
) -> Composed | None:
    """Return how a column is composed in this file, null for a single column or none.

    The cells become separate sources.
    """
    other = column.alternatives
    if other.split and (found := _by_direction(column, other.split, sources, "split")):
        if not {column.name, other.split.direction} <= sources.keys():
            return found
    if other.chosen and column.name not in sources:
        return _by_direction(column, other.chosen, sources, "chosen")
    if other.day_and_clock:
        return _day_and_clock(column, other.day_and_clock, sources)
    if other.side_by_side and len(sources.get(column.name, ())) > 1:
        return _side_by_side(column, sources)
    if other.signed and column.name in sources and other.signed.direction not in sources:
        constant = file.constants.get(other.signed.direction)
        values = contract.column(other.signed.direction).values
        if constant is None or values.get(normalise_text(constant)) == other.signed.positive:
            source = only(sources, column.name)
            cell = _cell(column, f"{column.name}_signed", source.header)
            sources[cell.name] = [source]
            return Composed(column.name, "signed", (cell,), other.signed.direction)
    return None


def _by_direction(column: Column, pair: ByDirection, sources: Sources, how: How) -> Composed | None:
    parts = pair.parts.values()
    if not all(part.name in sources for part in parts):
        return None
    cells = tuple(
        replace(
            _cell(column, part.name, only(sources, part.name).header),
            scaled_headers=part.scaled_headers,
        )
        for part in parts
    )
    return Composed(column.name, how, cells, pair.direction if how == "split" else None)


def _day_and_clock(column: Column, pair: DayAndClock, sources: Sources) -> Composed | None:
    """Distinguish day and time of day; a file with only one of them has a plain column."""
    own = sources.get(column.name, [])
    day, clock = (_preferred(part, own, sources) for part in (pair.day, pair.clock))
    roles = set(map(normalise_header, (*pair.day.headers, *pair.clock.headers)))
    others = [source for source in own if source.header not in roles]
    if others and (len(own) > 1 or pair.day.name in sources or pair.clock.name in sources):
        raise DeliveryRefused(
            f"two columns of the file are both {column.name}; say in the manifest's headers "
            f"which one is {pair.day.name} and which one is {pair.clock.name}"
        )
    if day and clock:
        sources[pair.day.name], sources[pair.clock.name] = [day], [clock]
        cells = (
            _cell(column, pair.day.name, day.header, AS_IN_CONTRACT),
            replace(_cell(column, pair.clock.name, clock.header, AS_IN_CONTRACT), kind="clock"),
        )
        return Composed(column.name, "day_and_clock", cells)
    if day or (clock and own):
        sources[column.name] = [source for source in (day, clock) if source]
    return None


def _preferred(part: Part, own: Iterable[Source], sources: Sources) -> Source | None:
    """Return the column of the file for a part: the manifest's, or the first header."""
    if part.name in sources:
        return only(sources, part.name)
    for header in map(normalise_header, part.headers):
        found = {part.name: [source for source in own if source.header == header]}
        if found[part.name]:
            return only(found, part.name)
    return None


def _side_by_side(column: Column, sources: Sources) -> Composed:
    found = sources[column.name]
    if len({source.header for source in found}) < len(found):
        raise DeliveryRefused(f"two columns of the file are both {column.name}")
    cells = []
    for number, source in enumerate(found, 1):
        cell = _cell(column, f"{column.name}_{number}", source.header)
        sources[cell.name] = [source]
        cells.append(cell)
    return Composed(column.name, "filled", tuple(cells))


def _cell(column: Column, name: str, header: str, reading: ColumnReading | None = None) -> Column:
    """Return a cell that is read as its column is, and may be empty.

    It is named by its header if the contract lists that header; other names do not leave here.
    `reading` is how it is written unless the manifest says so, that of its column by default.
    """
    other = column.alternatives
    known = {*column.headers, *column.scaled_headers, *other.own_headers}
    label = header if header in map(normalise_header, known) else name
    return replace(
        column,
        name=name,
        headers=(label,),
        required=False,
        bound=None,
        reading=column.part_readings.get(name, reading or column.reading),
    )


def only(sources: Sources, name: str) -> Source:
    """Return the column of the file for `name`.

    Raises:
        DeliveryRefused: there are two.
    """
    found = sources[name]
    if len(found) > 1:
        raise DeliveryRefused(f"two columns of the file are both {name}")
    return found[0]
