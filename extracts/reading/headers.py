"""Which columns of a file bring which columns of its contract."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from extracts.contracts import Column, Contract, normalise_header
from extracts.manifest import DeliveredFile
from extracts.reading.alternatives import Part
from extracts.reading.compositions import Composed, Source, Sources, compose, only
from firmpulse.errors import DeliveryRefused

# A header that announces a unit, half-width: 金额(万元), 余额(千元), 发生额 单位:万元.
_OTHER_UNIT = re.compile(r"[十百千万亿]+元|[(:\[/][十百千万亿]+[)\]]?$")
# Some banks add English to a header: 交易日期[ Transaction Date ].
_GLOSS = re.compile(r"(?<=[^\[])\[[A-Za-z.,'’`/()-]+\]$")


@dataclass(frozen=True)
class Match:
    """Where the cells of a contract are in a file."""

    # Name of a column or part to its position among the headers.
    positions: Mapping[str, int]
    # What is read from the file or the manifest: columns, and the cells of composed ones.
    cells: tuple[Column, ...]
    composed: tuple[Composed, ...]
    factors: Mapping[str, Decimal]
    # Positions that every row fills, in either direction.
    filled: frozenset[int]
    # Amount columns not yet known to be signed: at least one amount must have a sign.
    unproven: Column | None


def match(file: DeliveredFile, contract: Contract, header: tuple[str, ...]) -> Match:
    """Find the columns of a contract, as the file follows it, in the header of the file.

    Raises:
        DeliveryRefused: a required column is missing, one is there twice, or in an unknown unit.
    """
    sources = _sources(file, contract, header)
    composed, positions = [], dict[str, int]()
    for column in contract.columns:
        found = None if column.name in file.constants else compose(column, contract, file, sources)
        if found is not None:
            composed.append(found)
            for cell in found.cells:
                positions[cell.name] = only(sources, cell.name).position
    given = {name for found in composed for name in (found.column, found.gives)}
    plain = [_alone(c, sources) for c in contract.columns if c.name not in given]
    for column in plain:
        if column.name in sources and column.name not in file.constants:
            positions[column.name] = only(sources, column.name).position
        elif column.required and column.name not in file.constants:
            raise _missing(column, contract)
    cells = (*plain, *(cell for found in composed for cell in found.cells))
    owners = {cell.name: found.column for found in composed for cell in found.cells}
    factors = {
        cell.name: _factor(cell, header[positions[cell.name]], owners.get(cell.name, cell.name))
        for cell in cells
        if cell.name in positions
    }
    return Match(
        positions=positions,
        cells=cells,
        composed=tuple(composed),
        factors={name: factor for name, factor in factors.items() if factor != 1},
        filled=_filled(contract, composed, positions),
        unproven=_unproven(composed, file),
    )


def _alone(column: Column, sources: Sources) -> Column:
    """Return a column that is whole in one cell, read as the part that the cell is mapped to.

    A day without a time of day is one.
    """
    for name, reading in column.part_readings.items():
        if name in sources and sources.get(column.name) == sources[name]:
            return replace(column, reading=reading)
    return column


def count_known(file: DeliveredFile, contract: Contract, cells: Iterable[str]) -> int:
    """Return how many texts of a line are headers of the contract or the manifest."""
    return known_in(contract, cells, file.headers)


def known_in(contract: Contract, cells: Iterable[str], mapped: Iterable[str] = ()) -> int:
    """Return how many texts of a line are headers of the contract, or among the mapped ones."""
    known = {*known_headers(contract), *map(normalise_header, mapped)}
    texts = {normalise_header(text) for text in cells}
    return len(known & (texts | {_GLOSS.sub("", text) for text in texts}))


def comparable(header: str) -> str:
    """Return a header in comparable form, without an English gloss."""
    return _GLOSS.sub("", normalise_header(header))


def known_headers(contract: Contract) -> Mapping[str, str]:
    """Return every header that the contract knows, in comparable form, with its column or part."""
    fallback = {
        normalise_header(text): column.name
        for column in contract.columns
        for text in column.alternatives.fallback_headers
    }
    return {**fallback, **_known(contract)}


def _sources(file: DeliveredFile, contract: Contract, header: Sequence[str]) -> Sources:
    """Return the columns of the file by the contract column or part that they hold."""
    known = _known(contract)
    mapped = {normalise_header(text): name for text, name in file.headers.items()}
    texts = [normalise_header(text) for text in header]
    texts = [t if t in known or t in mapped else _GLOSS.sub("", t) for t in texts]
    ignored = set(map(normalise_header, file.ignored))
    texts = ["" if text in ignored else text for text in texts]
    kept = _whole_pairs(contract, texts) if mapped else ()
    sources: Sources = {}
    for position, text in enumerate(texts):
        told = None if (text, mapped.get(text)) in kept else mapped.get(text)
        name = told or known.get(text)
        if name is not None:
            sources.setdefault(name, []).append(Source(position, text))
    for column in contract.columns:
        _take_fallback(column, texts, sources)
    return sources


def _known(contract: Contract) -> Mapping[str, str]:
    known = {}
    for column in contract.columns:
        for text in (column.name, *column.headers, *column.scaled_headers):
            known[normalise_header(text)] = column.name
        for pair in (column.alternatives.split, column.alternatives.chosen):
            for part in pair.parts.values() if pair else ():
                for text in (part.name, *part.headers, *part.scaled_headers):
                    known[normalise_header(text)] = part.name
        for part in column.alternatives.parts:
            known[normalise_header(part.name)] = part.name
    return known


def _whole_pairs(contract: Contract, texts: Sequence[str]) -> set[tuple[str, str]]:
    """Return paired headers, with their column; a manifest must not map one without the other.

    A manifest that maps one of two amount columns to the amount would lose the other's rows.
    """
    whole: set[tuple[str, str]] = set()
    for column in contract.columns:
        split = column.alternatives.split
        found = [_part_headers(part) & set(texts) for part in split.parts.values()] if split else []
        if found and all(found):
            whole |= {(text, column.name) for text in set().union(*found)}
    return whole


def _part_headers(part: Part) -> set[str]:
    return {normalise_header(text) for text in (*part.headers, *part.scaled_headers)}


def _take_fallback(column: Column, texts: Sequence[str], sources: Sources) -> None:
    if column.name in sources:
        return
    for header in map(normalise_header, column.alternatives.fallback_headers):
        if header in texts:
            found = [Source(p, text) for p, text in enumerate(texts) if text == header]
            sources[column.name] = found
            return


def _missing(column: Column, contract: Contract) -> DeliveryRefused:
    told = f"the file lacks the required column {column.name} ({column.headers[0]})"
    for other in contract.columns:
        split = other.alternatives.split
        if split and column.name in (other.name, split.direction):
            both = " and ".join(part.headers[0] for part in split.parts.values())
            told += f"; the two columns {both} would do as well"
    return DeliveryRefused(told)


def _filled(
    contract: Contract, composed: Iterable[Composed], positions: Mapping[str, int]
) -> frozenset[int]:
    names = {column.name for column in contract.columns if column.required}
    for found in composed:
        if found.column in names and found.how in ("signed", "day_and_clock"):
            names.add(found.cells[0].name)
    return frozenset(positions[name] for name in names if name in positions)


def _unproven(composed: Iterable[Composed], file: DeliveredFile) -> Column | None:
    for found in composed:
        # A mapping that says what a plus means has said so of files without a minus too.
        told = found.gives in file.constants or found.cells[0].reading.positive is not None
        if found.how == "signed" and not told:
            return found.cells[0]
    return None


def _factor(column: Column, header: str, name: str) -> Decimal:
    """Return the factor for values under this header.

    Raises:
        DeliveryRefused: the header announces a unit that is not in the contract.
    """
    if column.reading.factor is not None:
        return column.reading.factor
    text = normalise_header(header)
    for scaled, factor in column.scaled_headers.items():
        if normalise_header(scaled) == text:
            return factor
    if column.unit is not None and _OTHER_UNIT.search(text):
        raise DeliveryRefused(
            f"the header of {name} announces a unit that is not {column.unit} and not in the "
            f"contract; send the column in {column.unit}"
        )
    return Decimal(1)
